"""Every operator of the registry: its rules, its reference, and its C on every processor."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards import BOARDS, SAMPLED_BOARDS
from kilograd.device.host import HostDevice
from kilograd.device.qemu import QemuDevice, qemu_available
from kilograd.device.unicorn import UnicornDevice
from kilograd.ir import DType, Quantization, TensorType
from kilograd.ops import REGISTRY
from kilograd.ops.arithmetic import (
    ACCUMULATOR_LIMIT,
    bias_limit,
    quantize_multiplier,
    random_bits,
    requantize,
    stochastic_round,
)
from kilograd.ops.gradient_scale import EXPONENT, MAGNITUDE
from kilograd.ops.loss.op import softmax
from kilograd.ops.spec import (
    VARIANTS,
    Control,
    Input,
    NoAttributes,
    Output,
    RngAttributes,
    Scratch,
    StepContext,
)
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware, build_host_executable, build_host_library
from operators.cases import all_cases
from operators.draws import FILLS, draw_inputs
from operators.headers import struct_members
from operators.run import execute, execute_program, lay_out, make_run
from operators.source import MAIN_C, MEMORY, case_sources, model_sources
from strategies import seeds

CASES = all_cases()
HOST_DRAWS = [*FILLS, *["uniform"] * 8, *["extremes"] * 4, *["small"] * 4]

each_case = pytest.mark.parametrize("index", range(len(CASES)), ids=[str(c) for c in CASES])


HOST = get_target("host")
#: The PC's own kernels, and those of processors without vectors or DSP instructions.
TARGETS = {"host": HOST, "plain": replace(HOST, features=frozenset())}


@pytest.fixture(scope="module", params=TARGETS)
def host(request):
    target = TARGETS[request.param]
    with HostDevice(build_host_library(model_sources(CASES, target)).path) as device:
        yield device, target.features


@each_case
def test_shape_rule_is_what_the_reference_makes(index):
    item = CASES[index]
    outputs = make_run(index, item, 0, "uniform").expected
    assert [(o.shape, o.dtype) for o in outputs] == [(t.shape, t.dtype.numpy) for t in item.outputs]


@each_case
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_kernel_call_is_complete(index, variant):
    item = CASES[index]
    if variant not in item.kernel.uses:
        return
    call = item.call(variant.needs)
    assert call.variant == variant
    given = set(call.arguments)
    assert len(given) == len(call.arguments)
    operands = {operand.name for operand in item.spec.operands}
    inputs = {argument.name for argument in given if isinstance(argument, Input)}
    outputs = {argument.name for argument in given if isinstance(argument, Output)}
    assert set(item.reads) <= inputs <= operands
    assert outputs == set(item.spec.results) - set(item.spec.updates)
    in_place = item.spec.in_place_bytes(item.case.attributes, item.case.inputs)
    assert Scratch() in given or call.scratch_bytes + in_place == 0
    makes_random = hasattr(item.case.attributes, "rng_stream")
    assert (Control() in given) == makes_random
    header = (item.spec.room / "kernels" / item.spec.header).read_text()
    for path in call.files(item.spec.room):
        assert f"{path.stem}(" in header or f"({path.stem})" in header, path.stem
    for name, contents in call.fields.items():
        if isinstance(contents, np.ndarray):
            assert contents.dtype.name in {"int8", "int16", "uint16", "int32"}, name
        elif contents is not None:
            assert -(2**31) < contents < 2**31, name


@each_case
def test_struct_members_are_the_fields(index):
    item = CASES[index]
    header = (item.spec.room / "kernels" / item.spec.header).read_text()
    for variant in item.kernel.uses:
        call = item.call(variant.needs)
        assert set(call.fields) == struct_members(header, call.parameters), call.parameters


def test_every_kernel_file_is_a_variant_of_an_operator():
    known = {
        path
        for item in CASES
        for variant in item.kernel.uses
        for path in item.call(variant.needs).files(item.spec.room)
    }
    assert {path for item in CASES for path in item.spec.room.glob("kernels/*.c")} == known


@each_case
def test_c_is_the_reference_on_the_host(index, host):
    device, features = host
    for seed, fill in enumerate(HOST_DRAWS):
        execute(device, make_run(index, CASES[index], seed, fill, features))


def with_memory_for_all(target):
    """The target; where it has less memory for data than the cases take, with a larger region."""
    if target.data_bytes >= MEMORY + 4096:
        return target
    region = replace(target.data_region, length=64 * 1024)
    others = [other for other in target.memory if other.name != region.name]
    return replace(target, memory=(*others, region))


@pytest.mark.parametrize(
    "board",
    [pytest.param(b, marks=[] if b in SAMPLED_BOARDS else pytest.mark.thorough) for b in BOARDS],
)
def test_c_is_the_reference_on_a_microcontroller(board):
    kind, name = board.split()
    target = get_target(name)
    is_there = kind != "qemu" or qemu_available(target)
    if not is_there and os.environ.get("KILOGRAD_REQUIRE_QEMU") != "1":
        pytest.skip("QEMU is not installed")
    if kind == "unicorn":  # the processor, with memory for each case
        target = with_memory_for_all(target)
    memory = min(MEMORY, target.data_bytes - 1024)
    # The kernels and constants of all cases take more than 128 KB.
    parts = 1 if target.code_region.length >= 256 * 1024 else 2
    ran = 0
    for part in (CASES[n::parts] for n in range(parts)):
        elf = build_firmware(model_sources(part, target, memory), target).path
        with (QemuDevice if kind == "qemu" else UnicornDevice)(elf, target) as device:
            for index, item in enumerate(part):
                for seed, fill in enumerate(("uniform", "extremes")):
                    run = make_run(index, item, 100 + seed, fill, target.features)
                    if lay_out(run)[1] <= memory:
                        execute(device, run, memory)
                        ran += 1
    assert ran == 2 * len(CASES) or (memory < MEMORY and ran > 1.8 * len(CASES))


@pytest.mark.parametrize("kind", ["host", pytest.param("plain", marks=pytest.mark.thorough)])
def test_c_does_nothing_undefined_and_stays_in_its_memory(kind):
    target = TARGETS[kind]
    program = build_host_executable(case_sources(CASES, target), MAIN_C).path
    runs = [
        make_run(index, item, 200 + seed, fill, target.features)
        for index, item in enumerate(CASES)
        for seed, fill in enumerate(FILLS)
    ]
    execute_program(program, runs)


SOFTMAX = REGISTRY["softmax_cross_entropy"]
STEPS = [i for i, c in enumerate(CASES) if c.spec.updates and Control() in c.kernel.arguments]
WEIGHT_UPDATES = [i for i in STEPS if CASES[i].spec.name.endswith("weight_update")]
each_step = pytest.mark.parametrize("index", STEPS, ids=[str(CASES[i]) for i in STEPS])
each_weight_update = pytest.mark.parametrize(
    "index", WEIGHT_UPDATES, ids=[str(CASES[i]) for i in WEIGHT_UPDATES]
)
int32s = st.integers(-(2**31), 2**31 - 1)


def stepped(item, arrays, context):
    return item.spec.reference(item.case.attributes, item.case.inputs, arrays, context)[0]


def tensorflow_lite_requantize(value, multiplier, shift, zero_point):
    """gemmlowp's two roundings as TensorFlow Lite has them, on unbounded integers."""
    product = (value << max(shift, 0)) * multiplier
    nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
    high = abs(product + nudge) >> 31
    high = high if product + nudge >= 0 else -high
    right = max(-shift, 0)
    remainder = high & ((1 << right) - 1)
    threshold = (((1 << right) - 1) >> 1) + (1 if high < 0 else 0)
    scaled = (high >> right) + (1 if remainder > threshold else 0)
    return max(-128, min(127, scaled + zero_point))


@settings(max_examples=500)
@given(
    st.integers(-ACCUMULATOR_LIMIT, ACCUMULATOR_LIMIT) | st.integers(-300, 300),
    st.integers(1 << 30, (1 << 31) - 1),
    st.integers(-31, 29),
    st.integers(-128, 127),
)
def test_requantization_is_that_of_tensorflow_lite(value, multiplier, shift, zero_point):
    result = requantize(np.array([value], np.int64), multiplier, shift, zero_point)
    assert result[0] == tensorflow_lite_requantize(value, multiplier, shift, zero_point)


@given(st.floats(1e-12, 1e9))
def test_multipliers_have_31_bits(scale):
    if scale >= 2**29 * (1 - 2**-32):
        with pytest.raises(ValueError, match="times too small for its inputs' scales"):
            quantize_multiplier(scale)
        return
    multiplier, shift = quantize_multiplier(scale)
    if multiplier == 0:
        assert scale < 2.0**-32
    else:
        assert 1 << 30 <= multiplier < 1 << 31
        assert multiplier * 2.0 ** (shift - 31) == pytest.approx(scale, rel=2.0**-31)


@given(st.integers(-(2**61), 2**61), st.integers(-5, 130), st.integers(0, 2**32 - 1))
def test_stochastic_rounding_gives_floor_or_ceiling(value, shift, bits):
    (rounded,) = stochastic_round(np.array([value]), shift, np.array([bits], np.uint64))
    shift = max(shift, 0)
    assert rounded in (value >> shift, -(-value >> shift))


@given(st.integers(-(2**40), 2**40), st.integers(0, 12))
def test_stochastic_rounding_has_no_bias(value, shift):
    top = np.arange(1 << shift, dtype=np.uint64) << np.uint64(32 - shift)
    rounded = stochastic_round(np.full(top.shape, value), shift, top)
    assert int(rounded.sum()) == value


@given(seeds, seeds, st.integers(0, 1000))
def test_random_streams_are_distinct(seed, step, stream):
    count = 64
    drawn = [
        random_bits(seed, step, stream, count),
        random_bits(seed, step, stream + 1, count),
        random_bits(seed, (step + 1) & 0xFFFFFFFF, stream, count),
        random_bits(seed ^ 1, step, stream, count),
    ]
    for i, a in enumerate(drawn):
        assert np.all(a <= 0xFFFFFFFF)
        assert len(set(a.tolist())) == count
        for b in drawn[:i]:
            assert np.mean(a == b) < 0.05
    assert np.array_equal(drawn[0][:10], random_bits(seed, step, stream, 10))


def test_random_bits_are_uniform_and_uncorrelated():
    blocks = [random_bits(1, s, stream, 256) for s in range(60) for stream in range(10)]
    uniform = np.stack(blocks).astype(np.float64) / 2**32
    assert abs(uniform.mean() - 0.5) < 0.004
    assert abs(uniform.var() - 1 / 12) < 0.002
    centred = uniform - uniform.mean()
    for shifted in (np.roll(centred, 1, axis=0), np.roll(centred, 10, 0), np.roll(centred, 1, 1)):
        assert abs((centred * shifted).mean() * 12) < 0.012
    ones = np.unpackbits(np.stack(blocks).astype("<u4").view(np.uint8)).reshape(-1, 32).mean(axis=0)
    assert np.abs(ones - 0.5).max() < 0.006


@each_step
def test_a_rate_of_zero_changes_nothing(index):
    item = CASES[index]
    for seed, fill in enumerate(FILLS):
        run = make_run(index, item, seed, fill)
        still = replace(run.context, rate_mantissa=0)
        assert np.array_equal(stepped(item, run.inputs, still), run.inputs[0])


@each_step
def test_steps_saturate_and_never_wrap(index):
    item = CASES[index]
    is_weight = index in WEIGHT_UPDATES
    bits = 8 * item.case.inputs[0].dtype.itemsize
    limit = 2 ** (bits - 1) - 1
    rng = np.random.default_rng(index)
    arrays = draw_inputs(item.spec, item.case, rng, "uniform")
    downhill = np.zeros(arrays[0].shape, bool)
    for exponent in (-60, -40, -20, 0, 30, 60):
        context = StepContext(1, 2, 0, 32767, exponent)
        new = stepped(item, arrays, context).astype(np.int64)
        assert np.abs(new).max() <= limit
        if "base" in item.reads:
            whole = new + arrays[item.reads.index("base")]
            assert np.abs(whole).max() <= bias_limit(item.case.attributes.terms)
        signed = ("weight", "delta", "base", "gradient")
        mirrored = [-a if n in signed else a for n, a in zip(item.reads, arrays, strict=True)]
        opposite = stepped(item, mirrored, context).astype(np.int64)
        assert np.abs(new + opposite).max() <= 1
        grew = new > arrays[0]
        assert not np.any(downhill & (new < arrays[0]))
        downhill |= grew & (new > arrays[0].astype(np.int64) + 1)
    if is_weight:
        settled = (new == arrays[0]) | (np.abs(new) == limit)
        assert settled.all()
        assert (np.abs(new) == limit).any()


@each_weight_update
def test_the_zero_point_is_part_of_the_weight_gradient(index):
    item = CASES[index]
    rng = np.random.default_rng(index)
    arrays = draw_inputs(item.spec, item.case, rng, "uniform")
    x = item.case.inputs[3]
    context = StepContext(1, 2, 0, 32767, -15)
    nothing = np.full(x.shape, x.zero_point, np.int8)
    still = stepped(item, [*arrays[:3], nothing, arrays[4]], context)
    assert np.array_equal(still, arrays[0])

    moved_type = replace(x, quantization=replace(x.quantization, zero_point=x.zero_point // 2))
    offset = moved_type.zero_point - x.zero_point
    shifted = np.clip(arrays[3].astype(np.int64), -128 - min(offset, 0), 127 - max(offset, 0))
    types = [*item.case.inputs[:3], moved_type, item.case.inputs[4]]
    moved = [*arrays[:3], (shifted + offset).astype(np.int8), arrays[4]]
    original = [*arrays[:3], shifted.astype(np.int8), arrays[4]]
    (new,) = item.spec.reference(item.case.attributes, types, moved, context)
    assert np.array_equal(new, stepped(item, original, context))


@given(st.lists(int32s | st.integers(-(2**20), 2**20), min_size=2, max_size=90), seeds)
def test_softmax_is_finite_and_sums_to_one(logits, seed):
    array = np.array(logits, np.int32)
    probabilities = softmax(array)
    assert probabilities.min() >= 0
    assert 2**30 - len(logits) <= probabilities.sum() <= 2**30
    centred = (array.astype(np.float64) - array.max()) / 2**16
    expected = np.exp(centred) / np.exp(centred).sum()
    assert np.abs(probabilities / 2**30 - expected).max() < 2.0**-18
    context = StepContext(seed, 1, seed % len(logits))
    type_ = TensorType(array.shape, DType.INT32, Quantization((2.0**-16,)))
    gradient, exponent = SOFTMAX.reference(RngAttributes(0), [type_], [array], context)
    assert -30 <= exponent[0] <= -6
    assert gradient[context.label] <= 0
    assert np.all(np.delete(gradient, context.label) >= 0)


CHANGES = {0: 0, 1: -16, 2: -16, 3: -16, 4: -1, 5: -1, 6: -1, 7: 0, 8: 4, 9: 20, 10: 36, 15: 116}


@given(st.integers(-1024, 1024), st.integers(0, 32767))
def test_exponents_follow_the_magnitudes(exponent, seen):
    spec = REGISTRY["adapt_exponent"]
    arrays = [np.array([exponent], np.int32), np.array([seen], np.int32)]
    (new,) = spec.reference(NoAttributes(), (EXPONENT, MAGNITUDE), arrays, StepContext())
    bits = len(f"{seen:b}") if seen else 0
    change = CHANGES[bits] if bits in CHANGES else CHANGES[10] + 16 * (bits - 10)
    assert new[0] == max(-1024, min(1024, exponent + change))
