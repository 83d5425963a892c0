"""Modules of PyTorch, which is the user's own and is imported only here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from kilograd.errors import ModelError
from kilograd.files import write_atomically
from kilograd.frontend.lowering import lower
from kilograd.frontend.onnx import network_of
from kilograd.ir import Graph
from kilograd.quantization.pixels import PixelRange
from kilograd.quantization.quantize import float_network, quantize_network

_NAME = "torch"


def from_torch(
    module: Any,
    calibration: Any,
    classes: int | None = None,
    *,
    pixel_range: tuple[float, float] | None = None,
    name: str | None = None,
    save: str | Path | None = None,
) -> Graph:
    """The forward graph of a float PyTorch module, quantized to int8.

    The module is exported by ``torch.onnx.export``, quantized by onnxruntime with the ranges that
    its maps have on the calibration samples, and read as an .onnx file is.

    Args:
        module: ``torch.nn.Module`` with one input and one output, the logits.
        calibration: some hundred samples as the module reads them, a float tensor or array
            [samples, channels, height, width].
        classes: of a freshly initialised head; None keeps the module's own last layer.
        pixel_range: what the darkest and the brightest pixel of an image are for the module, such
            as (0, 1); None takes the ends of what its int8 input can hold.
        name: of the graph; the module's class if None.
        save: also writes the quantized network to this .onnx file.

    Raises:
        DataError: when ``pixel_range`` is none, or the module does not read images.
        ModelError: when PyTorch, onnxscript or onnxruntime is missing, the module cannot be
            exported or quantized, or has a layer that kilograd cannot carry.
    """
    title = name or type(module).__name__
    torch, samples = _torch(title), _samples(calibration, title)
    was_training = bool(module.training)
    module.eval()
    try:
        with torch.no_grad():
            program = torch.onnx.export(
                module, (torch.from_numpy(samples[0]),), dynamo=True, verbose=False
            )
        network = float_network(program.model_proto, title)
    except ModelError:
        raise
    except Exception as error:  # exporters raise classes of their own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(
            f"PyTorch cannot export this module: {lines[0][:300]}",
            where=title,
            hint="its forward must be one that torch.export can trace",
        ) from error
    finally:
        module.train(was_training)
    if pixel_range is not None:
        PixelRange(pixel_range[:1], pixel_range[1:]).check(network.map)
    content = quantize_network(network, samples, pixel_range)
    graph = lower(network_of(content, title, title), title, classes)
    if save is not None:
        write_atomically(Path(save), content)
    return graph


def _torch(where: str) -> Any:
    """PyTorch, once all that its exporter needs is there."""
    for package in (_NAME, "onnxscript"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ModelError(
                f"reading a PyTorch module needs the package {package}, which is not installed",
                where=where,
                hint="pip install torch onnxscript 'kilograd[quantize]'",
            ) from error
    return importlib.import_module(_NAME)


def _samples(calibration: Any, where: str) -> Any:
    """float32 [n, 1, ...]."""
    if hasattr(calibration, "detach"):
        calibration = calibration.detach().cpu().numpy()
    samples = np.asarray(calibration)
    if samples.dtype.kind != "f" or samples.ndim < 2 or not len(samples):  # noqa: PLR2004 - samples and elements
        raise ModelError(
            f"the calibration samples are {samples.dtype} of the shape {list(samples.shape)}, and "
            "must be float, [samples, channels, height, width]",
            where=where,
        )
    if not np.isfinite(samples).all():
        raise ModelError("the calibration samples hold NaN or infinity", where=where)
    return np.ascontiguousarray(samples[:, None], np.float32)
