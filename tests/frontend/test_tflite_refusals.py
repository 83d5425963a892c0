"""What kilograd cannot carry is refused in words that say which layer, why and what helps."""

import numpy as np
import pytest
from tflite_drafts import activated
from tflite_files import TANH, small_network
from tflite_mistakes import (
    bias_of_int64,
    broadcast,
    changed,
    constant_added,
    ending,
    every_type,
    float_network,
    joined,
    large_bias,
    mean_of_variable_axes,
    mean_over,
    of_any,
    padded_by_a_variable,
    padded_channels,
    pads_of,
    reordered,
    rescaled,
    rescaling_pool,
    second_input,
    set_option,
    set_result,
    set_weight,
    several_rows,
    variable_weight,
    wrong_axis,
)

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.frontend.tflite import reader

FULL = "full integer quantization"

REFUSED = {
    "float32": (
        changed(float_network),
        ["layer 0 (CONV_2D, layer0): its input is float32, and kilograd computes with int8", FULL],
    ),
    "int16": (changed(every_type("int16")), ["its input is int16, and kilograd computes", FULL]),
    "hybrid": (
        changed(every_type("float32")),
        ["its input is float32, though its weight is int8 (dynamic range quantization)", FULL],
    ),
    "uint8": (
        changed(every_type("uint8")),
        ["its input is uint8, as networks were quantized before 2019", "with TensorFlow 2"],
    ),
    "int4": (
        set_weight(0, dtype="int4"),
        ["its weight is int4, and kilograd computes with int8"],
    ),
    "weights of uint8": (set_weight(0, dtype="uint8"), ["its weight is uint8, as networks"]),
    "several subgraphs": (
        changed(lambda d: setattr(d, "subgraphs", 2)),
        ["its beginning: it has 2 subgraphs, as networks with recurrent", "in place of recurrent"],
    ),
    "sparse": (
        changed(lambda d: setattr(d.tensors[1], "is_sparse", True)),
        [
            "tensor 1: it is stored as a sparse tensor, which is not read",
            "without Optimize.EXPERIMENTAL_SPARSITY",
        ],
    ),
    "weights with a zero point": (
        set_weight(0, zeros=(0, 1, 0, 0)),
        ["its weight has a zero point, and kilograd's weights are symmetric"],
    ),
    "several inputs": (
        changed(second_input),
        ["the network has 2 inputs, and kilograd's networks have one", "export the part"],
    ),
    "several outputs": (
        changed(lambda d: d.outputs.append(d.operators[0].outputs[0])),
        ["the network has 2 outputs, and kilograd's networks have one"],
    ),
    "no outputs": (changed(lambda d: d.outputs.clear()), ["the network has 0 outputs"]),
    "no layers": (
        changed(lambda d: setattr(d, "outputs", d.inputs)),
        ["no layer with weights makes the network's result"],
    ),
    "batch": (
        changed(lambda d: setattr(d.tensors[0], "shape", (4, 6, 6, 3))),
        ["the network reads 4 samples at a time", "a batch of 1"],
    ),
    "no shape": (
        ending(lambda d: d.append("ADD", [0, 0], (), "AddOptions"), ()),
        ["the network's input has the shape [], and kilograd reads maps of one height"],
    ),
    "open extent": (
        changed(lambda d: setattr(d.tensors[0], "signature", (-1, -1, 6, 3))),
        ["the network's input has no fixed shape", "an input of fixed shape"],
    ),
    "huge shape": (
        changed(lambda d: setattr(d.tensors[0], "shape", (1, 6, 2**30, 3))),
        ["the network's input has the shape [1, 6, 1073741824, 3]", "between 1 and 65536"],
    ),
    "input without a scale": (
        changed(lambda d: d.tensors[0].__dict__.update(scales=(), zeros=())),
        ["the network's input needs one scale and one zero point of int8"],
    ),
    "result without a scale": (
        set_result(1, scales=(), zeros=()),
        ["layer 1 (DEPTHWISE_CONV_2D, layer1): its result needs one scale"],
    ),
    "scale that is not a number": (
        set_result(0, scales=(float("nan"),)),
        ["its result needs one scale"],
    ),
    "weight scale of zero": (
        set_weight(0, scales=(0.0, 1.0, 1.0, 1.0)),
        ["its weight has a scale that is not positive"],
    ),
    "weight scale too small": (
        set_weight(0, scales=(1e-30, 1.0, 1.0, 1.0)),
        ["layer layer0: its weight scales must lie between"],
    ),
    "scales along another dimension": (
        ending(lambda d: wrong_axis(d, d.conv(0, (1, 6, 6), 3))),
        ["its weight has 3 scales along dimension 1, and kilograd needs one, or one for each of"],
    ),
    "bias of int64": (
        changed(bias_of_int64),
        ["its bias must be a constant of 4 int32 numbers, and it is int64 of the shape [4]"],
    ),
    "large bias": (changed(large_bias), ["layer layer0: the bias 1,073,741,824 of channel 1"]),
    "variable weight": (changed(variable_weight), ["its weight is not a constant"]),
    "groups that leave channels over": (
        ending(lambda d: d.conv(d.conv(0, (1, 6, 6), 5), (1, 6, 6), 4, group=2)),
        ["layer 1 (CONV_2D, layer1): its 4 filters read 2 channels each, and there are 5"],
    ),
    "groups without filters": (
        ending(lambda d: d.conv(0, (1, 6, 6), 4, group=3)),
        ["its 4 filters read 1 channels each, and there are 3"],
    ),
    "filters for some channels": (
        ending(lambda d: d.depthwise(0, (1, 6, 6), 4, DepthMultiplier=1)),
        ["it makes 4 channels of 3, and a depthwise layer makes the same number of each"],
    ),
    "activation that is no clamp": (
        set_option(1, FusedActivationFunction=TANH),
        ["kilograd has no activation tanh"],
    ),
    "relu6 of another scale": (
        lambda: rescaled(activated("RELU6", 6 / 255, -128)),
        ["layer 1 (RELU6, layer1): its result has another scale or zero point than its input"],
    ),
    "mean over a dimension that is not there": (
        mean_over((4,)),
        ["it is a mean over the dimensions [4]"],
    ),
    "mean over the batch": (mean_over((0, 1)), ["it is a mean over the dimensions [0, 1]"]),
    "reordered by no order": (
        ending(lambda d: d.conv(reordered(d, (0, 2, 2, 1)), (1, 6, 6), 4, taps=(1, 1))),
        ["layer 1 (TRANSPOSE, layer1): kilograd reorders the dimensions of a map"],
    ),
    "batch reordered": (
        ending(lambda d: d.transpose(0, (1, 0, 2, 3))),
        ["layer 0 (TRANSPOSE, layer0): kilograd reorders the dimensions of a map"],
    ),
    "mean over a variable": (ending(mean_of_variable_axes), ["its axes are not a constant"]),
    "maps joined as a batch": (
        joined(0, (2, 6, 6, 3)),
        ["it joins its maps along dimension 0 of 4, and the first is the batch"],
    ),
    "maps joined that differ in scale": (
        joined(3, (1, 6, 6, 6), scale=0.06),
        ["layer 1 (CONCATENATION, layer1): its result has another scale or zero point than its"],
    ),
    "pool that rescales": (
        ending(rescaling_pool),
        ["its result has another scale or zero point than its input"],
    ),
    "lstm": (
        of_any("UNIDIRECTIONAL_SEQUENCE_LSTM"),
        ["layer 0 (UNIDIRECTIONAL_SEQUENCE_LSTM, X): kilograd has no recurrent layers"],
    ),
    "svdf": (of_any("SVDF"), ["(SVDF, X): kilograd has no recurrent layers, and this one keeps"]),
    "div": (of_any("DIV"), ["(DIV, X): kilograd has no such operator"]),
    "transpose": (of_any("TRANSPOSE"), ["kilograd reorders the dimensions of a map", "a constant"]),
    "own operator": (of_any("Mystery"), ["layer 0 (CUSTOM Mystery, X): kilograd has no such"]),
    "softmax in between": (
        ending(lambda d: d.softmax(0)),
        ["layer 0 (SOFTMAX, layer0): a softmax can only follow the last layer"],
    ),
    "channels padded with another number": (
        ending(padded_channels),
        ["it pads channels with -128, and kilograd does so with the zero point"],
    ),
    "padding by a variable": (ending(padded_by_a_variable), ["its padding is not a constant"]),
    "padding of five dimensions": (
        ending(lambda d: d.like("PAD", 0, (1, 6, 6, 3), pads_of(d, np.zeros((5, 2))))),
        ["its padding is [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"],
    ),
    "much padding": (
        ending(lambda d: d.pad(0, ((0, 0), (0, 10**6), (0, 0), (0, 0)))),
        ["its padding is more than 65536"],
    ),
    "no map": (
        changed(lambda d: d.operators[3].inputs.__setitem__(0, -1)),
        ["layer 3 (ADD, layer3): its first input is left out"],
    ),
    "several results": (
        changed(lambda d: d.operators[3].outputs.append(d.tensor("more", (1,)))),
        ["layer 3 (ADD, layer3): it makes 2 tensors, and kilograd's layers make one"],
    ),
    "result that is a constant": (
        set_result(2, data=np.zeros((1, 6, 6, 4), np.int8)),
        ["layer 2 (CONV_2D, layer2): its result is an input or a constant"],
    ),
    "weight of three dimensions": (
        changed(lambda d: setattr(d.tensors[d.operators[-2].inputs[1]], "shape", (3, 5, 1))),
        ["its weight has the shape [3, 5, 1]"],
    ),
    "dense layer by rows": (
        ending(several_rows),
        ["it reads 18 of 108 elements at a time", "dense layers read all at once"],
    ),
    "order of weights": (
        changed(lambda d: d.operators[-2].options.update(WeightsFormat=1)),
        ["its weights are in an order that is not read"],
    ),
    "constant added": (
        ending(constant_added),
        ["its constant has the shape [1, 3, 6, 3], which does not fit a map of [6, 6, 3]"],
    ),
    "broadcast": (ending(broadcast), ["its maps have the shapes [6, 6, 3] and [3, 3, 3], and"]),
    "wrong shape": (
        set_result(2, shape=(1, 6, 6, 5)),
        ["the file says that its result has the shape [1, 6, 6, 5], and it has [1, 6, 6, 4]"],
    ),
    "head that slides": (
        changed(lambda d: setattr(d, "outputs", d.operators[2].outputs)),
        ["must make one value for each class, and it slides a window of 1×1 over a map of 6×6"],
    ),
    "head that is no dense layer": (
        changed(lambda d: setattr(d, "outputs", d.operators[3].outputs)),
        ["layer 3 (ADD, layer3): the network ends with a map of 6×6×4, and kilograd's networks"],
    ),
    "layers out of order": (
        changed(lambda d: d.operators.insert(0, d.operators.pop(3))),
        ["layer 0 (ADD, layer3): its input 0 is neither the sample nor made by a layer before"],
    ),
    "tensor made twice": (
        changed(lambda d: d.operators.append(d.operators[2])),
        ["another layer makes tensor"],
    ),
    "constant that is made": (
        changed(lambda d: setattr(d.tensors[d.operators[2].outputs[0]], "buffer", 1)),
        ["its contents are 108 bytes"],
    ),
    "layers in a circle": (
        changed(lambda d: d.operators[0].inputs.__setitem__(0, d.operators[3].outputs[0])),
        ["layer 0 (CONV_2D, layer0): its input 0 is neither the sample nor made by a layer"],
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(what, tmp_path):
    make, texts = REFUSED[what]
    path = make().write(tmp_path / "net.tflite")
    with pytest.raises(ModelError) as caught:
        load_model(str(path))
    assert caught.value.where == str(path)
    for text in texts:
        assert text in str(caught.value)
    assert "--" not in str(caught.value)


def test_the_command_says_it_on_one_line(kilograd, tmp_path):
    path = REFUSED["float32"][0]().write(tmp_path / "net.tflite")
    outcome = kilograd("inspect", path)
    outcome.refused(f"error: {path}: layer 0 (CONV_2D, layer0): its input is float32, and kilo")
    assert outcome.err.count("\n") == 2  # the hint has a line of its own


def test_the_command_shows_a_network(kilograd, tmp_path):
    path = small_network().write(tmp_path / "net.tflite")
    found = kilograd("inspect", path, "--json").json
    assert [row["name"] for row in found["layers"]][-2:] == ["layer6", "head"]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    path = small_network().write(tmp_path / "net.tflite")

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(reader.importlib, "import_module", missing)
    with pytest.raises(ModelError) as caught:
        load_model(str(path))
    assert "needs the package tflite, which is not installed" in str(caught.value)
    assert "pip install 'kilograd[tflite]'" in str(caught.value)
