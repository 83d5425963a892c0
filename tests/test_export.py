"""Folders of C: whole, replaced only where nobody else has put anything, and in plain words."""

import json
import re
import zlib

import numpy as np
import pytest

from kilograd import export_c
from kilograd.codegen.templating import comment, string_literal
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.errors import UserError
from kilograd.export.deployment import selftest_crc
from kilograd.export.prefix import check_prefix, renamed
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.rate import default_rate
from networks import native_model, tiny_graph


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def program(graph):
    return compile_model(graph, load_scheme("last:3", graph), get_target("portable"))


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_is_written_and_replaced(program, graph, tmp_path):
    folder = tmp_path / "deep" / "c"
    files = export_c(program, folder)
    written = contents(folder)
    assert sorted(written) == sorted([*files, "kilograd.json"])
    assert {name for name in files if not name.endswith((".c", ".h"))} == {
        *("README.md", "LICENSE", "CMakeLists.txt", "library.properties", "library.json"),
        *("idf_component.yml", "kilograd.kilograd_tiny.pdsc", "examples/Learn/Learn.ino"),
        *("zephyr/module.yml", "zephyr/Kconfig", "zephyr/CMakeLists.txt"),
    }
    assert {name for name in files if name.endswith(".c") and "/" in name} == {
        "examples/example_main.c"
    }
    other = compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    export_c(other, folder)
    assert contents(folder).keys() != written.keys()
    export_c(program, folder)
    assert contents(folder) == written
    assert [path.name for path in folder.parent.iterdir()] == ["c"]


def test_a_folder_with_anything_else_stays(program, tmp_path):
    folder = tmp_path / "c"
    export_c(program, folder)
    (folder / "examples" / "Learn" / "mine.c").write_text("int mine;\n")
    before = contents(folder)
    with pytest.raises(UserError, match=r"mine\.c: the folder also holds this file, which kilogr"):
        export_c(program, folder)
    assert contents(folder) == before
    (folder / "examples" / "Learn" / "mine.c").unlink()
    (folder / "CMakeLists.txt").write_text("# mine\n")
    with pytest.raises(UserError, match=r"CMakeLists\.txt: this file was changed since kilograd"):
        export_c(program, folder)
    assert (folder / "CMakeLists.txt").read_text() == "# mine\n"


def test_other_ends_of_lines_are_no_change(program, tmp_path):
    folder = tmp_path / "c"
    export_c(program, folder)
    path = folder / "CMakeLists.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    export_c(program, folder)
    assert b"\r" not in path.read_bytes()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"files": 3}', "\udcff"])
def test_a_damaged_manifest_is_refused(program, tmp_path, text):
    (tmp_path / "kilograd.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match="it does not say what kilograd wrote"):
        export_c(program, tmp_path)


def test_a_foreign_folder_is_refused(program, tmp_path):
    (tmp_path / "main.c").write_text("int main;\n")
    with pytest.raises(UserError, match="the output is not an empty folder"):
        export_c(program, tmp_path)
    assert contents(tmp_path) == {"main.c": "int main;\n"}


def test_no_replaced_folder_is_lost_when_the_new_one_cannot_come(program, tmp_path, monkeypatch):
    folder = tmp_path / "c"
    export_c(program, folder)
    before = contents(folder)
    real = type(folder).rename

    def fails(path, target):
        if path.name.startswith(".kilograd-"):
            raise OSError(28, "No space left on device")
        return real(path, target)

    monkeypatch.setattr(type(folder), "rename", fails)
    with pytest.raises(UserError, match="the sources cannot be written"):
        export_c(program, folder)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_every_file_and_name_has_the_prefix(program, tmp_path):
    export_c(program, tmp_path / "c", prefix="gesture")
    for name, text in contents(tmp_path / "c").items():
        assert not re.search(r"\bkg_|\bKG_|DKG_|kilograd\.h|KILOGRAD_H", name + text), name
        if name.endswith((".c", ".h")) and "/" not in name:
            assert name.startswith("gesture")
    assert (tmp_path / "c" / "gesture.h").is_file()


@pytest.mark.parametrize(
    "prefix", ["", "2x", "Gesture", "_x", "x__y", "a-b", "kilograd", "kg_x", "x" * 33]
)
def test_prefixes_that_no_name_can_begin_with(prefix):
    with pytest.raises(UserError, match="prefix"):
        check_prefix(prefix)


def test_renaming_leaves_other_words_alone():
    text = "kg_init KG_OK akg_x kg 5kg_ kilograd.h kilograd __kg_x -DKG_ROW=1"
    assert renamed({"kg_a.c": text}, "toy") == {
        "toy_a.c": "toy_init TOY_OK akg_x kg 5kg_ toy.h kilograd __kg_x -DTOY_ROW=1"
    }


def test_the_header_has_the_figures_as_macros(program, tmp_path):
    export_c(program, tmp_path, class_names=["a", "b", 'c"', "é"])
    text = contents(tmp_path)["kg_model.h"]
    macros = dict(re.findall(r"^#define (\w+) (.+)$", text, re.MULTILINE))
    assert macros["KG_MODEL_NAME"] == '"tiny"'
    assert macros["KG_SCHEME_NAME"] == '"last:3"'
    assert macros["KG_MODEL_ID"] == f"UINT32_C(0x{program.model_id:08x})"
    shape = [macros[f"KG_INPUT_{part}"] for part in ("HEIGHT", "WIDTH", "CHANNELS")]
    assert shape == ["16u", "16u", "3u"]
    assert float(macros["KG_INPUT_SCALE"].rstrip("f")) == pytest.approx(1 / 127.5)
    assert macros["KG_STATE_BYTES"] == f"{program.plan.state_bytes}u"
    assert macros["KG_ARENA_BYTES"] == f"{program.plan.arena_bytes}u"
    assert macros["KG_CLASS_NAMES"] == r'{"a", "b", "c\042", "\303\251"}'
    rate = LearningRate.from_float(default_rate(program))
    assert macros["KG_DEFAULT_RATE"] == f"{{{rate.mantissa}, {rate.exponent}, 0}}"
    assert "KG_STACK_BYTES" not in macros


def test_the_stack_of_a_target_is_measured(graph, tmp_path):
    program = compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))
    export_c(program, tmp_path)
    text = contents(tmp_path)
    stack = int(re.search(r"#define KG_STACK_BYTES (\d+)u", text["kg_model.h"])[1])
    assert 300 < stack < 1500
    assert f"| of it stack | {stack:,} |" in text["README.md"]
    assert "on cortex-m7, emulated" in text["README.md"]


def test_the_readme_tells_what_a_pixel_becomes(program, tmp_path):
    export_c(program, tmp_path)
    text = contents(tmp_path)
    assert (
        "`kg_from_pixel(p)` makes an element of a pixel from 0 to 255: p − 127" in text["README.md"]
    )
    assert "pixel - 127;" in text["kg_model.h"]


def test_other_scales_of_pixels_have_a_table(tmp_path):
    model = native_model()
    model.structure["input"] |= {"scale": 0.02, "zero_point": -3}
    graph = load_model(str(model.write(tmp_path / "m.npz")))
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    export_c(program, tmp_path / "c")
    text = contents(tmp_path / "c")
    assert "return kg_pixel_table[pixel];" in text["kg_model.h"]
    numbers = re.search(r"kg_pixel_table\[256\] = \{([^}]+)\}", text["kg_pixels.c"])[1]
    expected = np.floor((np.arange(256) / 127.5 - 1) / 0.02 + 0.5) - 3
    assert [int(n) for n in numbers.split(",")] == expected.clip(-128, 127).tolist()


def test_features_say_what_a_sample_is(tmp_path):
    for name, says in (("kilograd-kws", "8000 samples a second"), ("kilograd-motion", "acc_x (")):
        graph = load_model(name, 4)
        program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
        export_c(program, tmp_path / name)
        text = contents(tmp_path / name)
        for file in ("README.md", "kg_features_config.h"):
            assert says in re.sub(r"\s+", " ", text[file])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "1 class names for 4 classes"),
        (["a", "b", "a", "c"], "two classes are called 'a'"),
        (["a", "b", " ", "c"], "a class name is empty"),
    ],
)
def test_class_names_that_will_not_do(program, tmp_path, names, message):
    with pytest.raises(UserError, match=message):
        export_c(program, tmp_path / "c", class_names=names)
    assert not (tmp_path / "c").exists()


def test_the_self_test_expects_what_the_host_computes(program):
    rate = LearningRate.from_float(default_rate(program))
    indices = np.arange(16 * 16 * 3, dtype=np.uint32)
    words = indices ^ indices >> 16
    words *= np.uint32(0x7FEB352D)
    words ^= words >> np.uint32(15)
    words *= np.uint32(0x846CA68B)
    words ^= words >> np.uint32(16)
    sample = ((words >> 24).astype(np.int32) - 128).astype(np.int8).reshape(16, 16, 3)
    with open_device(program.for_target(get_target("host")), "host") as device:
        device.initialize(1)
        logits = device.train_step(sample, 0, rate)
        found = zlib.crc32(logits.tobytes() + device.read_state())
    assert selftest_crc(program, rate) == found


def test_the_model_id_tells_states_apart(graph, program):
    head = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    assert head.model_id != program.model_id
    assert program.for_target(get_target("cortex-m7")).model_id == program.model_id
    weights = load_scheme("last:3", graph)
    again = compile_model(graph, weights, get_target("cortex-m0plus"), recompute=0)
    assert again.model_id == program.model_id


def test_the_licence_is_that_of_kilograd(program, tmp_path, pytestconfig):
    export_c(program, tmp_path)
    licence = (pytestconfig.rootpath / "LICENSE").read_text(encoding="utf-8")
    assert contents(tmp_path)["LICENSE"].endswith(licence)


def test_the_manifest_names_every_file(program, tmp_path):
    files = export_c(program, tmp_path)
    manifest = json.loads(contents(tmp_path)["kilograd.json"])
    assert sorted(manifest["files"]) == files
    assert manifest["written_by"].startswith("kilograd ")


def test_names_cannot_leave_their_comment_or_string():
    assert comment("a*/b /* c \n é") == "a* /b / * c   ?"
    assert string_literal('a"\\\n?é') == r'"a\042\134\012\077\303\251"'
