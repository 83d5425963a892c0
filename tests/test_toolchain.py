"""Targets, compilers, cache and the measuring of firmware."""

import re
import shutil
import struct
import subprocess
import time

import numpy as np
import pytest

from fake import FAKE_MODEL
from kilograd.arch import architecture_of, linker_script
from kilograd.compiler import compile_model
from kilograd.device.host import HostDevice
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import BudgetError, KilogradError, TargetError, ToolchainError, UserError
from kilograd.scheme import load_scheme
from kilograd.targets import get_target, target_names
from kilograd.toolchain import (
    build_firmware,
    build_host_executable,
    build_host_library,
    compiler_version,
    compilers,
    firmware_sizes,
    job,
    load_segments,
    read_symbols,
)
from kilograd.toolchain.job import included
from networks import tiny_graph

DEVICES = [t for t in map(get_target, target_names()) if t.memory]
M7 = get_target("cortex-m7")
needs_gcc = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"
)


def test_unknown_target_lists_the_known_ones():
    with pytest.raises(TargetError) as caught:
        get_target("cortex-m99")
    assert "unknown target 'cortex-m99'" in str(caught.value)
    assert ", ".join(target_names()) in str(caught.value)


def test_memory_of_the_reference_part():
    assert [(r.name, r.origin, r.length) for r in M7.memory] == [
        ("FLASH", 0x00000000, 1 << 20),
        ("DTCM", 0x20000000, 64 << 10),
        ("SRAM", 0x20010000, 256 << 10),
    ]
    assert M7.ram_bytes == 320 << 10


def test_protection_regions_cover_the_memory_exactly():
    for target in (t for t in DEVICES if t.architecture == "cortex-m"):
        text = architecture_of(target).target_header(target)
        row = next(line for line in text.splitlines() if "KG_MPU_REGIONS" in line)
        words = [
            int(word, 16)
            for word in row.replace("u", "").translate(str.maketrans("{},", "   ")).split()[2:]
        ]
        covered, registers = set(), []
        for base, attributes in zip(words[::2], words[1::2], strict=True):
            size = 2 << ((attributes >> 1) & 31)
            assert base % size == 0
            if attributes >> 16 & 7 == 1:  # device memory
                registers.append((base, size, attributes >> 24))
                continue
            covered |= set(range(base, base + size, 1024))
        assert registers == [(0x4000_0000, 0x2000_0000, 0b10011)]  # any may write, none execute
        wanted = {a for r in target.memory for a in range(r.origin, r.end, 1024)}
        assert covered == wanted


def test_linker_script_puts_the_stack_at_the_bottom():
    script = linker_script(M7, stack_bytes=1001)
    assert "__kg_stack_size = 1008;" in script
    assert 'REGION_ALIAS("KG_STACK", DTCM)' in script
    assert 'REGION_ALIAS("KG_DATA", SRAM)' in script
    joined = linker_script(M7, stack_bytes=1001, joined=True)
    assert "DTCM_SRAM : ORIGIN = 0x20000000, LENGTH = 0x50000" in joined
    assert 'REGION_ALIAS("KG_STACK", DTCM_SRAM)' in joined
    assert 'REGION_ALIAS("KG_DATA", DTCM_SRAM)' in joined


@pytest.mark.parametrize("target", DEVICES, ids=lambda target: target.name)
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_firmware_as_linked(target, compiler):
    known = architecture_of(target).gcc
    if compiler == "gcc" and not any(shutil.which(name) for name in known):
        pytest.skip(f"{known[0]} is not installed")
    build = build_firmware(FAKE_MODEL, target, compiler=compiler)
    assert build.version == compiler_version(compiler, target)
    symbols = read_symbols(build.path)
    data = target.data_region
    for name in ("kg_arena", "kg_state_buffer", "initial_bias"):
        assert data.origin <= symbols.addresses[name] < data.end
    address, image = load_segments(build.path)[0]
    assert address == target.code_region.origin
    stack_top = target.stack_region.origin + target.stack_bytes
    assert symbols.addresses["__kg_stack_top"] == stack_top
    if target.architecture == "cortex-m":
        assert struct.unpack_from("<2I", image) == (stack_top, symbols.addresses["kg_reset"] | 1)
        assert symbols.function_at(target.code_region.origin) is None
    else:
        assert symbols.addresses["kg_reset"] == target.code_region.origin
    sizes = firmware_sizes(build.path)
    assert sizes.arena == 112
    assert sizes.trainable == 168
    assert sizes.flash_bytes >= sizes.text + sizes.rodata + sizes.data
    assert sizes.data_bss == sizes.data + sizes.bss - 112 - 168
    # initial_bias, the switches of misbehave.c, the counters, a step's control, which calls may
    # come next, and two file handles.
    assert sizes.data_bss <= 12 + 32 + 40 + 24 + 4 + 8


def test_second_build_comes_from_the_cache(monkeypatch):
    first = build_firmware(FAKE_MODEL, M7)

    def refuse(*_arguments, **_options):
        pytest.fail("the compiler was called again")

    monkeypatch.setattr(job, "_run", refuse)
    assert build_firmware(FAKE_MODEL, M7) == first


def test_sources_and_flags_make_another_build():
    first = build_host_library(FAKE_MODEL)
    other = build_host_library(FAKE_MODEL, extra_flags=["-DINPUTS=49"])
    assert first.path != other.path


def test_what_fits_no_region_alone_spans_neighbours():
    build = build_firmware(FAKE_MODEL, M7, extra_flags=["-DARENA_PADDING=300000"])
    symbols = read_symbols(build.path)
    first, last = symbols.addresses["kg_state_buffer"], symbols.addresses["kg_arena"]
    assert 0x20001000 <= min(first, last) < 0x20010000
    with UnicornDevice(build.path, M7) as device:
        device.initialize(1)
        device.predict(np.zeros(device.input_bytes, np.int8))


@pytest.mark.parametrize("compiler", ["zig", pytest.param("gcc", marks=needs_gcc)])
def test_firmware_too_large_names_region_and_bytes(compiler):
    with pytest.raises(BudgetError) as caught:
        build_firmware(FAKE_MODEL, M7, compiler=compiler, extra_flags=["-DARENA_PADDING=330000"])
    assert "overflows DTCM_SRAM by " in str(caught.value)
    assert "hint: train fewer layers" in str(caught.value)


def test_compiler_errors_are_a_fault_of_kilograd():
    broken = {**FAKE_MODEL, "broken.c": "int unused(int x) { return y; }\n"}
    with pytest.raises(KilogradError) as caught:
        build_host_library(broken)
    assert not isinstance(caught.value, UserError)
    assert "refused broken.c" in str(caught.value)
    assert "'y'" in str(caught.value)


def test_warnings_are_errors():
    sloppy = {**FAKE_MODEL, "sloppy.c": "static int unused(void) { return 1; }\n"}
    with pytest.raises(KilogradError, match="unused"):
        build_firmware(sloppy, M7)


def test_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KILOGRAD_CACHE", str(tmp_path / "file"))
    with pytest.raises(ToolchainError) as caught:
        build_host_library(FAKE_MODEL)
    assert "cannot write the cache directory" in str(caught.value)
    assert "set KILOGRAD_CACHE" in str(caught.value)


def new_job(name):
    """Flags that nothing was built with before."""
    return [f"-D{name.upper()}_{time.time_ns()}"]


def clearing(monkeypatch, times):
    """Removes what a compiler is about to read, so often."""
    run, cleared = job._run, []

    def clears(arguments, folder, environment, source):
        if len(cleared) < times:
            cleared.append(source)
            shutil.rmtree(folder, ignore_errors=True)
        run(arguments, folder, environment, source)

    monkeypatch.setattr(job, "_run", clears)
    return cleared


def test_a_cache_that_is_cleared_meanwhile_is_filled_again(monkeypatch):
    cleared = clearing(monkeypatch, 1)
    build = build_host_library(FAKE_MODEL, extra_flags=new_job("once"))
    assert cleared
    assert build.path.exists()


def test_a_cache_that_is_cleared_again_and_again(monkeypatch):
    clearing(monkeypatch, 1000)
    with pytest.raises(ToolchainError, match="the cache was cleared while it was used"):
        build_host_library(FAKE_MODEL, extra_flags=new_job("often"))


def test_what_was_built_and_then_cleared():
    library = build_host_library(FAKE_MODEL, extra_flags=new_job("library")).path
    firmware = build_firmware(FAKE_MODEL, M7, extra_flags=new_job("firmware")).path
    library.unlink()
    firmware.unlink()
    with pytest.raises(ToolchainError) as caught:
        HostDevice(library)
    assert "run the command again, and clear the cache when nothing uses it" in str(caught.value)
    with pytest.raises(ToolchainError, match="the cache was cleared while it was used"):
        UnicornDevice(firmware, M7)


def test_missing_compilers(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolchainError) as caught:
        compiler_version("gcc", M7)
    assert "arm-none-eabi-gcc is not installed" in str(caught.value)
    monkeypatch.setattr(compilers.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ToolchainError, match="zig is not installed"):
        compiler_version("zig", M7)


def test_firmware_for_the_host_is_refused():
    with pytest.raises(TargetError, match="builds no firmware for target host"):
        build_firmware(FAKE_MODEL, get_target("host"))


def test_files_that_are_no_firmware(tmp_path):
    (tmp_path / "x.elf").write_text("no ELF file")
    with pytest.raises(ToolchainError, match="no ELF file"):
        firmware_sizes(tmp_path / "x.elf")


SANITIZED_MAIN = """
#include "kilograd.h"
int main(int argc, char **argv) {
  (void)argv;
  kg_init(1);
  kg_input()[0] = 1;
  kg_train_step(argc - 1, (kg_learning_rate){20000, -20, 0});
  static volatile int32_t big = INT32_MAX;
  kg_input()[0] = 1;
  return argc > 2 ? (int)(big + argc) != 0 : kg_predict()[0] == 0;
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_sanitized_program_ends_on_undefined_behaviour(compiler):
    if compiler == "gcc" and shutil.which("cc") is None:
        pytest.skip("no system compiler")
    program = build_host_executable(FAKE_MODEL, SANITIZED_MAIN, compiler=compiler).path
    assert subprocess.run([program], check=False).returncode == 0
    bad = subprocess.run([program, "1", "2"], check=False, capture_output=True)
    assert bad.returncode not in (0, 1) or b"signed integer overflow" in bad.stderr


def test_an_object_depends_on_what_its_file_includes_and_on_nothing_else():
    headers = {
        "a.h": '#include "deep/b.h"\n',
        "deep/b.h": "int b;\n",
        "c.h": "int c;\n",
        "maybe.h": "int m;\n",
    }
    text = '#include "a.h"\n#if __has_include("maybe.h")\n#include <stdint.h>\n#endif\n'
    assert included(text, headers) == {n: headers[n] for n in ("a.h", "deep/b.h", "maybe.h")}
    assert included("int x;\n", headers) == {}


@pytest.mark.thorough
def test_kernels_are_not_built_again_for_another_model(tmp_path, monkeypatch):
    monkeypatch.setenv("KILOGRAD_CACHE", str(tmp_path / "cache"))
    made = []
    sources = {}
    for classes in (3, 4):
        graph = tiny_graph(tmp_path, fresh_classes=classes)
        sources = compile_model(graph, load_scheme("last:2", graph)).sources
        build_host_library(sources)
        made.append({path.name for path in (tmp_path / "cache" / "object").iterdir()})
    # What reads the model's header: no kernel.
    readers = [name for name in sources if name.endswith(".c") and reads_model(name, sources)]
    assert len(made[1] - made[0]) == len(readers) < len(made[0])
    assert not [name for name in readers if name.endswith(("_plain.c", "_dsp.c", "_host.c"))]


def reads_model(name, sources):
    """Whether a file includes kg_model.h, or a header that does."""
    included = re.findall(r'^#include "(\w+\.h)"$', sources[name], re.MULTILINE)
    return "kg_model.h" in included or any(reads_model(header, sources) for header in included)
