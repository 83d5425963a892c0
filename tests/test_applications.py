"""Programs as users write them reach the same bits on every board, and cannot go astray."""

import hashlib
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from applications import BOARDS, FOLDER, needs, run, run_here, run_on_board
from kilograd import export_c, input_spec, load_dataset
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.state_file import read_state_file
from networks import native_model

needs_board = needs("arm-none-eabi-gcc", "qemu-system-arm")
needs_gcc = needs("gcc")
SEED = 5
COUNT = 12
NAMES = ("up", "down", 'le"ft', "right?")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def folders(model, tmp_path_factory):
    """A folder for each target, made when it is first asked for."""
    made = {}

    def folder(target, scheme="last:3", *, row_input=False):
        key = (target, scheme, row_input)
        if key not in made:
            graph = load_model(str(model), len(NAMES))
            program = compile_model(
                graph, load_scheme(scheme, graph), get_target(target), row_input=row_input
            )
            made[key] = tmp_path_factory.mktemp("exported") / "c"
            export_c(program, made[key], class_names=NAMES)
        return made[key]

    return folder


@pytest.fixture(scope="module")
def learned(model, tmp_path_factory):
    """What `kilograd train` makes of a few samples; and these, in its order, in samples.h."""
    folder = tmp_path_factory.mktemp("samples")
    inputs = np.random.default_rng(8).integers(-128, 128, (COUNT + 4, 16, 16, 3)).astype(np.int8)
    labels = np.arange(COUNT + 4) % 4
    split = np.arange(COUNT + 4) // COUNT
    np.savez(folder / "pack.npz", inputs=inputs, labels=labels, split=split, class_names=NAMES)
    program = "from kilograd.cli import main; main()"
    command = [sys.executable, "-c", program, "train", str(model), "--data", "pack.npz"]
    options = ["--scheme", "last:3", "--seed", str(SEED), "--lr", "0.01", "--epochs", "1"]
    options += ["--save", "state.kgs"]
    done = subprocess.run(
        [*command, *options, "--json"], cwd=folder, capture_output=True, text=True, check=True
    )
    graph = load_model(str(model), len(NAMES))
    samples = load_dataset(folder / "pack.npz", input_spec(graph), seed=SEED).train
    inputs, labels = samples.inputs, samples.labels
    order = np.random.Generator(np.random.PCG64(SEED)).permutation(COUNT)
    rate = LearningRate.from_float(0.01, COUNT)
    rows = ",\n".join("{" + ",".join(map(str, inputs[i].ravel())) + "}" for i in order)
    (folder / "samples.h").write_text(
        f"#define SEED {SEED}\n#define COUNT {COUNT}\n"
        f"#define RATE {{{rate.mantissa}, {rate.exponent}, {rate.steps}}}\n"
        f"static const int8_t inputs[COUNT][KG_INPUT_BYTES] = {{\n{rows}}};\n"
        f"static const int8_t labels[COUNT] = {{{','.join(str(labels[i]) for i in order)}}};\n"
    )
    result = json.loads(done.stdout)
    state = read_state_file(folder / "state.kgs").state
    assert hashlib.sha256(state).hexdigest() == result["state_digest"]
    return folder, state, inputs[order[0]]


def check_stranger(printed, learned, model):
    """The application has learned what `kilograd train` has, and then predicts the same."""
    _, state, sample = learned
    hexadecimal, name = printed.splitlines()
    assert hexadecimal == state.hex()
    graph = load_model(str(model), len(NAMES))
    program = compile_model(graph, load_scheme("last:3", graph))
    with open_device(program, "reference") as device:
        device.write_state(state)
        assert name == NAMES[int(np.argmax(device.predict(sample)))]


def stranger(folder, learned):
    """Sources of the application, and where its headers are."""
    sources = [*sorted(folder.glob("*.c")), FOLDER / "stranger.c"]
    return sources, f"-I{folder} -I{learned[0]}"


@pytest.mark.thorough
@needs_board
@pytest.mark.parametrize(
    ("board", "level"),
    [
        ("M0+", "-Os"),
        ("M4F hard", "-O0"),
        ("M7 hard", "-O2 -flto"),
        ("M33 hard", "-Os"),
        ("M4F softfp", "-O3"),
        ("M55 hard", "-O2"),
        ("M3", "-Og"),
    ],
)
def test_a_strangers_application_learns_what_kilograd_train_does(
    folders, learned, model, tmp_path, board, level
):
    sources, includes = stranger(folders(BOARDS[board].target), learned)
    printed = run_on_board(BOARDS[board], f"{level} -std=c11 {includes}", sources, tmp_path)
    check_stranger(printed, learned, model)


@pytest.mark.thorough
@needs_gcc
@pytest.mark.parametrize(("target", "flags"), [("portable", ""), ("host", "-march=native")])
def test_and_on_this_computer(folders, learned, model, tmp_path, target, flags):
    sources, includes = stranger(folders(target), learned)
    printed = run_here("gcc", f"-O2 -std=c11 -Wno-psabi {flags} {includes}", sources, tmp_path)
    check_stranger(printed, learned, model)


@needs_gcc
@pytest.mark.parametrize("row_input", [False, True])
def test_calls_that_are_refused_change_nothing(folders, tmp_path, row_input):
    folder = folders("portable", "head", row_input=row_input)
    sources = [*sorted(folder.glob("*.c")), FOLDER / "misuse.c"]
    checks = "-g -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror"
    assert run_here("gcc", f"{checks} -I{folder}", sources, tmp_path) == "all refused\n"


@needs_board
@pytest.mark.parametrize("row_input", [False, True])
def test_calls_that_are_refused_change_nothing_on_an_m7(folders, tmp_path, row_input):
    folder = folders("cortex-m7", "head", row_input=row_input)
    sources = [*sorted(folder.glob("*.c")), FOLDER / "misuse.c"]
    printed = run_on_board(BOARDS["M7 hard"], f"-O2 -I{folder}", sources, tmp_path)
    assert printed == "all refused\n"


@needs_gcc
def test_a_sample_is_no_longer_there_after_a_prediction(folders, tmp_path):
    """What used to train on garbage is refused, and the call for both does the right thing."""
    folder = folders("portable", "full")
    (tmp_path / "main.c").write_text(TWICE_C)
    sources = [*sorted(folder.glob("*.c")), tmp_path / "main.c"]
    printed = run_here("gcc", f"-O1 -I{folder}", sources, tmp_path)
    assert printed == "refused -2, then the same\n"


TWICE_C = """
#include <stdio.h>
#include <string.h>
#include "kilograd.h"

static const kg_learning_rate rate = KG_DEFAULT_RATE;

int main(void)
{
    static uint8_t state[KG_STATE_BYTES];
    kg_init(1);
    memset(kg_input(), 3, KG_INPUT_BYTES);
    const int32_t predicted = kg_classify();
    if (kg_train_step(1, rate) != NULL)
        return 1;
    printf("refused %d, ", (int)kg_error());
    memset(kg_input(), 3, KG_INPUT_BYTES);
    const int32_t *logits = kg_predict();
    int32_t kept[KG_CLASS_COUNT];
    memcpy(kept, logits, sizeof kept);
    memset(kg_input(), 3, KG_INPUT_BYTES);
    if (memcmp(kg_train_step(1, rate), kept, sizeof kept) != 0)
        return 2;
    memcpy(state, kg_state(), sizeof state);
    kg_init(1);
    memset(kg_input(), 3, KG_INPUT_BYTES);
    const int32_t same = kg_learn(1, rate) == predicted;
    printf("then %s\\n", same && memcmp(state, kg_state(), sizeof state) == 0 ? "the same" : "not");
    return 0;
}
"""


SENSOR_C = """
#include <stdio.h>
#include "kg_features.h"
#include "kilograd.h"

int main(void)
{
    static int16_t samples[KG_FEATURES_SAMPLES * KG_FEATURES_CHANNELS];
    const kg_learning_rate rate = KG_DEFAULT_RATE;
    kg_init(1);
    kg_features_reset();
    const int32_t half = KG_FEATURES_SAMPLES / 2;
    printf("%d ", (int)kg_features_push(samples, half));
    printf("%d ", (int)kg_learn(0, rate));
    printf("%d ", (int)kg_features_push(samples, KG_FEATURES_SAMPLES));
    printf("%d ", kg_learn(0, rate) >= 0);
    printf("%d ", (int)kg_features_push(samples, 1));
    printf("%d ", (int)kg_classify());
    return 0;
}
"""


@needs_gcc
@pytest.mark.parametrize("name", ["kilograd-kws", "kilograd-motion"])
def test_half_of_what_a_sensor_gives_is_no_sample(tmp_path, name):
    graph = load_model(name, 4)
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    export_c(program, tmp_path / "c")
    (tmp_path / "main.c").write_text(SENSOR_C)
    sources = [*sorted((tmp_path / "c").glob("*.c")), tmp_path / "main.c"]
    checks = "-g -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror"
    printed = run_here("gcc", f"{checks} -I{tmp_path}/c", sources, tmp_path)
    assert printed == "0 -2 1 1 1 -2 "


@needs_gcc
def test_the_example_recognizes_more_after_learning(model, tmp_path):
    graph = load_model(str(model))
    for row_input in (False, True):
        scheme = load_scheme("head" if row_input else "last:3", graph)
        program = compile_model(graph, scheme, get_target("portable"), row_input=row_input)
        folder = tmp_path / f"c{row_input}"
        export_c(program, folder, class_names=NAMES)
        sources = [*sorted(folder.glob("*.c")), folder / "examples" / "example_main.c"]
        warnings = "-Wall -Wextra -Wpedantic -Werror"
        printed = run_here("gcc", f"-O1 -std=c99 {warnings} -I{folder}", sources, tmp_path)
        found = re.match(
            r"self-test: passed\nrecognized of 16 samples: (\d+) before learning, (\d+) after, "
            r"(\d+) restored\n",
            printed,
        )
        assert found, printed
        before, after, restored = map(int, found.groups())
        assert before == 4
        assert after == restored >= 8
        assert 'a sample of "down" is taken for "' in printed


@pytest.mark.thorough
@needs("gcc", "g++")
def test_two_models_in_one_program_learn_by_themselves(tmp_path):
    programs = {}
    for prefix, name, scheme, classes in (
        ("kg", "kilograd-motion", "head", 6),
        ("gesture", "kilograd-kws", "last:2", 3),
    ):
        graph = load_model(name, classes)
        programs[prefix] = compile_model(graph, load_scheme(scheme, graph), get_target("portable"))
        export_c(programs[prefix], tmp_path / prefix, prefix=prefix)
    sources = [*sorted(tmp_path.glob("*/*.c"))]
    assert len({path.name for path in sources}) == len(sources)
    run(["gcc", "-O1", "-std=c11", "-Ikg", "-Igesture", "-c", *map(str, sources)], tmp_path)
    main = [str(FOLDER / "two_models.cpp"), "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    objects = sorted(map(str, tmp_path.glob("*.o")))
    run(["g++", "-Ikg", "-Igesture", *main, *objects, "-o", "both"], tmp_path)
    printed = run([tmp_path / "both"], tmp_path).stdout.splitlines()
    for (prefix, exponent, seed, sign), found in zip(
        (("kg", -24, 1, 1), ("gesture", -22, 2, -1)), printed, strict=True
    ):
        shape = programs[prefix].graph.inputs[0].type.shape
        with open_device(programs[prefix], "reference") as device:
            device.initialize(seed)
            for step in range(3):
                label = step if sign > 0 else 2 - step
                sample = np.full(shape, sign * step, np.int8)
                device.train_step(sample, label, LearningRate(25166, exponent))
            assert found == device.read_state().hex()


TOOLCHAIN = """
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard LEVEL")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
"""


@pytest.mark.thorough
@needs("cmake", "arm-none-eabi-gcc")
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O2"])
def test_cmake_builds_the_library(folders, tmp_path, level):
    folder = folders("cortex-m4")
    (tmp_path / "arm.cmake").write_text(TOOLCHAIN.replace("LEVEL", level))
    configure = [
        "cmake",
        "-S",
        str(folder),
        "-B",
        "b",
        f"-DCMAKE_TOOLCHAIN_FILE={tmp_path}/arm.cmake",
    ]
    run(configure, tmp_path)
    run(["cmake", "--build", "b"], tmp_path)
    assert (tmp_path / "b" / "libkilograd_tiny.a").is_file()


@needs("cmake", "gcc")
def test_cmake_builds_and_runs_the_example(folders, tmp_path):
    run(["cmake", "-S", str(folders("portable")), "-B", "b"], tmp_path)
    run(["cmake", "--build", "b"], tmp_path)
    assert "self-test: passed" in run([tmp_path / "b" / "kg_example"], tmp_path).stdout


@needs_gcc
def test_memory_can_be_placed(folders, tmp_path):
    folder = folders("portable")
    places = [
        """-DKG_ARENA_ATTRIBUTE=__attribute__((section(".fast")))""",
        """-DKG_STATE_ATTRIBUTE=__attribute__((section(".kept")))""",
    ]
    run(["gcc", *places, f"-I{folder}", "-c", str(folder / "kg_model.c")], tmp_path)
    listed = run(["objdump", "-t", "kg_model.o"], tmp_path).stdout
    assert re.search(r" \.fast\s.* kg_arena$", listed, re.MULTILINE)
    assert re.search(r" \.kept\s.* kg_state_buffer$", listed, re.MULTILINE)


@needs_gcc
def test_the_self_test_notices_a_compiler_that_computes_something_else(folders, tmp_path):
    folder = shutil.copytree(folders("portable"), tmp_path / "c")
    arithmetic = folder / "kg_machine_plain.h"
    text = arithmetic.read_text()
    assert "(INT32_C(1) << 30)) >> 31)" in text
    arithmetic.write_text(text.replace("(INT32_C(1) << 30)) >> 31)", "(INT32_C(1) << 30)) >> 30)"))
    sources = [*sorted(folder.glob("*.c")), folder / "examples" / "example_main.c"]
    run(["gcc", f"-I{folder}", *map(str, sources), "-o", "program"], tmp_path)
    done = subprocess.run(
        [tmp_path / "program"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "self-test: this build computes something else\n")
