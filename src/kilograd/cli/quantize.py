"""kilograd quantize makes an int8 network of a float one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.train import check_writable
from kilograd.errors import ModelError, UserError
from kilograd.files import write_atomically
from kilograd.frontend.lowering import as_autoencoder, lower
from kilograd.frontend.onnx import network_of
from kilograd.ir import LabelKind
from kilograd.quantization import (
    FloatNetwork,
    FloatSamples,
    PixelRange,
    quantize_network,
    read_float_network,
    read_samples,
)
from kilograd.quantization.quantize import run_network

#: What most networks for images are trained on.
_USUAL = "-1,1"

#: A new head may take the place of the network's last layer, so two classes suit all but those
#: that make their samples again.
_CLASSES = 2


@dataclass(frozen=True)
class QuantizeRequest:
    """What to quantize with what; see the command's options."""

    model: Path
    calibration: Path
    output: Path
    data: Path | None
    input_range: str | None
    limit: int
    test_limit: int


def quantize_model(console: Console, request: QuantizeRequest) -> dict[str, Any]:
    """Calibrate, quantize, check; show and return the outcome."""
    if request.output.suffix != ".onnx":
        raise UserError(
            f"{request.output.name} does not end in .onnx",
            where="--output",
            hint="name the file so",
        )
    check_writable(request.output)
    network = read_float_network(request.model)
    with blame("--input-range"):
        pixels = PixelRange.parse(request.input_range or _USUAL)
    samples = read_samples(request.calibration, network.map, request.limit, pixel_range=pixels.read)
    tested = read_samples(
        request.data or request.calibration,
        network.map,
        request.test_limit,
        pixel_range=pixels.read,
        is_test=True,
    )
    are_pixels = samples.are_pixels and tested.are_pixels
    with blame("--input-range"):
        if are_pixels:
            network = network.with_pixels(pixels)
        elif request.input_range is not None:
            raise UserError("the samples are real numbers, which are taken as they are")
    content = quantize_network(
        network, samples.as_read(network.map), pixels.read if samples.are_pixels else None
    )
    graph = _readable(content, request)
    result = {
        "model": str(request.model),
        "output": str(request.output),
        "bytes": len(content),
        "layers": len(graph.nodes),
        "calibration_samples": len(samples),
        "pixel_range": list(pixels.read) if samples.are_pixels else None,
        **(
            _made_again(network, content, tested or samples)
            if graph.label_kind is LabelKind.ANOMALY
            else _compared(network, content, tested or samples, is_held_back=len(tested) > 0)
        ),
    }
    write_atomically(request.output, content)
    _show(console, result)
    return result


def _readable(content: bytes, request: QuantizeRequest) -> Any:
    """The graph of the quantized network, which kilograd must be able to carry."""
    try:
        where = str(request.model)
        network = network_of(content, request.output.stem, where)
        is_own = as_autoencoder(network) is not None
        return lower(network, where, None if is_own else _CLASSES)
    except ModelError as error:
        raise ModelError(
            f"quantized, this network has a layer that kilograd cannot carry: {error.what}",
            where=error.where,
            hint=error.hint,
        ) from error


def _made_again(network: FloatNetwork, content: bytes, samples: FloatSamples) -> dict[str, Any]:
    """How badly samples are made again before and after: the root mean square of the errors."""
    given = samples.as_read(network.map)
    quantized = run_network(content, network.input_name, given, network.where)
    result: dict[str, Any] = {"compared_samples": len(samples)}
    for when, made in (("before", network.predict(given)), ("after", quantized)):
        differences = made.reshape(len(given), -1) - given.reshape(len(given), -1)
        errors = np.sqrt(np.square(differences).mean(axis=1))
        result[f"reconstruction_error_{when}"] = float(errors.mean())
    return result


def _compared(
    network: FloatNetwork, content: bytes, samples: FloatSamples, *, is_held_back: bool
) -> dict[str, Any]:
    """Predictions before and after; accuracies where there are labels that suit the network.

    Of a network with one output, how far these are apart, or from the values that are right.
    """
    given = samples.as_read(network.map)
    outputs = network.predict(given)
    classes = outputs.shape[1]
    quantized = run_network(content, network.input_name, given, network.where)
    result: dict[str, Any] = {"compared_samples": len(samples)}
    if classes == 1:
        result["mean_difference"] = float(np.abs(quantized - outputs).mean())
        result["output_range"] = [float(outputs.min()), float(outputs.max())]
        if is_held_back and samples.values is not None:
            result["error_before"] = float(np.abs(outputs[:, 0] - samples.values).mean())
            result["error_after"] = float(np.abs(quantized[:, 0] - samples.values).mean())
        return result
    before: NDArray[np.int64] = outputs.argmax(axis=1)
    after: NDArray[np.int64] = quantized.argmax(axis=1)
    result["same_class"] = float(np.mean(np.equal(before, after)))
    if is_held_back and samples.labels is not None and samples.classes == classes:
        result["accuracy_before"] = float(np.mean(np.equal(before, samples.labels)))
        result["accuracy_after"] = float(np.mean(np.equal(after, samples.labels)))
    return result


def _show(console: Console, result: dict[str, Any]) -> None:
    count = result["compared_samples"]
    if "error_before" in result:
        text = (
            f"mean error on {count} test samples: {result['error_before']:.3g} in float32, "
            f"{result['error_after']:.3g} in int8"
        )
    elif "reconstruction_error_before" in result:
        text = (
            f"mean error of what is made again, on {count} samples: "
            f"{result['reconstruction_error_before']:.3g} in float32, "
            f"{result['reconstruction_error_after']:.3g} in int8"
        )
    elif "mean_difference" in result:
        low, high = result["output_range"]
        text = (
            f"{result['mean_difference']:.3g} from what it was on average, on {count} samples, "
            f"where it was from {low:.3g} to {high:.3g}"
        )
    else:
        text = f"same class as before on {result['same_class']:.1%} of {count} samples"
    if "accuracy_before" in result:
        text = (
            f"accuracy on {count} test samples: {result['accuracy_before']:.1%} in float32, "
            f"{result['accuracy_after']:.1%} in int8"
        )
    console.print(text, style="bold", markup=False, highlight=False)
    console.print(
        f"{result['output']}: {result['layers']} layers, {result['bytes']:,} bytes",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
