"""Measurements: they add up, they do not grow, and what does not fit is told with its reasons."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from kilograd.compiler import compile_model
from kilograd.errors import BudgetError, TargetError, ToolchainError
from kilograd.frontend.open import load_model
from kilograd.measuring.firmware import Measurement, describe_peak, measure
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model, tiny_graph

GOLDEN = Path(__file__).parent / "golden"
LEDGER = GOLDEN / "ledger.json"
PARTS = ("arena", "trainable", "data_bss", "stack")
FIGURES = ("sram_total_bytes", *PARTS, "flash_bytes", "instructions_inference",
           "instructions_train_step", "lower_bound_bytes")  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    graph = tiny_graph(tmp_path_factory.mktemp("model"))
    return compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))


@pytest.fixture(scope="module")
def measured(program):
    return measure(program)


def test_the_parts_make_the_whole(program, measured):
    assert measured.sram_total_bytes == sum(getattr(measured, part) for part in PARTS)
    assert measured.arena == program.plan.arena_bytes
    assert measured.trainable == program.plan.state_bytes
    assert measured.lower_bound_bytes == program.plan.lower_bound_bytes <= measured.arena
    assert 0 <= measured.data_bss < 256
    assert 0 < measured.instructions_inference < measured.instructions_train_step
    assert 0 < measured.macs_backward < measured.macs_forward
    assert measured.compiler == "zig"
    assert measured.compiler_version == f"zig {version('ziglang')}"
    assert set(measured.as_dict()) == set(Measurement.__dataclass_fields__)
    json.dumps(measured.as_dict())


def test_the_stack_holds_no_arrays(measured):
    assert 100 < measured.stack < 1024


def test_a_measurement_is_the_same_each_time(program, measured):
    assert measure(program) == measured


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m0plus"])
def test_other_targets(program, measured, target):
    compiled = program.for_target(get_target(target))
    other = measure(compiled)
    assert other.target == target
    # What the peak holds besides scratch is the same, and plain kernels need no more of that.
    assert other.arena == compiled.plan.arena_bytes == compiled.plan.lower_bound_bytes
    assert other.arena <= measured.arena == program.plan.lower_bound_bytes
    assert other.instructions_train_step != measured.instructions_train_step


def test_gcc(program, measured):
    try:
        other = measure(program, compiler="gcc")
    except ToolchainError as error:
        pytest.skip(str(error))
    assert other.compiler == "gcc"
    assert "arm-none-eabi-gcc" in other.compiler_version
    assert (other.arena, other.trainable) == (measured.arena, measured.trainable)


def test_budgets_that_just_fit(program, measured):
    sram, flash = measured.sram_total_bytes, measured.flash_bytes
    assert measure(program, sram_budget=sram, flash_budget=flash) == measured
    with pytest.raises(BudgetError, match=f"needs {sram:,} bytes of SRAM, budget {sram - 1:,}"):
        measure(program, sram_budget=sram - 1)
    with pytest.raises(BudgetError) as caught:
        measure(program, flash_budget=flash - 1)
    assert f"tiny: needs {flash:,} bytes of flash, budget {flash - 1:,}" in str(caught.value)
    assert "hint: a narrower model, or fewer trained biases" in str(caught.value)


@pytest.mark.parametrize("scheme", ["head", "full"])
def test_a_budget_error_names_peak_operator_tensors_and_what_helps(program, scheme, tmp_path):
    graph = tiny_graph(tmp_path)
    program = compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7"))
    with pytest.raises(BudgetError) as caught:
        measure(program, sram_budget=500)
    what, _, hint = str(caught.value).partition("\n  hint: ")
    operator = program.graph.nodes[program.plan.peak_index].name
    assert what.startswith("tiny: needs ")
    assert f"the peak of {program.plan.placement_bound_bytes:,} is at {operator}: " in what
    shown = re.findall(r"([\w.]+)(?: \(scratch\))? ([\d,]+)", what.partition(f"{operator}: ")[2])
    assert shown
    total = sum(int(size.replace(",", "")) for _, size in shown)
    assert total == program.plan.placement_bound_bytes
    change = r"(freezing (the weights of [\w.]+|all biases) frees|fewer classes free up to)"
    assert re.match(rf"{change} [\d,]+ bytes, which is the most", hint)
    assert f"the peak itself is set by {operator}" in hint


@pytest.mark.parametrize(
    ("scheme", "streamed", "told"),
    [("head", False, True), ("head", True, False), ("full", False, False)],
)
def test_a_sample_in_the_way_can_be_streamed(scheme, streamed, told, tmp_path):
    graph = tiny_graph(tmp_path)
    program = compile_model(
        graph, load_scheme(scheme, graph), get_target("cortex-m7"), row_input=streamed
    )
    with pytest.raises(BudgetError) as caught:
        measure(program, sram_budget=500)
    assert ("streamed in rows, the sample of 768 " in str(caught.value)) == told


def test_the_hint_names_the_smallest_change_that_is_enough(tmp_path):
    graph = tiny_graph(tmp_path)
    program = compile_model(graph, load_scheme("full", graph), get_target("cortex-m7"))
    needed = program.plan.arena_bytes + program.plan.state_bytes
    with pytest.raises(
        BudgetError, match=r"(frees|free up to) [\d,]+ bytes, which is enough"
    ) as caught:
        measure(program, sram_budget=needed - 1)
    assert describe_peak(program) in str(caught.value)


def test_what_cannot_even_be_linked_names_the_peak(tmp_path):
    graph = tiny_graph(tmp_path, height=640, width=640)
    program = compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    with pytest.raises(BudgetError) as caught:
        measure(program)
    assert "needs " in str(caught.value)
    assert describe_peak(program) in str(caught.value)


@pytest.mark.parametrize(
    ("target", "message"), [("host", "not a microcontroller"), ("z80", "'z80'")]
)
def test_wrong_targets(program, target, message):
    with pytest.raises(TargetError, match=message):
        measure(program.for_target(get_target(target)))


def test_budget_on_the_command_line(kilograd, tmp_path):
    path = native_model().write(tmp_path / "m.npz")
    outcome = kilograd("measure", path, "--classes", 3, "--sram", "1KB", "--json")
    outcome.refused(
        "tiny: needs ", "budget 1,024; the peak of ", " is at ", "hint: ", " bytes, which is "
    )
    outcome = kilograd("measure", path, "--classes", 3, "--flash", "2KB", "--json")
    outcome.refused("bytes of flash, budget 2,048", "hint: a narrower model")


# -- the ledger: figures that may shrink and must not grow


def check_ledger(name, result, request):
    assert result.compiler_version == "zig 0.17.1", "the ledger holds for the pinned compiler"
    figures = {figure: getattr(result, figure) for figure in FIGURES}
    ledger = json.loads(LEDGER.read_text()) if LEDGER.is_file() else {}
    if request.config.getoption("--update-golden"):
        ledger[name] = figures
        text = json.dumps(dict(sorted(ledger.items())), indent=2)
        LEDGER.write_text(f"{text}\n", encoding="utf-8", newline="\n")
    known = ledger[name]
    grown = [
        f"{figure} grew from {known[figure]:,} to {value:,}"
        for figure, value in figures.items()
        if value > known[figure]
    ]
    assert not grown, f"{name}: {'; '.join(grown)} (intended: pytest --update-golden)"


@pytest.mark.parametrize("scheme", ["head", "last:3", "full"])
def test_ledger_of_a_small_network(tmp_path, scheme, request):
    graph = tiny_graph(tmp_path)
    result = measure(compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7")))
    check_ledger(f"tiny {scheme}", result, request)


def test_ledger_of_mcunet(published, request):
    graph = load_model(str(published("mcunet-5fps")), 10)
    program = compile_model(graph, load_scheme("mcunet-5fps/49kb", graph), get_target("cortex-m7"))
    result = measure(program)
    check_ledger("mcunet-5fps 49kb", result, request)
    assert result.sram_total_bytes <= 124_000
    assert result.flash_bytes <= 580_000


def test_growth_is_named(tmp_path, monkeypatch, measured, request):
    ledger = tmp_path / "ledger.json"
    monkeypatch.setattr("test_measure.LEDGER", ledger)
    known = {figure: getattr(measured, figure) for figure in FIGURES}
    ledger.write_text(json.dumps({"x": {**known, "stack": measured.stack + 8}}))
    if request.config.getoption("--update-golden"):
        pytest.skip("this test is about a ledger that is not being written")
    check_ledger("x", measured, request)
    ledger.write_text(json.dumps({"x": {**known, "stack": measured.stack - 8}}))
    with pytest.raises(AssertionError, match="x: stack grew from"):
        check_ledger("x", measured, request)
