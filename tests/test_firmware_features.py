"""From raw samples to training: the features in a firmware, and what they cost."""

import ctypes
import subprocess
from dataclasses import asdict

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.device.commands import Command
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.errors import DataError, DeviceError
from kilograd.features import features_of
from kilograd.frontend.native import load_native
from kilograd.frontend.open import load_model
from kilograd.measuring.firmware import measure
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_executable, build_host_library
from networks import native_model, tiny_graph

RATE = LearningRate.from_float(0.05)
STATED = {
    "audio": {
        "kind": "log_mel",
        "rate": 8000,
        "window": 64,
        "hop": 40,
        "low_hz": 0.0,
        "high_hz": 4000.0,
        "centre": 40.0,
    },
    "motion": {
        "kind": "motion",
        "rate": 50.0,
        "channels": ["a", "b", "c"],
        "units": [0.01, 0.02, 1.0],
        "scales": [0.9, 1.0, 250.0],
    },
}
SHAPES = {"audio": (9, 6, 1), "motion": (12, 1, 3)}
BACKBONES = ("kilograd-kws", "kilograd-motion")
#: What a firmware does with a sensor; the page on features shows it.
FIRMWARE_C = """\
#include <stdio.h>
#include "kg_features.h"
#include "kilograd.h"

static int32_t record(int16_t *samples, int32_t most)
{
    return (int32_t)fread(samples, sizeof *samples * KG_FEATURES_CHANNELS, (size_t)most, stdin);
}

static const int32_t *listen_and_learn(int32_t label, kg_learning_rate rate)
{
    int16_t samples[16 * KG_FEATURES_CHANNELS];
    kg_features_reset();
    while (!kg_features_push(samples, record(samples, 16)))
        continue;
    return kg_train_step(label, rate);
}

int main(void)
{
    kg_init(7);
    const kg_learning_rate rate = {RATE};
    for (int32_t i = 0; i < 3; i++)
        fwrite(listen_and_learn(i, rate), sizeof(int32_t), kg_class_count, stdout);
    fwrite(kg_state(), 1, kg_state_bytes, stdout);
    return 0;
}
"""


def sensing_graph(folder, kind):
    height, width, channels = SHAPES[kind]
    model = native_model(height=height, width=width, channels=channels)
    model.structure["input"] |= {"features": STATED[kind], "scale": 0.125}
    return load_native(model.write(folder / f"{kind}.npz"))


def recording(features, seed, extra=0):
    rng = np.random.default_rng(seed)
    shape = (features.samples + extra, features.sample_channels)
    return (rng.integers(-(2**15), 2**15, shape) >> rng.integers(0, 12, shape)).astype(np.int16)


def expected(features, samples):
    return features.apply(samples[:, 0] if features.sample_channels == 1 else samples)


@pytest.fixture(scope="module", params=STATED)
def program(request, tmp_path_factory):
    graph = sensing_graph(tmp_path_factory.mktemp("model"), request.param)
    return compile_model(graph, load_scheme("last:2", graph), get_target("cortex-m7"))


@pytest.mark.parametrize("model", BACKBONES)
@pytest.mark.parametrize("target", ["cortex-m7", "cortex-m0plus"])
def test_a_firmware_makes_the_input_of_the_backbones(model, target):
    graph = load_model(model)
    features = features_of(graph)
    program = compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    with open_device(program.for_target(get_target(target)), "unicorn") as device:
        for seed in range(3):
            samples = recording(features, seed)
            assert (device.extract(samples) == expected(features, samples).ravel()).all()


def test_from_samples_to_training_is_the_reference(program):
    features = features_of(program.graph)
    with open_device(program, "unicorn") as device, open_device(program, "reference") as reference:
        for label in range(3):
            samples = recording(features, label, extra=5)
            made = device.extract(samples)
            sample = expected(features, samples)
            assert (made == sample.ravel()).all()
            logits = device.train_step(made.reshape(sample.shape), label, RATE)
            assert (logits == reference.train_step(sample, label, RATE)).all()
        assert device.read_state() == reference.read_state()


@pytest.mark.thorough
@pytest.mark.parametrize("pieces", [1, 7, 33])
def test_pieces_of_any_size_on_the_host(program, pieces):
    features = features_of(program.graph)
    library = ctypes.CDLL(
        str(build_host_library(program.for_target(get_target("host")).sources, sanitize=True).path)
    )
    library.kg_input.restype = ctypes.c_void_p
    library.kg_init(0)
    for seed in range(2):
        samples = recording(features, seed, extra=40)
        library.kg_features_reset()
        complete = []
        for start in range(0, len(samples), pieces):
            piece = np.ascontiguousarray(samples[start : start + pieces])
            pointer = piece.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))
            complete.append(library.kg_features_push(pointer, len(piece)))
        count = -(-features.samples // pieces)
        assert complete == [0] * (count - 1) + [1] * (len(complete) - count + 1)
        sample = expected(features, samples)
        assert ctypes.string_at(library.kg_input(), sample.size) == sample.tobytes()


def test_a_program_of_the_users_own(program):
    features = features_of(program.graph)
    main_c = FIRMWARE_C.replace("RATE", f"{RATE.mantissa}, {RATE.exponent}, {RATE.steps}")
    path = build_host_executable(program.for_target(get_target("host")).sources, main_c).path
    # It reads 16 samples at a time; those behind the end of a recording are not used.
    heard = [recording(features, seed, extra=-features.samples % 16) for seed in range(3)]
    stream = b"".join(samples.astype("<i2").tobytes() for samples in heard)
    done = subprocess.run([str(path)], input=stream, capture_output=True, check=True)
    with open_device(program, "reference") as reference:
        reference.initialize(7)
        logits = [
            reference.train_step(expected(features, samples), label, RATE)
            for label, samples in enumerate(heard)
        ]
        state = reference.read_state()
    assert done.stdout == np.concatenate(logits).astype("<i4").tobytes() + state


def test_the_working_memory_lies_beside_the_sample(program):
    features, plan = features_of(program.graph), program.plan
    if not features.scratch_bytes:
        assert not plan.needs_scratch("input")
        return
    scratch, sample = plan.scratch("input"), plan.values["input"]
    size = program.graph.inputs[0].type.nbytes
    assert scratch + features.scratch_bytes <= sample or sample + size <= scratch
    assert scratch + features.scratch_bytes <= plan.arena_bytes
    assert f"KG_FEATURES_SCRATCH {scratch}\n" in program.sources["kg_features_config.h"]


def test_what_features_cost(program):
    features = features_of(program.graph)
    found = measure(program)
    cost = found.features
    assert 0 < cost.flash_bytes < 6000 < found.flash_bytes
    waiting = 0 if features.scratch_bytes == 0 else 4 + 2 * features.window
    assert waiting < cost.static_bytes <= waiting + 16
    assert cost.static_bytes <= found.data_bss
    assert cost.scratch_bytes == features.scratch_bytes <= found.arena
    assert cost.instructions > features.samples
    assert found.as_dict()["features"] == asdict(cost)
    assert measure(program) == found


def test_a_network_of_images_has_no_features(tmp_path):
    graph = tiny_graph(tmp_path)
    program = compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    assert "kg_features.h" not in program.sources
    assert measure(program).features is None
    with open_device(program, "unicorn") as device:
        with pytest.raises(DeviceError, match="refused command 11: unknown command"):
            device.extract(np.zeros(8, np.int16))
        device.predict(np.zeros(graph.inputs[0].type.shape, np.int8))


def test_wrong_samples_are_refused_and_change_nothing(program):
    features = features_of(program.graph)
    samples = recording(features, 0)
    with open_device(program, "unicorn") as device:
        for wrong in (samples.astype(np.int32), samples[:0], samples[None]):
            with pytest.raises(DataError, match=r"are int16 \[n, channels\], not int"):
                device.extract(wrong)
        few = features.samples - 1
        with pytest.raises(DataError, match=f"{few} samples are fewer than one input needs"):
            device.extract(samples[:few])
        for payload in (b"x", bytes(130)):
            with pytest.raises(DeviceError, match="the payload has the wrong length"):
                device.exchange(Command.FEATURES, payload)
        assert (device.extract(samples) == expected(features, samples).ravel()).all()
