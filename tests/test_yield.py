"""The yield hook: it is called often enough, and nothing that is done in it changes a bit."""

import subprocess

import numpy as np
import pytest

from applications import BOARDS, FOLDER, needs, run, run_here, run_on_board
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.device.protocol import LearningRate
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import BudgetError, TargetError
from kilograd.frontend.open import load_model
from kilograd.ir import Phase
from kilograd.measuring.firmware import measure
from kilograd.measuring.slices import measure_slices
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware
from networks import native_model, tiny_graph

needs_gcc = needs("gcc")
needs_board = needs("arm-none-eabi-gcc", "qemu-system-arm")
needs_arm = needs("arm-none-eabi-gcc")
CHECKS = "-g -O1 -std=c11 -fsanitize=address,undefined -fno-sanitize-recover=all"
WARNINGS = "-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror"
HOOK = {"application.c": '#include "kilograd.h"\n\nvoid kg_yield(void)\n{\n}\n'}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A program of the small network, and the folder that it is exported to."""
    model = native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")
    made = {}

    def compiled(target="portable", scheme="full", *, row_input=False):
        key = (target, scheme, row_input)
        if key not in made:
            graph = load_model(str(model), 4)
            program = compile_model(
                graph, load_scheme(scheme, graph), get_target(target), row_input=row_input
            )
            folder = tmp_path_factory.mktemp("exported") / "c"
            export_c(program, folder)
            made[key] = program, folder
        return made[key]

    return compiled


def least_calls(program, *, training):
    """One for each node that runs whole, and one for each row of those that run by rows."""
    graph = program.graph
    grouped = {name for group in graph.row_groups for name in group.nodes}
    whole = [node for node in graph.nodes if node.name not in grouped]
    rows = sum(
        plan.values[stage.output].height
        for plan in program.plan.groups.values()
        for stage in plan.stages
    )
    return rows + sum(training or node.phase is Phase.INFERENCE for node in whole)


def sources(folder, name):
    return [*sorted(folder.glob("*.c")), FOLDER / name]


@pytest.mark.thorough
@needs_gcc
@pytest.mark.parametrize(
    ("target", "scheme", "row_input"),
    [("portable", "full", False), ("portable", "head", True), ("host", "last:3", False)],
)
def test_a_hook_is_called_and_the_bits_stay(compiled, tmp_path, target, scheme, row_input):
    program, folder = compiled(target, scheme, row_input=row_input)
    flags = f"{CHECKS} {'-Wno-psabi' if target == 'host' else WARNINGS} -I{folder}"
    found = {}
    for hook in ("", "-DKG_YIELD"):
        printed = run_here("gcc", f"{flags} {hook}", sources(folder, "yields.c"), tmp_path)
        state, counts = printed.splitlines()
        found[hook] = state, [int(count) for count in counts.split()]
    assert found[""][0] == found["-DKG_YIELD"][0]
    assert found[""][1] == [0, 0, 0]
    pushed, predicted, learned = found["-DKG_YIELD"][1]
    assert (pushed > 0) == row_input
    assert pushed + predicted >= least_calls(program, training=False) > 0
    assert pushed + learned >= least_calls(program, training=True)
    assert learned > predicted


@pytest.mark.thorough
@needs_gcc
@pytest.mark.parametrize(("scheme", "row_input"), [("full", False), ("head", True)])
def test_calls_from_the_hook_are_refused_and_change_nothing(compiled, tmp_path, scheme, row_input):
    _, folder = compiled("portable", scheme, row_input=row_input)
    flags = f"{CHECKS} -DKG_YIELD -Wall -Wextra -Werror -I{folder}"
    assert run_here("gcc", flags, sources(folder, "nested.c"), tmp_path) == "all refused\n"


@needs_board
def test_calls_from_the_hook_are_refused_on_an_m7(compiled, tmp_path):
    _, folder = compiled("cortex-m7", "last:3")
    flags = f"-O2 -DKG_YIELD -I{folder}"
    printed = run_on_board(BOARDS["M7 hard"], flags, sources(folder, "nested.c"), tmp_path)
    assert printed == "all refused\n"


def state(build, target):
    """What three steps leave behind."""
    samples = np.random.default_rng(3).integers(-128, 128, (3, 16, 16, 3)).astype(np.int8)
    with UnicornDevice(build.path, target) as device:
        entered = []
        device.watch(["kg_yield"], lambda _, executed: entered.append(executed))
        device.initialize(1)
        for label, sample in enumerate(samples):
            device.train_step(sample, label, LearningRate.from_float(0.01))
        assert entered == sorted(entered)
        return device.read_state(), len(entered)


@pytest.mark.parametrize(
    ("target", "compiler"),
    [
        ("cortex-m7", "zig"),
        pytest.param("cortex-m7", "gcc", marks=needs_arm),
        ("cortex-m0plus", "zig"),
        ("riscv32", "zig"),
    ],
)
def test_the_bits_stay_on_emulated_processors(compiled, target, compiler):
    program, _ = compiled(target)
    plain = build_firmware(program.sources, program.target, compiler=compiler)
    hooked = build_firmware(
        {**program.sources, **HOOK}, program.target, compiler=compiler, extra_flags=["-DKG_YIELD"]
    )
    expected, calls = state(plain, program.target)
    assert calls == 0
    found, calls = state(hooked, program.target)
    assert found == expected
    assert calls >= 3 * least_calls(program, training=True)


@pytest.mark.parametrize("row_input", [False, True])
def test_slices_of_a_small_network(compiled, row_input):
    program, _ = compiled("cortex-m7", "head", row_input=row_input)
    result, slices = measure(program), measure_slices(program)
    for training, call, alone in (
        (False, slices.inference, result.instructions_inference),
        (True, slices.train_step, result.instructions_train_step),
    ):
        assert call.count >= least_calls(program, training=training)
        assert call.instructions / call.count < call.longest < call.instructions / 5
        assert alone * 0.95 < call.instructions < alone * 1.05
        assert f"{call.kernel}.c" in program.sources
    assert slices.stack < result.stack + 64
    assert measure_slices(program) == slices


@pytest.mark.thorough
@pytest.mark.parametrize(("scheme", "limit"), [("49kb", 600_000), ("99kb", 600_000)])
def test_slices_of_mcunet(published, scheme, limit):
    graph = load_model(str(published("mcunet-5fps")), 10)
    scheme = load_scheme(f"mcunet-5fps/{scheme}", graph)
    program = compile_model(graph, scheme, get_target("cortex-m7"))
    slices = measure_slices(program)
    assert slices.inference.longest <= 400_000
    assert slices.train_step.longest <= limit
    assert slices.inference.instructions < 41_416_595 * 1.01


def test_slices_need_a_microcontroller(compiled):
    program, _ = compiled("portable")
    with pytest.raises(TargetError, match="not a microcontroller"):
        measure_slices(program)


def test_measure_tells_the_longest_slice(kilograd, tmp_path, monkeypatch):
    path = native_model().write(tmp_path / "m.npz")
    told = kilograd("measure", path, "--classes", 3).out
    found = kilograd("measure", path, "--classes", 3, "--json").json["slices"]
    assert found["train_step"]["longest"] >= found["inference"]["longest"] > 0
    assert f"longest slice  {found['train_step']['longest']:,} instructions" in told
    assert f"in {found['train_step']['kernel']}; {found['inference']['longest']:,} in" in told

    def no_room(*_):
        raise BudgetError("the firmware does not fit its target: it overflows FLASH by 8 bytes")

    monkeypatch.setattr("kilograd.cli.measure.measure_slices", no_room)
    assert kilograd("measure", path, "--classes", 3, "--json").json["slices"] is None
    assert "the firmware does not fit" in kilograd("measure", path, "--classes", 3).out


@pytest.mark.thorough
@needs_arm
@pytest.mark.parametrize(
    ("target", "core"),
    [("cortex-m0plus", "-mcpu=cortex-m0plus"), ("cortex-m7", "-mcpu=cortex-m7 -mfpu=fpv5-d16")],
)
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O3"])
def test_an_exported_folder_of_another_prefix_asks_for_its_hook(tmp_path, target, core, level):
    graph = tiny_graph(tmp_path)
    program = compile_model(graph, load_scheme("full", graph), get_target(target))
    export_c(program, tmp_path / "c", prefix="voice")
    files = sorted(map(str, (tmp_path / "c").glob("*.c")))
    command = ["arm-none-eabi-gcc", *core.split(), "-mthumb", level, "-std=c99", *WARNINGS.split()]
    for hook, wanted in (([], False), (["-DVOICE_YIELD"], True), (["-DKG_YIELD"], False)):
        run([*command, *hook, f"-I{tmp_path}/c", "-c", *files], tmp_path)
        objects = sorted(map(str, tmp_path.glob("*.o")))
        listed = subprocess.run(
            ["arm-none-eabi-nm", "-u", *objects], capture_output=True, text=True, check=True
        )
        assert (" voice_yield\n" in listed.stdout) == wanted
        assert "kg_" not in listed.stdout


COROUTINE_C = """
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include "kilograd.h"

static ucontext_t loop, network;
static int is_done;
static char stack[1 << 16];

void kg_yield(void)
{
    swapcontext(&network, &loop);
}

static void learn(void)
{
    const kg_learning_rate rate = KG_DEFAULT_RATE;
    is_done = kg_learn(1, rate) >= 0 ? 1 : -1;
}

int main(void)
{
    int turns = 0;
    kg_init(1);
    memset(kg_input(), 3, KG_INPUT_BYTES);
    getcontext(&network);
    network.uc_stack.ss_sp = stack;
    network.uc_stack.ss_size = sizeof stack;
    network.uc_link = &loop;
    makecontext(&network, learn, 0);
    for (; !is_done; turns++)
        swapcontext(&loop, &network);
    const uint8_t first = kg_state()[4];
    printf("%d %d %d\\n", is_done, turns > 50, first);
    return 0;
}
"""


@needs_gcc
def test_a_step_runs_beside_a_loop_in_a_coroutine(compiled, tmp_path):
    _, folder = compiled("portable")
    (tmp_path / "main.c").write_text(COROUTINE_C)
    files = [*sorted(folder.glob("*.c")), tmp_path / "main.c"]
    assert run_here("gcc", f"-O1 -std=c11 -DKG_YIELD -I{folder}", files, tmp_path) == "1 1 1\n"


def test_the_folder_says_how(compiled):
    _, folder = compiled("portable")
    assert "`kg_yield`" in (folder / "README.md").read_text()
