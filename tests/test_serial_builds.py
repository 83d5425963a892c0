"""kg_serial as users build it: small, with another prefix, and from C++."""

import re

import pytest

from applications import needs, run
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.device.serial_frames import FRAME_BYTES, MOST_DATA, VERSION, Kind
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import tiny_graph
from test_user_builds import CORES, WARNINGS

MOST_CODE = 3 * 1024
MOST_MEMORY = 600


def exported(path, *, row_input=False, prefix="kg"):
    """A folder of C."""
    graph = tiny_graph(path)
    scheme = load_scheme("head", graph)
    program = compile_model(graph, scheme, get_target("portable"), row_input=row_input)
    export_c(program, path / "c", prefix=prefix)
    return path / "c"


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("row_input", [False, True])
def test_it_is_small(tmp_path, core, row_input):
    folder = exported(tmp_path, row_input=row_input)
    command = ["arm-none-eabi-gcc", *CORES[core].split(), "-mthumb", "-Os", "-std=c99", *WARNINGS]
    sources = [str(folder / name) for name in ("kg_serial.c", "kg_crc32.c")]
    run([*command, f"-I{folder}", "-fstack-usage", "-c", *sources], tmp_path)
    sizes = run(["arm-none-eabi-size", "kg_serial.o", "kg_crc32.o"], tmp_path).stdout
    rows = [[int(figure) for figure in row.split()[:3]] for row in sizes.splitlines()[1:]]
    code, data, bss = (sum(column) for column in zip(*rows, strict=True))
    assert 1000 < code <= MOST_CODE
    assert data == 0
    assert 500 < bss <= MOST_MEMORY + (48 if row_input else 0)  # a row of 16 pixels
    usage = (tmp_path / "kg_serial.su").read_text()
    assert "dynamic" not in usage
    frames = {name: int(size) for name, size in re.findall(r":(\w+)[.\w]*\t(\d+)\t", usage)}
    inner = max(frames.get("execute", 0), frames.get("send_short", 0) + frames.get("finish", 0))
    assert frames["kg_serial_poll"] + frames.get("answer", 0) + inner < 200


@needs("gcc")
@pytest.mark.parametrize("standard", ["c99", "c11", "c2x"])
@pytest.mark.parametrize("row_input", [False, True])
def test_without_a_warning(tmp_path, standard, row_input):
    folder = exported(tmp_path, row_input=row_input)
    for level in ("-O0", "-O2", "-O3"):
        command = ["gcc", f"-std={standard}", level, *WARNINGS, f"-I{folder}"]
        run([*command, "-c", str(folder / "kg_serial.c"), "-o", "serial.o"], tmp_path)


MAIN = """
#include <stdio.h>
#include "kg_serial.h"

static uint32_t written;

static int32_t nothing(void *context)
{
    (void)context;
    return -1;
}
static void drop(void *context, const uint8_t *bytes, uint32_t count)
{
    (void)context;
    (void)bytes;
    written += count;
}

int main(void)
{
    kg_serial_port port = {nothing, drop, NULL, 0, NULL, NULL, 0, NULL, NULL,
                           NULL, NULL, 0};
    printf("%d %d\\n", (int)kg_serial_poll(&port), (int)written);
    return 0;
}
"""


@needs("gcc", "g++")
@pytest.mark.parametrize(("prefix", "language"), [("kg", "c++11"), ("gesture", "c99")])
def test_an_application_links_it(tmp_path, prefix, language):
    folder = exported(tmp_path, prefix=prefix)
    main = MAIN.replace("kg_", f"{prefix}_")
    name = "main.c" if language == "c99" else "main.cpp"
    (tmp_path / name).write_text(main, encoding="utf-8")
    sources = sorted(map(str, folder.glob("*.c")))
    run(["gcc", "-std=c99", *WARNINGS, "-Ic", "-c", *sources], tmp_path)
    compiler = "gcc" if language == "c99" else "g++"
    run([compiler, f"-std={language}", "-Wall", "-Werror", "-Ic", "-c", name], tmp_path)
    run([compiler, *sorted(map(str, tmp_path.glob("*.o"))), "-o", "program"], tmp_path)
    assert run([tmp_path / "program"], tmp_path).stdout == "0 0\n"


@needs("arm-none-eabi-gcc")
def test_the_example_with_room_for_samples_compiles(pytestconfig, tmp_path):
    exported(tmp_path)
    page = (pytestconfig.rootpath / "docs" / "sample-memory.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```c\n(#include .kg_serial_memory.*?)```", page, re.DOTALL)
    yours = "int32_t read_byte(void *);\nvoid write_bytes(void *, const uint8_t *, uint32_t);\n"
    poll = "void poll(void);\nvoid poll(void)\n{\n    kg_serial_poll(&port);\n}\n"
    (tmp_path / "room.c").write_text("#include <stdint.h>\n" + yours + example + poll)
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Os", "-std=c99", *WARNINGS]
    run([*command, "-Ic", "-c", "room.c"], tmp_path)


def test_python_and_c_name_the_same(tmp_path):
    folder = exported(tmp_path)
    text = (folder / "kg_serial.c").read_text()
    header = (folder / "kg_serial.h").read_text()
    assert f"#define KG_SERIAL_VERSION {VERSION} " in header
    assert f"#define KG_SERIAL_DATA {MOST_DATA}u" in header
    assert FRAME_BYTES == MOST_DATA + 16
    for kind in Kind:
        value = f"0x{kind.value:X}" if kind >= 0x80 else str(kind.value)
        assert re.search(rf"\b{kind.name} = {value}\b", text), kind
