"""Targets are data: what they say reaches the compiler, and what is wrong in them is told."""

import json
import re

import pytest

from kilograd.arch import ARCHITECTURES, architecture_of
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.errors import BudgetError, KilogradError, TargetError
from kilograd.frontend.open import load_model
from kilograd.measuring.budget import check_planned
from kilograd.ops import REGISTRY
from kilograd.ops.kernel import DSP, HOST, PLAIN, Kernel, Use, c_constant
from kilograd.scheme import load_scheme
from kilograd.targets import get_target, target_names
from operators.networks import residual_network, samples

FILE = """\
part = "STM32L475"
architecture = "cortex-m"
core = "cortex-m4"
features = ["dsp", "unaligned", "mpu", "fault-status"]
stack_bytes = 2048

[memory.FLASH]
origin = 0x0800_0000
bytes = 0x0010_0000
holds = ["code"]

[memory.SRAM2]
origin = 0x1000_0000
bytes = 0x0000_8000
holds = ["stack"]

[memory.SRAM1]
origin = 0x2000_0000
bytes = 0x0001_8000
holds = ["data"]
"""


@pytest.fixture
def target_file(tmp_path):
    """Writes a target's file; its path."""

    def write(text=FILE):
        path = tmp_path / "stm32l475.toml"
        path.write_text(text, encoding="utf-8")
        get_target.cache_clear()
        return str(path)

    return write


@pytest.mark.parametrize("name", target_names())
def test_every_target_fits_its_architecture(name):
    target = get_target(name)
    assert architecture_of(target).name == target.architecture
    assert target.name == name


def test_every_architecture_has_a_target():
    assert {get_target(name).architecture for name in target_names()} == set(ARCHITECTURES)


def test_a_file_is_a_target(target_file):
    target = get_target(target_file())
    assert target.name == "stm32l475"
    assert target.data_bytes == 96 << 10
    graph = residual_network()
    program = compile_model(graph, load_scheme("last:2", graph), target)
    (sample,) = samples(graph, 1)
    with open_device(program, "unicorn") as board, open_device(program, "reference") as reference:
        assert board.predict(sample).tolist() == reference.predict(sample).tolist()


UART = "[peripherals.UART]\norigin = 0x0800_4000\n"
WRONG = [
    ('part = "STM32L475"\n', "", "the field part is missing"),
    ("stack_bytes = 2048\n", "", "the field stack_bytes is missing"),
    ("stack_bytes = 2048", 'stack_bytes = "2 KB"', "stack_bytes must be a number of bytes"),
    ('core = "cortex-m4"', 'core = "cortex-m99"', "has no core 'cortex-m99'"),
    ('"cortex-m"', '"avr"', "unknown architecture 'avr'"),
    ('"dsp", ', '"dps", ', "unknown feature dps"),
    ('["dsp", "unaligned", "mpu", "fault-status"]', '"dsp"', "features must be a list of texts"),
    ("origin = 0x1000_0000", "origin = 0x2000_4000", "memories SRAM1 and SRAM2 overlap"),
    ("bytes = 0x0000_8000\n", "", "memory SRAM2 lacks the field bytes"),
    ('holds = ["stack"]', "holds = []", "no memory holds the stack"),
    ('holds = ["stack"]', 'holds = ["stack", "data"]', "data is held by both"),
    ('holds = ["stack"]', 'holds = ["heap"]', "memory SRAM2 holds 'heap'"),
    ("holds = ", "speed = 3\nholds = ", "has an unknown field speed"),
    ("stack_bytes = 2048", "stack_bytes = 2048\nclock = 80", "unknown field clock"),
    ("[memory.FLASH]", "[memory.FLASH", "the target's file is no TOML"),
    ("[memory.FLASH]", f"{UART}bytes = 4\n[memory.FLASH]", "memories FLASH and UART overlap"),
    ("[memory.FLASH]", f"{UART}[memory.FLASH]", "peripheral UART lacks the field bytes"),
    ("[memory.FLASH]", f"{UART}bytes = 4\nirq = 3\n[memory.FLASH]", "has an unknown field irq"),
    ("[memory.FLASH]", f"{UART}bytes = -4\n[memory.FLASH]", "peripheral UART: bytes must be a"),
    ("part =", "peripherals = 3\npart =", "peripherals must be a table, not 3"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG, ids=[w[2] for w in WRONG])
def test_a_wrong_file_is_told(kilograd, target_file, tmp_path, old, new, message):
    assert old in FILE
    path = target_file(FILE.replace(old, new, 1))
    command = ("compile", "kilograd-48", "--target", path, "-o", tmp_path / "out", "--json")
    outcome = kilograd(*command).refused(message, "stm32l475")
    assert "hint: " in outcome.err or "TOML" in message or "core" in message
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(kilograd, tmp_path):
    command = ("compile", "kilograd-48", "--target", "no.toml", "-o", tmp_path / "out")
    kilograd(*command).refused("no.toml: the target's file cannot be read")


def test_an_unknown_target_lists_those_there_are(kilograd, tmp_path):
    outcome = kilograd("compile", "kilograd-48", "--target", "z80", "-o", tmp_path / "out")
    outcome.refused("--target: unknown target 'z80'", *target_names())


def test_compile_refuses_what_its_target_cannot_hold(kilograd, tmp_path):
    """The error that `measure` gives: the peak by name, and what would lower it."""
    options = ("kilograd-48", "--scheme", "full", "--classes", 1000, "--target", "cortex-m0plus")
    texts = (
        "bytes of SRAM, budget 266,240; the peak of ",
        " is at head: head.weight ",
        "hint: fewer classes free up to ",
    )
    kilograd("compile", *options, "-o", tmp_path / "out").refused(*texts)
    assert not (tmp_path / "out").exists()
    kilograd("measure", *options).refused(*texts)


def test_compile_checks_budgets(kilograd, tmp_path):
    for option, text in (
        ("--sram", "of SRAM, budget 1,024"),
        ("--flash", "of flash, budget 1,024"),
    ):
        command = ("compile", "kilograd-48", option, "1KB", "-o", tmp_path / "out")
        kilograd(*command).refused(text)
        assert not (tmp_path / "out").exists()


def test_a_budget_smaller_than_the_target_counts():
    graph = load_model("kilograd-48", 2)
    program = compile_model(graph, load_scheme("head", graph), get_target("host"))
    check_planned(program)  # a PC has no memories to pass
    with pytest.raises(BudgetError, match="budget 4,096"):
        check_planned(program, sram_budget=4096)


def emitted(kilograd, folder, target):
    command = ("compile", "kilograd-48", "--scheme", "kilograd-48/demo", "--classes", 2)
    result = kilograd(*command, "--target", target, "-o", folder / target, "--json").json
    files = {name: (folder / target / name).read_text() for name in result["files"]}
    return result, files


@pytest.mark.thorough
def test_only_what_the_target_runs_is_emitted(kilograd, tmp_path):
    found = {t: emitted(kilograd, tmp_path, t) for t in ("cortex-m0plus", "cortex-m7", "host")}
    names = {target: set(files) for target, (_, files) in found.items()}
    kinds = {t: {k for k in ("plain", "dsp", "host") if any(f"_{k}." in n for n in names[t])}
             for t in names}  # fmt: skip
    assert kinds == {
        "cortex-m0plus": {"plain"},
        "cortex-m7": {"plain", "dsp"},
        "host": {"plain", "host"},
    }
    result, files = found["cortex-m0plus"]
    assert result["arena"] <= 14_708
    for text in files.values():
        assert not re.search(r"__ARM_FEATURE|__asm__|KG_HOST|snapshot", text)
    assert "kg_snapshot.h" in names["host"]
    assert "kg_snapshot.h" not in names["cortex-m7"]


def test_no_kernel_chooses_its_variant_by_the_preprocessor():
    rooms = {spec.room for spec in REGISTRY.values()}
    for path in (path for room in rooms for path in room.glob("kernels/*.c")):
        assert not re.search(r"^#\s*(if|ifdef|ifndef|elif)\b", path.read_text(), re.MULTILINE), path


def test_sources_for_another_core_are_refused_by_the_compiler(kilograd, tmp_path):
    _, files = emitted(kilograd, tmp_path, "cortex-m7")
    assert "compile the model for this core" in files["kg_machine_dsp.h"]


def test_the_best_variant_that_runs_is_taken():
    kernel = Kernel("k", {}, (), {PLAIN: Use(4), DSP: Use(8), HOST: Use(16)})
    assert kernel.best(()).function == "kg_k_plain"
    assert kernel.best({"dsp"}).function == "kg_k_plain"  # on words that must be aligned
    assert kernel.best({"dsp", "unaligned"}).scratch_bytes == 8
    assert kernel.best({"vectors"}).scratch_bytes == 16


def test_a_variant_without_its_file_is_told(tmp_path):
    (tmp_path / "kernels").mkdir()
    call = Kernel("k", {}, (), {PLAIN: Use()}).best(())
    with pytest.raises(KilogradError, match="kernel k lists the variant plain, but there is no"):
        call.files(tmp_path)


def test_a_constant_that_the_header_lacks_is_told(tmp_path):
    header = tmp_path / "kg_x.h"
    header.write_text("#define KG_X 7\n")
    assert c_constant(header, "KG_X") == 7
    with pytest.raises(KilogradError, match=r"kg_x.h does not define KG_Y"):
        c_constant(header, "KG_Y")


def test_a_target_without_memories_has_no_firmware(kilograd):
    for name in ("host", "portable"):
        kilograd("measure", "kilograd-48", "--target", name).refused(
            f"--target: {name} is not a microcontroller"
        )


def test_sources_for_any_processor(kilograd, tmp_path):
    """What `portable` gives is plain C, and states no machine at all."""
    _, files = emitted(kilograd, tmp_path, "portable")
    assert not any("_dsp" in name or "_host" in name for name in files)


@pytest.mark.thorough
def test_a_device_may_be_a_target(kilograd):
    outcome = kilograd(
        "verify", "kilograd-48", "--classes", 2, "--devices", "host,cortex-m4,cortex-m0plus",
        "--steps", 1, "--json",
    )  # fmt: skip
    assert outcome.json["identical"]
    assert json.dumps(outcome.json["devices"]) == '["host", "cortex-m4", "cortex-m0plus"]'


def test_a_target_that_cannot_be_known():
    with pytest.raises(TargetError, match="unknown target"):
        get_target("cortex-m99")
