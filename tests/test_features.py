"""Features: the integers are log-mel within a tolerance, and the C gives the same bytes."""

import hashlib
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake import MODEL_FRAME, interface_sources
from kilograd.codegen.sources import kernel_sources
from kilograd.device.host import HostDevice
from kilograd.device.unicorn import UnicornDevice
from kilograd.features import (
    LogMel,
    Motion,
    decode_mulaw,
    encode_mulaw,
)
from kilograd.features.log_mel import integer_log2
from kilograd.ir import DType, TensorType
from kilograd.ops.spec import StepContext
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware, build_host_executable, build_host_library
from operators import source
from operators.run import Run, execute, execute_program
from strategies import seeds

SPEECH = LogMel(
    rate=8000,
    window=256,
    hop=160,
    frames=49,
    bands=32,
    low_hz=100.0,
    high_hz=3800.0,
    centre=42.0,
    scale=0.125,
    zero_point=0,
)
#: Short windows that do not overlap, long ones that do, all of the spectrum, odd scales.
CONFIGURATIONS = {
    "speech": replace(SPEECH, frames=12),
    "short": LogMel(8000, 64, 64, 9, 3, 0.0, 4000.0, 20.0, 1.0, -128),
    "long": LogMel(16000, 512, 77, 7, 40, 20.0, 7600.0, 44.7, 1 / 64, 127),
    "one band": LogMel(8000, 128, 1, 5, 1, 0.0, 4000.0, 33.3, 0.3, 5),
}
MOTION = Motion(
    rate=50.0,
    length=5,
    channels=("total_acc_x", "body_gyro_x", "pressure"),
    units=(1 / 2048, 1 / 1024, 1.0),
    scales=(2 / 127, 4 / 127, 1.0),
)


def recordings(features: LogMel, rng) -> dict[str, np.ndarray]:
    """Noise at several levels, tones, silence, and what drives the transform to its limits."""
    count = features.samples
    time = np.arange(count)
    nyquist = np.where(time % 2, 32767, -32768)
    tones = [
        level * np.sin(2 * np.pi * hz / features.rate * time)
        for level, hz in ((30000, 440), (300, 1000), (3, 3100))
    ]
    made = {
        "silence": 0 * time,
        "lowest": 0 * time - 32768,
        "highest": 0 * time + 32767,
        "nyquist": nyquist,
        "square": np.where(time // 7 % 2, 32767, -32768),
        "click": np.where(time == count // 3, 32767, 0),
        "full noise": rng.integers(-32768, 32768, count),
        "signs": rng.integers(0, 2, count) * 65535 - 32768,
        "noise": rng.normal(0, 800, count),
        "faint noise": rng.integers(-2, 3, count),
        **{f"tone {index}": tone for index, tone in enumerate(tones)},
    }
    return {name: np.rint(samples).astype(np.int16) for name, samples in made.items()}


# The definition.


def real_logarithms(features: LogMel, samples) -> np.ndarray:
    """The same in float64: windows, FFT, triangles, logarithms; in the integers' unit."""
    angles = np.pi * (np.arange(features.window) + 0.5) / features.window
    starts = features.hop * np.arange(features.frames)
    frames = samples[..., starts[:, None] + np.arange(features.window)] * np.sin(angles) ** 2
    power = np.abs(np.fft.rfft(frames)) ** 2
    mel = np.linspace(*(1127 * np.log1p(hz / 700) for hz in (features.low_hz, features.high_hz)),
                      features.bands + 2)  # fmt: skip
    edges = 700 * np.expm1(mel / 1127)
    hertz = np.fft.rfftfreq(features.window, 1 / features.rate)
    rise = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    sums = power @ np.maximum(0, np.minimum(rise, fall)).T
    # int16 steps are shifted up by 15 bits less those of the window, and the transform is doubled.
    unit = 2 * (15 - np.log2(features.window)) + 2
    return np.log2(np.maximum(sums, 1e-30)) + unit


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_log_mel_is_that_of_float64(name):
    features = CONFIGURATIONS[name]
    rng = np.random.default_rng(0)
    for kind, samples in recordings(features, rng).items():
        exact = real_logarithms(features, samples)
        integer = features.logarithms(samples) / 2**15
        # 2^25 is a tone of half an int16 step, and 2^24 are 72 dB.
        floor = np.maximum(25, exact.max(axis=-1, keepdims=True) - 24)
        # A third of a step of kilograd-kws.
        assert np.abs(integer - exact)[exact > floor].max(initial=0) < 0.04, kind
        # Below the floor, what was rounded fills the spectrum up, and no more.
        assert (integer - floor)[exact <= floor].max(initial=0) < 0.04, kind


def test_int8_is_within_one_step_of_float64():
    rng = np.random.default_rng(1)
    for kind, samples in recordings(SPEECH, rng).items():
        exact = real_logarithms(SPEECH, samples)
        floor = exact.max(axis=-1, keepdims=True) - 24
        steps = np.clip((np.maximum(exact, floor) - SPEECH.centre) / SPEECH.scale, -128, 127)
        found = np.maximum(SPEECH.apply(samples)[..., 0], (floor - SPEECH.centre) / SPEECH.scale)
        assert np.abs(found - steps).max() < 0.7, kind


@given(st.integers(1, 2**62))
def test_logarithms_of_whole_numbers(value):
    logarithm = int(integer_log2(np.array([value]))[0])
    assert abs(logarithm / 2**15 - np.log2(value)) < 2.3e-4
    assert logarithm >= int(integer_log2(np.array([max(1, value - 1)]))[0])


def test_powers_of_two_are_exact():
    powers = np.arange(63)
    assert (integer_log2(np.int64(1) << powers) == powers << 15).all()


def test_a_tone_is_in_the_band_around_it():
    time = np.arange(SPEECH.samples)
    edges = SPEECH._edges()
    for band in range(SPEECH.bands):
        tone = np.rint(8000 * np.sin(2 * np.pi * edges[band + 1] / SPEECH.rate * time))
        logarithms = SPEECH.logarithms(tone.astype(np.int16))
        assert abs(int(logarithms.mean(axis=0).argmax()) - band) <= 1


def test_filters_cover_the_spectrum_once():
    total = SPEECH.filter_bank().sum(axis=0)
    hertz = np.array(SPEECH.bins) * SPEECH.rate / SPEECH.window
    edges = SPEECH._edges()
    inner = (hertz >= edges[1]) & (hertz <= edges[-2])
    assert (total[inner] == 1 << 14).all()
    assert (total[~inner] < 1 << 14).all()


def test_twice_the_amplitude_is_two_more():
    rng = np.random.default_rng(2)
    samples = rng.integers(-8000, 8000, SPEECH.samples).astype(np.int16)
    difference = SPEECH.logarithms(2 * samples) - SPEECH.logarithms(samples)
    assert np.abs(difference / 2**15 - 2).max() < 0.01


def test_several_recordings_are_each_by_itself():
    rng = np.random.default_rng(3)
    samples = rng.integers(-999, 999, (2, 70, SPEECH.samples + 64)).astype(np.int16)
    maps = SPEECH.apply(samples)
    assert maps.shape == (2, 70, 49, 32, 1)
    assert (maps[1, 69] == SPEECH.apply(samples[1, 69])).all()
    assert (maps[0, 3] == SPEECH.apply(samples[0, 3, : SPEECH.samples])).all()
    with pytest.raises(ValueError, match="7935 samples are fewer than 7936"):
        SPEECH.apply(samples[0, 0, :7935])


def test_log_mel_of_a_fixed_recording(golden):
    """Bytes and tables that no machine, and no later version, may change."""
    rng = np.random.Generator(np.random.PCG64(5))
    lines = []
    for name, features in {**CONFIGURATIONS, "motion": MOTION}.items():
        shape = (features.samples,) if isinstance(features, LogMel) else (5, 3)
        samples = rng.integers(-(2**15), 2**15, shape).astype(np.int16) >> rng.integers(0, 9, shape)
        parts = {"map": features.apply(samples.astype(np.int16)).tobytes()}
        parts |= {n: t.encode() for n, t in features.sources().items() if "tables" in n}
        lines += [f"{name} {n} {hashlib.sha256(p).hexdigest()}" for n, p in parts.items()]
    golden("features.txt", "\n".join([*lines, ""]))


# Mu-law.


def test_mulaw_is_the_formula():
    codes = np.arange(256)
    y = codes / 127.5 - 1
    real = np.sign(y) * (256 ** np.abs(y) - 1) / 255
    decoded = decode_mulaw(codes.astype(np.uint8))
    assert decoded.dtype == np.int16
    assert np.abs(decoded - 32767 * real).max() <= 0.5
    assert (decoded == -decoded[::-1]).all()
    assert (encode_mulaw(decoded) == codes).all()


@given(st.integers(-32768, 32767))
def test_mulaw_takes_the_nearest_code(sample):
    values = decode_mulaw(np.arange(256, dtype=np.uint8)).astype(int)
    code = int(encode_mulaw(np.array([sample], np.int16))[0])
    assert abs(int(values[code]) - sample) == np.abs(values - sample).min()


# Motion.


def test_motion_is_rounded_and_clamped():
    real = np.array([[[0.5, -1.0, 3.0], [5.0, -9.0, 200.0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    counts = MOTION.counts(real)
    assert counts[0, 0].tolist() == [1024, -1024, 3]
    assert MOTION.apply(counts)[0, :2, 0].tolist() == [[32, -32, 3], [127, -128, 127]]
    assert MOTION.counts(np.array([1e9, -1e9, 0.5])).tolist() == [32767, -32768, 0]
    with pytest.raises(ValueError, match="are no windows of"):
        MOTION.apply(counts[:, :4])


# The C.


@dataclass(frozen=True)
class Item:
    """What `operators.run` asks of an operator's case: here one function of `features_sources`."""

    name: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    scratch: int = 0
    alias: None = None

    @property
    def overwrites(self):
        return {}

    @property
    def case(self):
        return SimpleNamespace(inputs=self.inputs)

    def scratch_bytes(self, features):
        del features
        return self.scratch

    def __str__(self):
        return self.name


FUNCTIONS_C = """\
#include "cases.h"
#include "kg_log_mel.h"
#include "kg_motion.h"
#include "kg_mulaw.h"


/* Samples, the sizes of the pieces they come in (their number first), frames, number of frames. */
static void log_mel(const kg_control *control, void *const *tensors)
{
    (void)control;
    const int16_t *samples = tensors[0];
    const int32_t *pieces = tensors[1];
    int8_t *frames = tensors[2];
    int32_t *made = tensors[3];
    kg_log_mel *state = tensors[4];
    kg_log_mel_scratch *scratch = (void *)(state + 1);
    kg_log_mel_reset(state);
    *made = 0;
    for (int32_t i = 1; i <= pieces[0]; i++) {
        int8_t *next = frames + *made * KG_LOG_MEL_BANDS;
        const int32_t count = kg_log_mel_push(state, scratch, samples, pieces[i], next);
        if (count > KG_LOG_MEL_MOST(pieces[i]))
            *made = -1000;
        *made += count;
        samples += pieces[i];
    }
}

static void mulaw(const kg_control *control, void *const *tensors)
{
    (void)control;
    kg_mulaw_decode(tensors[0], 256, tensors[1]);
}

static void motion(const kg_control *control, void *const *tensors)
{
    (void)control;
    for (int32_t i = 0; i < KG_MOTION_LENGTH; i++)
        kg_motion_push((const int16_t *)tensors[0] + i * KG_MOTION_CHANNELS,
                       (int8_t *)tensors[1] + i * KG_MOTION_CHANNELS);
}

const case_function kg_cases[] = {log_mel, mulaw, motion};
"""
LOG_MEL, MULAW, MOTIONS = range(3)
CONTEXT = StepContext(0, 0, 0, 0, 0)


def harness(features: LogMel) -> dict[str, str]:
    """File name -> text: the features, and a function a case."""
    headers = kernel_sources({"": '#include "kg_arithmetic.h"\n'}, [], frozenset())
    cases = {"cases.h": source.CASES_H, "cases.c": FUNCTIONS_C}
    return {**features.sources(), **MOTION.sources(), **headers, **cases}


def log_mel_run(features: LogMel, samples, rng) -> Run:
    """One recording in random pieces."""
    pieces = []
    while sum(pieces) < len(samples):
        most = rng.choice([1, 3 * features.hop, 2 * features.window])
        pieces.append(min(int(rng.integers(0, most + 1)), len(samples) - sum(pieces)))
    sizes = np.array([len(pieces), *pieces], np.int32)
    expected = features.apply(samples)[..., 0]
    item = Item(
        "log_mel",
        (TensorType(samples.shape, DType.INT16), TensorType(sizes.shape, DType.INT32)),
        (TensorType(expected.shape), TensorType((1,), DType.INT32)),
        scratch=4 + 6 * features.window,
    )
    count = np.array([features.frames], np.int32)
    return Run(LOG_MEL, item, frozenset(), [samples, sizes], CONTEXT, (expected, count))


def other_runs(rng) -> list[Run]:
    codes = np.arange(256, dtype=np.uint8)
    mulaw = Item("mulaw", (TensorType((256,), DType.UINT8),), (TensorType((256,), DType.INT16),))
    counts = rng.integers(-32768, 32768, (5, 3)).astype(np.int16)
    counts[0] = -32768, 32767, 0
    motion = Item("motion", (TensorType((5, 3), DType.INT16),), (TensorType((5, 1, 3)),))
    return [
        Run(MULAW, mulaw, frozenset(), [codes], CONTEXT, (decode_mulaw(codes),)),
        Run(MOTIONS, motion, frozenset(), [counts], CONTEXT, (MOTION.apply(counts),)),
    ]


def all_runs(features: LogMel, seed: int) -> list[Run]:
    rng = np.random.default_rng(seed)
    recorded = recordings(features, rng).values()
    return [*(log_mel_run(features, samples, rng) for samples in recorded), *other_runs(rng)]


def model_sources(features: LogMel) -> dict[str, str]:
    model = {"kg_model.h": source.case_header(), "kg_model.c": MODEL_FRAME + source.MODEL_C}
    return interface_sources({**harness(features), **model})


@pytest.fixture(scope="module")
def host():
    library = build_host_library(model_sources(CONFIGURATIONS["speech"]), sanitize=True)
    with HostDevice(library.path) as device:
        yield device


@settings(max_examples=50)
@given(seeds, st.sampled_from(["noise", "quiet", "loud", "mixed"]))
def test_c_is_the_reference_on_the_host(host, seed, kind):
    features = CONFIGURATIONS["speech"]
    rng = np.random.default_rng(seed)
    limit = {"noise": 3000, "quiet": 4, "loud": 32768, "mixed": 32768}[kind]
    samples = rng.integers(-limit, limit, features.samples)
    if kind == "mixed":
        samples = samples >> rng.integers(0, 16, features.samples)
    execute(host, log_mel_run(features, samples.astype(np.int16), rng))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_c_does_nothing_undefined_and_stays_in_its_memory(name):
    features = CONFIGURATIONS[name]
    program = build_host_executable(harness(features), source.MAIN_C).path
    execute_program(program, all_runs(features, 1))


@pytest.mark.parametrize(
    ("board", "name"),
    [("cortex-m7", "speech"), ("cortex-m7", "long"), ("cortex-m0plus", "speech")],
)
def test_c_is_the_reference_on_cortex_m(board, name):
    features = CONFIGURATIONS[name]
    target = get_target(board)
    elf = build_firmware(model_sources(features), target).path
    with UnicornDevice(elf, target) as device:
        for run in all_runs(features, 2):
            execute(device, run)
