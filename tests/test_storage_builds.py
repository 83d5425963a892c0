"""The storage as users build it: small, with another prefix, and from C++."""

import re

import pytest

from applications import needs, run
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import tiny_graph
from test_user_builds import CORES, WARNINGS

MOST_CODE = 900


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def folder(graph, tmp_path_factory):
    program = compile_model(graph, load_scheme("last:3", graph), get_target("portable"))
    path = tmp_path_factory.mktemp("exported") / "c"
    export_c(program, path)
    return path


MAIN = """
#include <stdio.h>
#include <string.h>
#include "kg_storage.h"

static uint8_t memory[8192];

static int32_t read_memory(void *context, uint32_t offset, void *to, uint32_t bytes)
{
    memcpy(to, (uint8_t *)context + offset, bytes);
    return 0;
}
static int32_t program(void *context, uint32_t offset, const void *from, uint32_t bytes)
{
    memcpy((uint8_t *)context + offset, from, bytes);
    return 0;
}
static int32_t erase(void *context, uint32_t offset)
{
    memset((uint8_t *)context + offset, 0xFF, 4096);
    return 0;
}

int main(void)
{
    const kg_flash flash = {sizeof memory, 4096, 16, read_memory, program, erase, memory};
    memset(memory, 0xFF, sizeof memory);
    kg_init(1);
    printf("%d ", kg_storage_load(&flash, 2, 0) == KG_ERROR_EMPTY);
    kg_state()[20] = 77;
    printf("%d ", kg_storage_save(&flash, 2) == KG_OK);
    kg_init(1);
    printf("%d ", kg_storage_load(&flash, 2, 0) == KG_OK);
    printf("%d\\n", kg_state()[20]);
    return 0;
}
"""


@needs("gcc", "g++")
@pytest.mark.parametrize(("prefix", "language"), [("kg", "c++11"), ("gesture", "c99")])
def test_an_application_links_it(graph, tmp_path, prefix, language):
    program = compile_model(graph, load_scheme("last:3", graph), get_target("portable"))
    export_c(program, tmp_path / "c", prefix=prefix)
    main = MAIN.replace("kg_", f"{prefix}_").replace("KG_", f"{prefix.upper()}_")
    name = "main.c" if language == "c99" else "main.cpp"
    (tmp_path / name).write_text(main, encoding="utf-8")
    sources = sorted(map(str, (tmp_path / "c").glob("*.c")))
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    run(["gcc", "-std=c99", *WARNINGS, *checks, "-Ic", "-c", *sources], tmp_path)
    compiler = "gcc" if language == "c99" else "g++"
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror"]
    run([compiler, f"-std={language}", *warnings, *checks, "-Ic", "-c", name], tmp_path)
    objects = sorted(map(str, tmp_path.glob("*.o")))
    run([compiler, *checks, *objects, "-o", "program"], tmp_path)
    assert run([tmp_path / "program"], tmp_path).stdout == "1 1 1 77\n"


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("core", CORES)
def test_it_is_small(folder, tmp_path, core):
    """At -Os, with the checksum, which firmwares with kg_save or the self-test have anyway."""
    command = ["arm-none-eabi-gcc", *CORES[core].split(), "-mthumb", "-Os", "-std=c99", *WARNINGS]
    sources = [str(folder / name) for name in ("kg_storage.c", "kg_crc32.c")]
    run([*command, f"-I{folder}", "-fstack-usage", "-c", *sources], tmp_path)
    sizes = run(["arm-none-eabi-size", "kg_storage.o", "kg_crc32.o"], tmp_path).stdout
    rows = [[int(figure) for figure in row.split()[:3]] for row in sizes.splitlines()[1:]]
    assert all(row[1:] == [0, 0] for row in rows)
    assert 600 < sum(row[0] for row in rows) <= MOST_CODE
    usage = (tmp_path / "kg_storage.su").read_text()
    frames = {name: int(size) for name, size in re.findall(r":(\w+)[.\w]*\t(\d+)\t", usage)}
    assert "dynamic" not in usage
    assert frames["kg_storage_save"] + frames["put"] < 400
    assert frames["kg_storage_load"] + frames["look"] < 250
