"""Networks in C source, as firmwares hold them: the same as from the .tflite file."""

import shutil
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_files import small_network

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.frontend.tflite.c_array import tflite_of
from kilograd.ir.text import print_graph

CONTENT = small_network().content()


def array(numbers, declaration="const unsigned char g_model[]"):
    return f"{declaration} = {{\n  {numbers}\n}};\n"


def hexadecimal(content=CONTENT):
    return ", ".join(f"0x{byte:02x}" for byte in content)


@pytest.fixture
def source(tmp_path):
    """Writes C source."""

    def write(text, name="model_data.cc"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path):
    with pytest.raises(ModelError) as caught:
        load_model(str(path))
    assert caught.value.where == str(path)
    return str(caught.value).replace("\n  hint: ", "; ")


def test_a_network_in_an_array_is_that_of_the_file(source, tmp_path):
    ordinary = tmp_path / "model_data.tflite"
    ordinary.write_bytes(CONTENT)
    found = load_model(str(source(array(hexadecimal()))))
    expected = load_model(str(ordinary))
    assert print_graph(found) == print_graph(expected)
    for one, other in zip(found.constants, expected.constants, strict=True):
        assert one.array.tobytes() == other.array.tobytes()


@pytest.mark.parametrize("name", ["m.c", "m.cc", "m.cpp", "m.cxx", "m.h", "m.hpp", "m.ino", "m.CC"])
def test_every_suffix_of_c_and_cpp(source, name):
    assert load_model(str(source(array(hexadecimal()), name))).name == "m"


@pytest.mark.parametrize(
    "declaration",
    [
        "alignas(16) const unsigned char g_person_detect_model_data[]",
        "const unsigned char g_model[] DATA_ALIGN_ATTRIBUTE",
        "unsigned char model_tflite[]",
        f"static const uint8_t model[{len(CONTENT)}] __attribute__((aligned(16)))",
        "alignas(8) const std::uint8_t\nmodel [ ]\n",
        "constexpr unsigned char model[MODEL_BYTES] PROGMEM",
    ],
)
def test_declarations_of_firmwares(source, declaration):
    assert tflite_of(source(array(hexadecimal(), declaration))) == CONTENT


@pytest.mark.parametrize(
    "numbers",
    [
        ", ".join(map(str, CONTENT)),
        hexadecimal().replace("0x0", "0x").replace("0x", "0X"),
        hexadecimal().replace(", ", ",") + ",",
        "/* the {model} */ " + hexadecimal().replace(", ", ",  // a byte\n"),
    ],
)
def test_ways_to_write_bytes(source, numbers):
    assert tflite_of(source(array(numbers))) == CONTENT


def test_what_stands_beside_the_array(source):
    others = (
        '#include "model.h"\n// unsigned char old[] = {1};\n/* {{{ */\n',
        array("0x1c, 0, 0, 0", "const char other[]") + array('"yes", "no"', "const char* names[2]"),
        array("{1, 2}, {3, 4}", "int table[2][2]"),
        f"\nconst int g_model_len = {len(CONTENT)};\n/* open to the end",
    )
    text = "".join(others[:3]) + array(hexadecimal()) + others[3]
    assert tflite_of(source(text)) == CONTENT


@pytest.mark.skipif(shutil.which("xxd") is None, reason="needs xxd")
def test_what_xxd_writes(tmp_path):
    (tmp_path / "net.tflite").write_bytes(CONTENT)
    command = ["xxd", "-i", "net.tflite", "net.h"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert tflite_of(tmp_path / "net.h") == CONTENT


def test_sources_without_a_network(source):
    for text in ("", "extern const unsigned char g_model[];", array("1, 2, 3"), array("")):
        found = refused(source(text))
        assert "no array of bytes in this source holds a .tflite file" in found
        assert "a header often only declares the array: name the source that holds" in found


def test_sources_with_several_networks(source):
    text = array(hexadecimal()) + array(hexadecimal(), "const unsigned char g_other[]")
    assert "there are 2 networks in this source: g_model, g_other; leave one" in refused(
        source(text)
    )


@pytest.mark.parametrize("element", ["0x100", "256", "-1", "BYTE", "010", "1.5", "'a'", ""])
def test_elements_that_are_no_bytes(source, element):
    found = refused(source(array(f"{hexadecimal()}, {element}, 0")))
    assert "the array g_model begins as a .tflite file, and has an element that is no byte" in found


def test_a_damaged_file_in_an_array(source):
    found = refused(source(array(hexadecimal(CONTENT[: len(CONTENT) // 2]))))
    assert "this .tflite file is damaged" in found


def test_a_source_that_is_too_large(source, monkeypatch):
    monkeypatch.setattr("kilograd.frontend.tflite.c_array._MAX_BYTES", 1024**2)
    assert "the file is larger than 1 MiB" in refused(source(" " * (1024**2 + 1)))


@pytest.mark.parametrize(
    "text", ["/*", "a", "a ", "a[", "a[]={", "a[] b = ", "a   ", "[]=", "{", "a[]=  "]
)
def test_sources_take_no_longer_than_their_length(source, text):
    begin = time.monotonic()
    refused(source(text * (1_000_000 // len(text))))
    assert time.monotonic() - begin < 10


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_in_an_array(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "model.h"
    path.write_text(array(hexadecimal(b"\x1c\0\0\0TFL3" + content)), encoding="utf-8")
    assert tflite_of(path) == b"\x1c\0\0\0TFL3" + content
