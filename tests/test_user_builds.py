"""The emitted C, built as its users build it."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.device.unicorn import UnicornDevice
from kilograd.files import write_folder
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware
from networks import tiny_graph

GCC = shutil.which("arm-none-eabi-gcc")
needs_gcc = pytest.mark.skipif(
    GCC is None and os.environ.get("CI") != "true", reason="arm-none-eabi-gcc is not installed"
)
WARNINGS = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Wsign-conversion",
    "-Werror",
]
CORES = {
    "cortex-m0plus": [()],
    "cortex-m3": [()],
    "cortex-m4": [
        ("-mfloat-abi=soft",),
        ("-mfpu=fpv4-sp-d16", "-mfloat-abi=softfp"),
        ("-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    ],
    "cortex-m7": [("-mfpu=fpv5-d16", "-mfloat-abi=hard")],
    "cortex-m33": [("-mfpu=fpv5-sp-d16", "-mfloat-abi=hard")],
}
LEVELS = ("-O0", "-Og", "-O1", "-Os", "-O2", "-O3", "-Os -fno-omit-frame-pointer", "-O2 -flto")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of C with the kernels of a small model, for cores with DSP and without."""
    graph = load_model("kilograd-motion", 6)
    scheme = load_scheme("full", graph)
    found = {}
    for target in ("cortex-m4", "cortex-m0plus"):
        program = compile_model(graph, scheme, get_target(target))
        found[target] = tmp_path_factory.mktemp("c") / target
        write_folder(found[target], program.sources)
    return found


@needs_gcc
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", LEVELS)
def test_gcc_compiles_it(folders, tmp_path, core, level):
    has_dsp = core not in ("cortex-m0plus", "cortex-m3")
    folder = folders["cortex-m4" if has_dsp else "cortex-m0plus"]
    for abi in CORES[core]:
        command = [str(GCC), f"-mcpu={core}", "-mthumb", *abi, *level.split(), *WARNINGS]
        sources = sorted(map(str, folder.glob("*.c")))
        done = subprocess.run(
            [*command, "-c", *sources], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), (abi, done.stderr[:2000])
        if "-flto" in level:  # the code is made when the objects are joined
            objects = sorted(map(str, tmp_path.glob("*.o")))
            joined = [*command, "-r", "-flinker-output=nolto-rel", "-nostdlib", *objects]
            done = subprocess.run(
                [*joined, "-o", "all"], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), (abi, done.stderr[:2000])


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
@pytest.mark.parametrize("level", ["-O0", "-Og", "-Os -fno-omit-frame-pointer", "-O2"])
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


@pytest.mark.skipif(
    shutil.which("g++") is None and os.environ.get("CI") != "true", reason="g++ is not installed"
)
def test_a_cpp_program_links_and_trains(tmp_path):
    graph = load_model("kilograd-motion", 6)
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    write_folder(tmp_path / "c", program.sources)
    (tmp_path / "main.cpp").write_text(MAIN_CPP, encoding="utf-8")
    sources = sorted(map(str, (tmp_path / "c").glob("*.c")))
    for command in (
        ["gcc", *WARNINGS, "-c", *sources],
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
