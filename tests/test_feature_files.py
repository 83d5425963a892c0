"""What model files say about features: what is read, and what is refused in words."""

import pytest

from kilograd.compiler import compile_model
from kilograd.errors import ModelError
from kilograd.features import LogMel, features_of, parse_features
from kilograd.frontend.native import load_native
from kilograd.ir import Quantization, TensorType
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model, tiny_graph

SPEECH = LogMel(8000, 256, 160, 49, 32, 100.0, 3800.0, 42.0, 0.125, 0)
STATED = {
    "kind": "log_mel",
    "rate": 8000,
    "window": 256,
    "hop": 160,
    "low_hz": 100.0,
    "high_hz": 3800.0,
    "centre": 42.0,
}
SPEECH_INPUT = TensorType((49, 32, 1), quantization=Quantization((0.125,), 0))
STATED_MOTION = {
    "kind": "motion",
    "rate": 50.0,
    "channels": ["a", "b"],
    "units": [0.01, 0.02],
    "scales": [0.1, 0.2],
}
MOTION_INPUT = TensorType((128, 1, 2), quantization=Quantization((1.0,), 0))


def test_features_round_trip():
    assert parse_features(STATED, SPEECH_INPUT) == SPEECH
    assert SPEECH.as_dict() == STATED
    motion = parse_features(STATED_MOTION, MOTION_INPUT)
    assert motion.shape == (128, 1, 2)
    assert motion.as_dict() == STATED_MOTION


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "mfcc"}, "there are no features of kind 'mfcc'"),
        ({"kind": None}, "there are no features of kind None"),
        ({"window": 200}, "log_mel: window 200 is out of range"),
        ({"hop": 257}, "log_mel: hop 257 is out of range"),
        ({"hop": 0}, "log_mel: hop 0 is out of range"),
        ({"rate": 8000.5}, "log_mel: 8000.5 is no whole number"),
        ({"rate": "8000"}, "log_mel: '8000' is no whole number"),
        ({"high_hz": 4001}, "log_mel: high_hz 4001.0 is out of range"),
        ({"low_hz": 3800}, "log_mel: low_hz 3800.0 is out of range"),
        ({"low_hz": float("nan")}, "log_mel: low_hz nan is out of range"),
        ({"centre": 99}, "log_mel: centre 99.0 is out of range"),
        ({"window": 64, "hop": 64}, "log_mel: no bin of the spectrum lies in band 1"),
        ({"hops": 1}, "log_mel: missing or unknown: hops"),
        ({"hop": None}, "log_mel: None is no whole number"),
    ],
)
def test_wrong_log_mel(changes, message):
    with pytest.raises(ModelError) as caught:
        parse_features(STATED | changes, SPEECH_INPUT)
    assert caught.value.what == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": [1.0]}, "motion: 1 units for 2 channels"),
        ({"scales": [0.1, 0.2, 0.3]}, "motion: 3 scales for 2 channels"),
        ({"scales": [0.1, 0.01]}, "channel b: the scale 0.01 is not 1 to 65,535 units of 0.02"),
        ({"units": [0.0, 0.02]}, "motion: channel a: the scale 0.1 is not 1 to 65,535 units of"),
        ({"units": [float("nan"), 0.02]}, "motion: channel a: the scale"),
        ({"rate": float("inf")}, "motion: rate inf is out of range"),
        (
            {"channels": ["a", "*/ int x; /*"]},
            "motion: '*/ int x; /*' is not a valid name for a channel",
        ),
        ({"channels": ["a", "a"]}, "motion: the channel a is there twice"),
        ({"channels": 3}, "motion: 'int' object is not iterable"),
    ],
)
def test_wrong_motion(changes, message):
    with pytest.raises(ModelError) as caught:
        parse_features(STATED_MOTION | changes, MOTION_INPUT)
    assert message in caught.value.what


@pytest.mark.parametrize("stated", [3, [], "log_mel", {}])
def test_features_of_no_kind(stated):
    with pytest.raises(ModelError):
        parse_features(stated, SPEECH_INPUT)


def test_features_of_another_shape():
    with pytest.raises(ModelError) as caught:
        parse_features(STATED, TensorType((49, 32, 3), quantization=Quantization((0.125,), 0)))
    assert caught.value.what == "log_mel makes 49×32×1, and the input is 49×32×3"
    with pytest.raises(ModelError) as caught:
        parse_features(STATED, TensorType((49, 32, 1), quantization=Quantization((2.0,), 0)))
    assert caught.value.what == "log_mel: scale 2.0 is out of range"


def test_a_model_file_names_its_features(tmp_path):
    model = native_model(height=49, width=32, channels=1)
    model.structure["input"] |= {"features": STATED, "scale": 0.125}
    graph = load_native(model.write(tmp_path / "m.npz"))
    assert features_of(graph) == SPEECH
    assert features_of(graph).as_dict() == STATED
    model.structure["input"]["features"] = STATED | {"window": 100}
    with pytest.raises(ModelError) as caught:
        load_native(model.write(tmp_path / "m.npz"))
    assert caught.value.what == "log_mel: window 100 is out of range"
    assert caught.value.where == str(tmp_path / "m.npz")


def test_a_model_of_images_has_none(tmp_path):
    graph = tiny_graph(tmp_path)
    assert features_of(graph) is None
    assert (
        "kg_features.h"
        not in compile_model(graph, load_scheme("head", graph), get_target("cortex-m7")).sources
    )
