"""The emitted C, built as its users build it: by any compiler, without a word of complaint."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from applications import needs, run
from kilograd import arch, export_c
from kilograd.codegen.sources import kernel_sources
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.device.unicorn import UnicornDevice
from kilograd.frontend.open import load_model
from kilograd.ops import REGISTRY
from kilograd.ops.spec import VARIANTS
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware
from networks import tiny_graph

needs_gcc = needs("arm-none-eabi-gcc")
WARNINGS = [
    *("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow"),
    *("-Wundef", "-Wredundant-decls", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror"),
]
CORES = {
    "M0+": "-mcpu=cortex-m0plus",
    "M3": "-mcpu=cortex-m3",
    "M4 soft": "-mcpu=cortex-m4 -mfloat-abi=soft",
    "M4F softfp": "-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=softfp",
    "M4F hard": "-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard",
    "M7 hard": "-mcpu=cortex-m7 -mfpu=fpv5-d16 -mfloat-abi=hard",
    "M33 hard": "-mcpu=cortex-m33 -mfpu=fpv5-sp-d16 -mfloat-abi=hard",
    "M55 hard": "-mcpu=cortex-m55 -mfloat-abi=hard",
}
LEVELS = ("-O0", "-Og", "-O1", "-Os", "-O2", "-O3", "-Os -fno-omit-frame-pointer", "-O2 -flto=auto")
ZIG_CORES = {
    "M0+": "-target thumb-freestanding-eabi -mcpu=cortex_m0plus",
    "M3": "-target thumb-freestanding-eabi -mcpu=cortex_m3",
    "M4 soft": "-target thumb-freestanding-eabi -mcpu=cortex_m4",
    "M4F hard": "-target thumb-freestanding-eabihf -mcpu=cortex_m4",
    "M7 hard": "-target thumb-freestanding-eabihf -mcpu=cortex_m7",
    "M33 hard": "-target thumb-freestanding-eabihf -mcpu=cortex_m33+dsp",
    "M55 hard": "-target thumb-freestanding-eabihf -mcpu=cortex_m55",
}
ZIG_LEVELS = tuple(level for level in LEVELS if "lto" not in level)
ZIG = [sys.executable, "-m", "ziglang", "cc"]
STRING_H = Path(next(iter(arch.__path__))) / "runtime"


def matrix(cores, levels, first):
    """Every core at every level; what is in neither `first` is left to `make test-all`."""
    return [
        pytest.param(core, level, marks=[] if core in first or level in first else pytest.mark.slow)
        for core in cores
        for level in levels
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders with all kernels that a target may get, for cores with DSP, without, and for PCs."""
    found = {}
    for target in map(get_target, ("cortex-m4", "portable", "host")):
        graph = load_model("kilograd-kws", 4)
        program = compile_model(graph, load_scheme("full", graph), target)
        folder = tmp_path_factory.mktemp("c") / target.name
        export_c(program, folder)
        names = {variant.name for variant in VARIANTS if variant.runs_on(target.features)}
        kernels = [
            path
            for spec in REGISTRY.values()
            for path in Path(spec.room, "kernels").glob("*.c")
            if path.stem.rsplit("_", 1)[1] in names
        ]
        assert len(kernels) > 25
        for name, text in kernel_sources({}, kernels, target.features).items():
            (folder / name).write_text(text, encoding="utf-8")
        found[target.name] = folder
    return found


def compile_all(command, folder, objects):
    """Compiles a folder and its example; every warning is an error."""
    sources = sorted(map(str, folder.glob("*.c")))
    run([*command, "-std=c11", *WARNINGS, f"-I{folder}", "-c", *sources], objects)


def kernels_of(core):
    return "portable" if core in ("M0+", "M3") else "cortex-m4"


@pytest.mark.thorough
@needs_gcc
@pytest.mark.parametrize(("core", "level"), matrix(CORES, LEVELS, ("M0+", "M4F hard", "-O0")))
def test_gcc_compiles_it(folders, tmp_path, core, level):
    command = ["arm-none-eabi-gcc", *CORES[core].split(), "-mthumb", *level.split()]
    compile_all(command, folders[kernels_of(core)], tmp_path)
    if "-flto" in level:  # the code is made when the objects are joined
        objects = sorted(map(str, tmp_path.glob("*.o")))
        joined = ["-r", "-flinker-output=nolto-rel", "-nostdlib", "-Werror", "-o", "all"]
        run([*command, *objects, *joined], tmp_path)


@pytest.mark.thorough
@needs_gcc
@pytest.mark.parametrize("core", ["M0+", "M4F hard"])
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O3"])
def test_gcc_compiles_it_with_a_yield_hook(folders, tmp_path, core, level):
    command = ["arm-none-eabi-gcc", *CORES[core].split(), "-mthumb", level, "-DKG_YIELD"]
    compile_all(command, folders[kernels_of(core)], tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize(("core", "level"), matrix(ZIG_CORES, ZIG_LEVELS, ("M4F hard",)))
def test_zig_compiles_it(folders, tmp_path, core, level):
    command = [*ZIG, *ZIG_CORES[core].split(), *level.split(), f"-I{STRING_H}"]
    compile_all(command, folders[kernels_of(core)], tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize("target", ["portable", "host"])
@pytest.mark.parametrize("standard", ["c99", "c11", "c2x"])
@pytest.mark.parametrize("compiler", [pytest.param("gcc", marks=needs("gcc")), "zig"])
def test_it_compiles_on_this_computer(folders, tmp_path, target, standard, compiler):
    command = ["gcc"] if compiler == "gcc" else ZIG
    host = ["-march=native", "-Wno-psabi"] if target == "host" else []
    sources = sorted(map(str, folders[target].glob("*.c")))
    options = [*host, "-O2", *WARNINGS, f"-std={standard}", f"-I{folders[target]}"]
    run([*command, *options, "-c", *sources], tmp_path)
    run([*command, *options, "-c", str(folders[target] / "examples" / "example_main.c")], tmp_path)


@needs_gcc
def test_a_core_in_arm_mode_is_told_to_use_thumb(folders, tmp_path):
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-a7", f"-I{folders['cortex-m4']}", "-c"]
    source = str(folders["cortex-m4"] / "kg_depthwise_dsp.c")
    run([*command, "-mthumb", source], tmp_path)
    done = subprocess.run(
        [*command, "-marm", source], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Thumb" in done.stderr
    run([*command[:2], "-marm", f"-I{folders['portable']}", "-c",
         *sorted(map(str, folders["portable"].glob("*.c")))], tmp_path)  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    graph = tiny_graph(tmp_path_factory.mktemp("model"))
    return compile_model(graph, load_scheme("full", graph), get_target("cortex-m4"))


def state(elf, program):
    """What five steps on the emulated board leave behind."""
    samples = np.random.default_rng(3).integers(-128, 128, (5, 16, 16, 3)).astype(np.int8)
    with UnicornDevice(elf, program.target) as device:
        device.initialize(1)
        for label, sample in enumerate(samples):
            device.train_step(sample, label % 4, LearningRate.from_float(0.01))
        return device.read_state()


@needs_gcc
@pytest.mark.parametrize("level", ["-O0", "-Og", "-Os -fno-omit-frame-pointer", "-O2 -flto=auto"])
def test_gcc_builds_the_same_bits(program, level):
    expected = state(build_firmware(program.sources, program.target).path, program)
    built = build_firmware(
        program.sources,
        program.target,
        compiler="gcc",
        extra_flags=level.split(),
        stack_bytes=16384,
    )
    assert state(built.path, program) == expected


def test_no_build_needs_to_omit_the_frame_pointer(program):
    expected = state(build_firmware(program.sources, program.target).path, program)
    flags = ["-fno-omit-frame-pointer"]
    built = build_firmware(program.sources, program.target, extra_flags=flags)
    assert state(built.path, program) == expected


@needs_gcc
def test_the_stack_of_code_made_while_linking_is_measured(program):
    """With -flto, functions are put into one another; the figure is that of what runs."""
    stacks = []
    for flags in ([], ["-flto"]):
        built = build_firmware(
            program.sources, program.target, compiler="gcc", extra_flags=["-O2", *flags]
        )
        with UnicornDevice(built.path, program.target) as device:
            device.initialize(0)
            device.train_step(np.zeros((16, 16, 3), np.int8), 0, LearningRate.from_float(0.01))
            stacks.append(device.counters().stack_bytes)
    assert stacks[0] < stacks[1] < program.target.stack_bytes


MAIN_CPP = """
#include <cstdio>
#include <cstring>
#include "kilograd.h"
#include "kg_features.h"

int main()
{
    kg_init(1);
    const kg_learning_rate rate = {25166, -24, 0};
    for (int step = 0; step < 3; step++) {
        std::memset(kg_input(), step, kg_input_bytes);
        kg_train_step(step, rate);
    }
    kg_features_reset();
    for (uint32_t i = 0; i < kg_state_bytes; i++)
        std::printf("%02x", kg_state()[i]);
}
"""


@needs("gcc", "g++")
def test_a_cpp_program_links_and_trains(tmp_path):
    graph = load_model("kilograd-motion", 6)
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    export_c(program, tmp_path / "c")
    (tmp_path / "main.cpp").write_text(MAIN_CPP, encoding="utf-8")
    sources = sorted(map(str, (tmp_path / "c").glob("*.c")))
    for command in (
        ["gcc", "-std=c11", *WARNINGS, "-c", *sources],
        ["g++", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Ic", "-c", "main.cpp"],
        ["g++", "-o", "program", *(f"{Path(source).stem}.o" for source in sources), "main.o"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    printed = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True)
    with open_device(program, "reference") as device:
        device.initialize(1)
        for step in range(3):
            sample = np.full(graph.inputs[0].type.shape, step, np.int8)
            device.train_step(sample, step, LearningRate(25166, -24, 0))
        assert printed.stdout == device.read_state().hex()
