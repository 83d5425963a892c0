"""Quantizes a float ONNX network with onnxruntime, in the way that kilograd reads."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilograd.errors import ModelError
from kilograd.frontend.malformed import MALFORMED
from kilograd.frontend.onnx.errors import DamagedError, RefusedError
from kilograd.frontend.onnx.graph import OWN_DOMAINS, PIXEL_RANGE_KEY, parse
from kilograd.frontend.onnx.layout import sample_map
from kilograd.frontend.onnx.maps import Map
from kilograd.frontend.onnx.reader import in_words
from kilograd.quantization.normalization import replace_normalizations
from kilograd.quantization.parts import quantize_parts
from kilograd.quantization.pixels import PixelRange
from kilograd.version import VERSION

#: Operators that become tables, or compare maps.
_FUNCTIONS = (
    *("Tanh", "HardSwish", "HardSigmoid", "Elu", "Abs", "Sub", "Div"),
    *("Softplus", "Softsign", "Selu", "Celu", "Mish", "Erf", "Gelu", "PRelu"),
    *("Exp", "Log", "Sqrt", "Pow", "Neg", "Reciprocal", "Max", "Min"),
)

#: Layers that onnxruntime leaves in float32 unless it is told otherwise.
_REDUCTIONS = ("GlobalMaxPool", "ReduceMax", "ReduceMean", "ReduceSum")

#: Normalizations that become layers. onnxruntime cannot quantize some networks with others, which
#: are refused by their names later.
_CARRIED = ("BatchNormalization",)

#: The first version of ONNX's operators in which DequantizeLinear has an axis.
_FIRST_WITH_AXES = 13

#: Largest extent of a sample.
_MAX_EXTENT = 65536


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A float network with one input and one output.

    Attributes:
        content: the file, with a batch of one and all weights in it.
        where: the file, for messages.
        input_name: of the value that a sample is put into.
        map: of a sample, with its batch of one.
    """

    content: bytes
    where: str
    input_name: str
    map: Map

    def with_pixels(self, pixels: PixelRange) -> FloatNetwork:
        """The network behind a layer that turns pixels into what it reads, if it needs one.

        Args:
            pixels: what they are for the network.

        Returns:
            a network for which they are ``pixels.read``.

        Raises:
            DataError: when the network does not read images of so many channels.
        """
        pixels.check(self.map)
        if pixels.is_uniform:
            return self
        onnx: Any = _package("onnx", self.where)
        model = onnx.load_from_string(self.content)
        pixels.put_before(model, self.map)
        return replace(self, content=model.SerializeToString())

    def predict(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network makes of samples.

        Args:
            samples: [n, 1, ...], as ``FloatSamples.as_read`` returns them.

        Returns:
            float32 [n, elements of the output].

        Raises:
            ModelError: when onnxruntime cannot run it.
        """
        return run_network(self.content, self.input_name, samples, self.where)


def read_float_network(path: Path) -> FloatNetwork:
    """A float network in an .onnx file; weights may lie in files beside it.

    Raises:
        ModelError: when there is none, or it has several inputs, or one of an open shape.
    """
    onnx: Any = _package("onnx", str(path))
    if not path.is_file():
        raise ModelError("there is no such file", where=str(path))
    try:
        model = onnx.load(str(path))
    except Exception as error:  # onnx and protobuf raise classes of their own
        raise ModelError(
            f"this is not an .onnx file that can be read: {_first_line(error)}",
            where=str(path),
            hint="PyTorch makes one with torch.onnx.export; networks of TensorFlow need none, "
            "since its converter makes int8 .tflite files",
        ) from error
    return float_network(model, str(path))


def float_network(model: Any, where: str) -> FloatNetwork:
    """A float network, checked.

    Args:
        model: ``onnx.ModelProto`` with all weights in it.
        where: the file, for messages.

    Raises:
        ModelError: as for ``read_float_network``.
    """
    model = _newer(model, where)
    for entry in (*model.graph.input[:1], *model.graph.output):
        dims = entry.type.tensor_type.shape.dim
        if dims and not dims[0].dim_value:
            dims[0].dim_value = 1
    content: bytes = model.SerializeToString()
    try:
        graph = parse(content)
    except (DamagedError, RefusedError, ImportError, *MALFORMED) as error:
        raise in_words(error, where) from error
    if any(node.operator.endswith("QuantizeLinear") for node in graph.nodes):
        raise ModelError("this network is quantized already", where=where)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(
            f"the network has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, and "
            "kilograd's networks have one of each",
            where=where,
            hint="export the part of the network that has one input and one output",
        )
    (entry,) = graph.inputs
    is_fixed = not entry.is_open and 2 <= len(entry.shape) <= 4  # noqa: PLR2004 - up to two directions
    if not is_fixed or entry.shape[0] != 1 or max(entry.shape) > _MAX_EXTENT:
        stated = "an open shape" if entry.is_open else f"the shape {list(entry.shape)}"
        raise ModelError(
            f"the network's input {entry.name} has {stated}, and kilograd reads one sample of a "
            "fixed shape at a time",
            where=where,
            hint="export the network with an example of one sample, and no dynamic shapes",
        )
    return FloatNetwork(content, where, entry.name, sample_map(graph, entry))


def _newer(model: Any, where: str) -> Any:
    """The network in a version of ONNX's operators in which scales can lie along an axis."""
    versions = [entry.version for entry in model.opset_import if entry.domain in OWN_DOMAINS]
    if len(versions) != 1 or versions[0] >= _FIRST_WITH_AXES:
        return model  # without one version, it is refused below
    converter: Any = _package("onnx.version_converter", where)
    try:
        return converter.convert_version(model, _FIRST_WITH_AXES)
    except Exception as error:  # onnx raises classes of its own
        raise ModelError(
            f"it uses version {versions[0]} of ONNX's operators, which onnx cannot turn into "
            f"version {_FIRST_WITH_AXES}: {_first_line(error)}",
            where=where,
            hint=f"export the network with an opset of {_FIRST_WITH_AXES} or more",
        ) from error


def quantize_network(
    network: FloatNetwork,
    samples: NDArray[np.float32],
    pixel_range: tuple[float, float] | None = None,
) -> bytes:
    """The network in int8, in the QDQ format.

    Weights are symmetric, from -127 to 127, with a scale for each channel; maps have the ranges
    that they have on the samples. Batch normalizations, paddings and activations go into the
    layers beside them first; normalizations that have none become layers.

    Args:
        network: of float operators.
        samples: to calibrate with, [n, 1, ...], as ``FloatSamples.as_read`` returns them.
        pixel_range: what the darkest and the brightest pixel of an image are for the network, which
            the file then says; None where samples are no images.

    Returns:
        the contents of an .onnx file.

    Raises:
        ModelError: when onnxruntime is missing, or cannot quantize it.
    """
    if not len(samples):
        raise ModelError("there are no samples to calibrate with", where=network.where)
    onnx: Any = _package("onnx", network.where)
    quantization: Any = _package("onnxruntime.quantization", network.where)
    preprocessing: Any = _package("onnxruntime.quantization.shape_inference", network.where)
    with tempfile.TemporaryDirectory(prefix="kilograd-") as folder:
        given, simple, made = (
            Path(folder) / f"{name}.onnx" for name in ("float", "simple", "int8")
        )
        given.write_bytes(network.content)
        try:
            preprocessing.quant_pre_process(str(given), str(simple), skip_symbolic_shape=True)
            folded = onnx.load(str(simple))
            replace_normalizations(folded)
            onnx.save(folded, str(simple))
            quantization.quantize_static(
                str(simple),
                str(made),
                _reader(quantization, network.input_name, samples),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=_operators(network.where),
                per_channel=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
                extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
            )
            model = onnx.load(str(made))
            quantize_parts(model, network.input_name, samples)
        except Exception as error:  # onnxruntime raises classes of its own
            raise ModelError(
                f"onnxruntime cannot quantize this network: {_first_line(error)}",
                where=network.where,
            ) from error
    runtime: Any = _package("onnxruntime", network.where)
    notes = {"kilograd.version": VERSION, "kilograd.onnxruntime": str(runtime.__version__)}
    if pixel_range is not None:
        notes[PIXEL_RANGE_KEY] = "{!r},{!r}".format(*pixel_range)
    for key, value in notes.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return model.SerializeToString()


def run_network(
    content: bytes, input_name: str, samples: NDArray[np.float32], where: str
) -> NDArray[np.float32]:
    """What onnxruntime makes of samples, one after the other.

    Args:
        content: of an .onnx file, float or quantized.
        input_name: of the value that a sample is put into.
        samples: [n, 1, ...].
        where: the file, for messages.

    Returns:
        float32 [n, elements of the output].

    Raises:
        ModelError: when onnxruntime is missing, or cannot run it.
    """
    runtime: Any = _package("onnxruntime", where)
    try:
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors, which are raised as well
        # Above this level it uses int8 kernels whose sums saturate on x86 without VNNI.
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        rows = [np.ravel(session.run(None, {input_name: sample})[0]) for sample in samples]
    except Exception as error:  # onnxruntime raises classes of its own
        raise ModelError(
            f"onnxruntime cannot run this network: {_first_line(error)}", where=where
        ) from error
    return np.array(rows, np.float32)


def _reader(quantization: Any, name: str, samples: NDArray[np.float32]) -> Any:
    """The samples in the form in which onnxruntime asks for them."""
    entries: Iterator[dict[str, NDArray[np.float32]]] = ({name: sample} for sample in samples)

    def get_next(_: Any) -> dict[str, NDArray[np.float32]] | None:
        return next(entries, None)

    base = quantization.CalibrationDataReader
    return type("Calibration", (base,), {"get_next": get_next})()


def _operators(where: str) -> list[str]:
    """Those that onnxruntime quantizes unless it is told otherwise, and functions of one number."""
    registry: Any = _package("onnxruntime.quantization.registry", where)
    known = {*registry.QLinearOpsRegistry, *registry.QDQRegistry, *_FUNCTIONS, *_REDUCTIONS}
    return sorted(name for name in known if not name.endswith("Normalization") or name in _CARRIED)


def _package(name: str, where: str) -> Any:
    package, _, _ = name.partition(".")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f"quantizing needs the package {package}, which is not installed",
            where=where,
            hint="pip install 'kilograd[quantize]'",
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
