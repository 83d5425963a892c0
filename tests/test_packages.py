"""The folder as a library: built as docs/packages.md says, by the tools of its ecosystems; run."""

import shutil
import zipfile

import numpy as np
import pytest

import packages
from applications import BOARDS, FOLDER, emulate, needs, run, run_here, write_linker_script
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from packages import DOCS, arm_cpp, blocks, code_in, follow, section, tool

#: Runs Cortex-M4 code, whether or not it uses the floating-point unit.
BOARD = BOARDS["M4F hard"]
STARTUP = FOLDER / "startup.c"
ARDUINO = packages.FOLDER / "arduino" / "hardware"
LIBRARY = "kilograd_motion"
SECOND = "--prefix gesture --scheme last:2"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder in which a user works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def learned():
    """What tests/packages/app.cpp prints and what applications/two_models.cpp does, by prefix."""

    def state(scheme, seed, exponent, sign):
        program = compile_model(graph, load_scheme(scheme, graph), get_target("portable"))
        with open_device(program, "reference") as device:
            device.initialize(seed)
            for step in range(3):
                label = step if sign > 0 else 2 - step
                sample = np.full(graph.inputs[0].type.shape, sign * step, np.int8)
                device.train_step(sample, label, LearningRate(25166, exponent))
            return device.read_state().hex()

    graph = load_model("kilograd-motion", 6)
    return {"kg": state("head", 1, -24, 1), "gesture": state("last:2", 2, -22, -1)}


def application(folder, source=packages.FOLDER / "app.cpp"):
    """A program and what a vendor would give it, in a folder; the linker script is above it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder / "app.cpp")
    shutil.copy(STARTUP, folder)
    return folder


@pytest.fixture
def arduino(here):
    """Builds the example of an installed library."""
    builder, _ = tool("arduino-builder"), (tool("arduino-ctags"), tool("qemu-system-arm"))
    arm_cpp()
    hardware = shutil.copytree(ARDUINO, here / "hardware")
    application(core := hardware / "emulated" / "stm32" / "cores" / "emulated")
    (core / "app.cpp").unlink()
    write_linker_script(BOARD, here)

    def build(library):
        folders = {"-hardware": hardware, "-tools": hardware, "-libraries": here / "libraries"}
        (here / "build").mkdir()
        done = run(
            [builder, "-compile", "-quiet", "-fqbn", "emulated:stm32:m4", "-warnings", "all"]
            + [str(word) for pair in folders.items() for word in pair]
            + ["-build-path", str(here / "build"), "-prefs", f"board.folder={here}"]
            + [str(here / "libraries" / library / "examples" / "Learn" / "Learn.ino")],
            here,
        )
        assert "WARNING" not in done.stdout
        used = {path.name for path in (here / "build" / "libraries").iterdir()}
        return here / "build" / "Learn.ino.elf", used

    return build


@needs("gcc")
def test_arduino_builds_and_runs_the_example(kilograd, here, arduino):
    follow(blocks("Arduino")[0], here, kilograd)
    with zipfile.ZipFile(here / f"{LIBRARY}.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {LIBRARY}
        archive.extractall(here / "libraries")
    program, used = arduino(LIBRARY)
    assert used == {LIBRARY}
    folder = here / "libraries" / LIBRARY
    sources = [*folder.glob("*.c"), folder / "examples" / "example_main.c"]
    printed = emulate(BOARD, program)
    assert printed == run_here("gcc", f"-O1 -I{folder}", sources, here)
    assert printed.startswith("self-test: passed\nrecognized of 24 samples: 4 before learning, ")


@pytest.mark.thorough
def test_arduino_keeps_two_libraries_apart(kilograd, here, arduino):
    (command,) = blocks("Arduino")[0].splitlines()
    command = command.replace("--zip", "").replace(f"{LIBRARY}.zip", "libraries/")
    follow(f"{command}{LIBRARY}\n{command}gesture_motion {SECOND}", here, kilograd)
    program, used = arduino("gesture_motion")
    assert used == {"gesture_motion"}
    assert emulate(BOARD, program).startswith("self-test: passed\n")


@pytest.fixture
def platformio(here):
    """A project without a library; how PlatformIO finds a platform without a network."""
    tool("pio")
    tool("qemu-system-arm")
    arm_cpp()
    packages.module("SCons")
    shutil.copytree(packages.FOLDER / "platformio", here / "project")
    tools = here / "core" / "packages"
    tools.mkdir(parents=True)
    (here / "project" / "tool-scons").rename(tools / "tool-scons")
    write_linker_script(BOARD, here / "project")
    application(here / "project" / "src")
    return {
        "PLATFORMIO_CORE_DIR": str(here / "core"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
    }


def printed_by_platformio(folder):
    return emulate(BOARD, folder / "project" / ".pio" / "build" / "m4" / "firmware.elf")


def test_platformio_builds_a_library_that_is_elsewhere(kilograd, here, platformio, learned):
    commands = blocks("PlatformIO")[0].replace(f"-o project/lib/{LIBRARY}", f"-o {LIBRARY}")
    with (here / "project" / "platformio.ini").open("a", encoding="utf-8") as settings:
        settings.write(blocks("PlatformIO", "ini")[0])
    follow(commands, here, kilograd, **platformio)
    assert printed_by_platformio(here) == learned["kg"]


@pytest.mark.thorough
def test_platformio_builds_two_libraries_and_packs_each(kilograd, here, platformio, learned):
    application(here / "project" / "src", FOLDER / "two_models.cpp")
    first, build = blocks("PlatformIO")[0].splitlines()
    second = first.replace(LIBRARY, "gesture_motion") + f" {SECOND}"
    pack = f"pio pkg pack project/lib/gesture_motion -o {here}/gesture.tar.gz"
    follow(f"{first}\n{second}\n{build}\n{pack}", here, kilograd, **platformio)
    assert printed_by_platformio(here).split() == [learned["kg"], learned["gesture"]]
    assert (here / "gesture.tar.gz").stat().st_size > 10_000


@pytest.fixture
def cmake(here):
    """An application that is built with the lines for one library, or several; what it prints."""
    tool("cmake")
    tool("qemu-system-arm")
    arm_cpp()
    shutil.copytree(packages.FOLDER / "cmake", here / "app")
    (here / "app" / "arm.cmake").rename(here / "arm.cmake")
    write_linker_script(BOARD, here / "app")
    application(here / "app")
    tool("ninja")

    def built(lines, kilograd, option=""):
        (here / "app" / "library.cmake").write_text(lines)
        commands = CMAKE_BUILD.replace(" -D", f" {option} -D")
        follow(commands, here, kilograd, CMAKE_GENERATOR="Ninja")
        return emulate(BOARD, here / "build" / "app" / "app")

    return built


CMAKE_ADD, CMAKE_FETCH, CMAKE_FIND = blocks("CMake", "cmake")
CMAKE_FOLDER, CMAKE_BUILD, CMAKE_PACKAGE = blocks("CMake")


def test_cmake_adds_the_folder(kilograd, here, cmake, learned):
    follow(CMAKE_FOLDER, here, kilograd)
    assert cmake(CMAKE_ADD, kilograd) == learned["kg"]


@pytest.mark.parametrize("source", ["folder", pytest.param("archive", marks=pytest.mark.thorough)])
def test_cmake_fetches_it(kilograd, here, cmake, learned, source):
    follow(CMAKE_FOLDER if source == "folder" else blocks("Arduino")[0], here, kilograd)
    lines = CMAKE_FETCH
    if source == "archive":
        (here / f"{LIBRARY}.zip").rename(here / "app" / f"{LIBRARY}.zip")
        lines = lines.replace(" SOURCE_DIR ", " URL ").replace(f'/{LIBRARY}"', f'/{LIBRARY}.zip"')
    assert cmake(lines, kilograd) == learned["kg"]


def test_cmake_finds_it_installed(kilograd, here, cmake, learned):
    follow(CMAKE_FOLDER + CMAKE_PACKAGE, here, kilograd, CMAKE_GENERATOR="Ninja")
    assert (here / "installed" / "lib" / f"lib{LIBRARY}.a").is_file()
    shutil.rmtree(here / "app" / LIBRARY)
    lines = CMAKE_FIND.replace(LIBRARY, f"{LIBRARY} 0.1", 1)
    option = f"-D{LIBRARY}_ROOT=$PWD/installed"
    assert f"`{option}`" in packages.PAGE.read_text(encoding="utf-8")
    assert cmake(lines, kilograd, option) == learned["kg"]


def test_cmake_links_two_models(kilograd, here, cmake, learned):
    first = CMAKE_FOLDER.strip()
    second = first.replace(f"app/{LIBRARY}", "app/gesture_motion") + f" {SECOND}"
    follow(f"{first}\n{second}", here, kilograd)
    shutil.copy(FOLDER / "two_models.cpp", here / "app" / "app.cpp")
    lines = CMAKE_ADD + CMAKE_ADD.replace(LIBRARY, "gesture_motion")
    assert cmake(lines, kilograd).split() == [learned["kg"], learned["gesture"]]


ARDUINO_ARCHIVE, FOR_PLATFORMIO, FOR_CMAKE = [
    code
    for language, code in code_in(section("Into your project", DOCS / "board.md"))
    if not language
]


@pytest.fixture(scope="module")
def learned_by_a_stm32f405():
    """What tests/packages/app.cpp prints with the library of docs/board.md."""
    graph = load_model("kilograd-48", 3)
    program = compile_model(graph, load_scheme("last:3", graph), get_target("stm32f405"))
    with open_device(program, "unicorn") as device:
        device.initialize(1)
        for step in range(3):
            sample = np.full(graph.inputs[0].type.shape, step, np.int8)
            device.train_step(sample, step, LearningRate(25166, -24))
        return device.read_state().hex()


@pytest.mark.thorough
@needs("gcc")
def test_arduino_builds_what_the_page_of_boards_says(kilograd, here, arduino):
    follow(ARDUINO_ARCHIVE, here, kilograd)
    with zipfile.ZipFile(here / "kilograd_48.zip") as archive:
        archive.extractall(here / "libraries")
    program, used = arduino("kilograd_48")
    assert used == {"kilograd_48"}
    assert emulate(BOARD, program).startswith("self-test: passed\n")


@pytest.mark.thorough
def test_platformio_builds_what_the_page_of_boards_says(
    kilograd, here, platformio, learned_by_a_stm32f405
):
    follow(FOR_PLATFORMIO, here, kilograd, **platformio)
    assert printed_by_platformio(here) == learned_by_a_stm32f405


@pytest.mark.thorough
def test_cmake_builds_what_the_page_of_boards_says(kilograd, here, cmake, learned_by_a_stm32f405):
    compiled, *build = FOR_CMAKE.splitlines()
    assert build == CMAKE_BUILD.splitlines()
    follow(compiled, here, kilograd)
    lines = CMAKE_ADD.replace(LIBRARY, "kilograd_48")
    assert lines in section("Into your project", DOCS / "board.md")
    assert cmake(lines, kilograd) == learned_by_a_stm32f405
