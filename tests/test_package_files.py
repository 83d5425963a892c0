"""What describes the folder to each ecosystem: names, boards, and what cannot be built here."""

import json
import os
import re
import shlex
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

import packages
from applications import run
from autoencoders import autoencoder
from kilograd import arch, export_c
from kilograd.compiler import compile_model
from kilograd.export.library import library_name
from kilograd.frontend.open import load_model
from kilograd.ir import LabelKind
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model, tiny_graph
from packages import blocks, code_in, follow, module, section, tool

STRING_H = Path(next(iter(arch.__path__))) / "runtime"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Folders by target and prefix, made when they are first asked for."""
    made = {}

    def folder(target="portable", prefix="kg"):
        if (target, prefix) not in made:
            graph = load_model("kilograd-motion", 6)
            program = compile_model(graph, load_scheme("head", graph), get_target(target))
            path = tmp_path_factory.mktemp("c") / library_name("kilograd-motion", prefix)
            export_c(program, path, prefix=prefix)
            made[target, prefix] = path
        return made[target, prefix]

    return folder


@pytest.mark.parametrize(
    ("model", "prefix", "name"),
    [
        ("kilograd-motion", "kg", "kilograd_motion"),
        ("kilograd-motion", "voice", "voice_motion"),
        ("MobileNet v2 (0.35).tflite", "kg", "kilograd_mobilenet_v2_0_35_tflite"),
        ("音声", "kg", "kilograd_model"),
        ("a" * 29 + "_b", "x" * 32, "x" * 32 + "_" + "a" * 29),
    ],
)
def test_the_library_is_named_by_model_and_prefix(model, prefix, name):
    assert library_name(model, prefix) == name
    assert re.fullmatch(r"[a-z][a-z0-9_]{1,62}", name)


def test_another_prefix_leaves_nothing_in_common(exported):
    one, other = exported(), exported(prefix="gesture")
    for path in (path for path in other.rglob("*") if path.is_file()):
        assert not re.search(r"kilograd_motion|KILOGRAD_MOTION|kilograd\.h", path.read_text())
    names = [
        {path.name for path in folder.glob("*.[ch]")}
        | {folder.name, next(folder.glob("*.pdsc")).name}
        for folder in (one, other)
    ]
    assert not names[0] & names[1]
    config = (other / "zephyr" / "Kconfig").read_text().splitlines()[0]
    assert config == "config GESTURE_MOTION"
    assert "includes=gesture.h,gesture_features.h" in (other / "library.properties").read_text()
    assert json.loads((other / "library.json").read_text())["headers"][0] == "gesture.h"


def properties(folder):
    lines = (folder / "library.properties").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.thorough
def test_boards_follow_from_the_kernels(exported):
    plain, dsp = exported(), exported("cortex-m4")
    arduino = [set(properties(folder)["architectures"].split(",")) for folder in (plain, dsp)]
    assert arduino[1] < arduino[0]
    assert {"esp32", "mbed_rp2040", "sam"} <= arduino[0] - arduino[1]
    assert not arduino[0] & {"avr", "megaavr", "*"}
    platforms = [
        set(json.loads((folder / "library.json").read_text())["platforms"])
        for folder in (plain, dsp)
    ]
    assert platforms[1] < platforms[0]
    assert {"espressif32", "native"} <= platforms[0] - platforms[1]
    assert (plain / "idf_component.yml").is_file()
    assert not (dsp / "idf_component.yml").exists()
    assert "ESP_PLATFORM" not in (dsp / "CMakeLists.txt").read_text()
    assert "depends on CPU_CORTEX_M4" in (dsp / "zephyr" / "Kconfig").read_text()
    assert "No chip that ESP-IDF builds for" in (dsp / "README.md").read_text()


@pytest.mark.thorough
def test_a_folder_for_pcs_is_for_cmake_alone(exported, tmp_path):
    names = {path.name for path in exported("host").rglob("*") if path.suffix not in (".c", ".h")}
    assert names == {"README.md", "LICENSE", "CMakeLists.txt", "kilograd.json", "examples"}
    text = (exported("host") / "README.md").read_text()
    assert "### CMake" in text
    assert "Arduino" not in text
    tool("gcc")
    run([tool("cmake"), "-S", str(exported("host")), "-B", "b"], tmp_path)
    run([tool("cmake"), "--build", "b"], tmp_path)
    assert "self-test: passed" in run([tmp_path / "b" / "kg_example"], tmp_path).stdout


def test_names_cannot_leave_their_place(tmp_path):
    name = 'A "model" <&> \\ $x ]]> #é:\nname=evil'
    graph = replace(tiny_graph(tmp_path), name=name)
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    folder = tmp_path / "c"
    export_c(program, folder, class_names=["a\nname=evil", "b", "c", "d"])
    said = (
        'The int8 network A "model" <&> \\ $x ]]> #é: name=evil predicts and learns on the device'
    )
    assert properties(folder)["name"] == "kilograd_a_model_x_name_evil"
    assert properties(folder)["sentence"].startswith(said.replace("é", "?"))
    assert json.loads((folder / "library.json").read_text())["description"].startswith(said)
    component = module("yaml").safe_load((folder / "idf_component.yml").read_text())
    assert component["description"].startswith(said)
    root = ET.parse(next(folder.glob("*.pdsc"))).getroot()
    assert root.findtext("description").startswith(said)


@pytest.mark.parametrize("target", ["portable", "cortex-m4"])
def test_the_readme_says_what_the_page_says(exported, target):
    text = (exported(target) / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)[1:]
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    assert list(found) == ["Arduino", "PlatformIO", "CMake", "ESP-IDF", "Zephyr", "CMSIS-Pack"]
    for name, said in found.items():
        for code in code_in(said.split("\n## ")[0]):
            assert code in code_in(section(name))


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (LabelKind.CLASS, False),
        (LabelKind.SET, False),
        (LabelKind.VALUE, False),
        (LabelKind.ANOMALY, False),
        (LabelKind.CLASS, True),
    ],
)
def test_every_sketch_compiles(tmp_path, kind, rows):
    if kind is LabelKind.ANOMALY:
        graph = autoencoder()
    else:
        path = native_model().write(tmp_path / "m.npz")
        graph = load_model(str(path), 1 if kind is LabelKind.VALUE else 4, label_kind=kind)
    scheme = load_scheme("head", graph)
    program = compile_model(graph, scheme, get_target("portable"), row_input=rows)
    export_c(program, tmp_path / "c")
    core = next((packages.FOLDER / "arduino").rglob("Arduino.h")).parent
    checks = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    sketch = ["-x", "c++", "-include", "Arduino.h", "c/examples/Learn/Learn.ino"]
    run([tool("arm-none-eabi-g++"), *checks, "-Ic", f"-I{core}", *sketch], tmp_path)


def test_the_component_manager_packs_a_component(kilograd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compiled, pack = blocks("ESP-IDF")
    follow(compiled, tmp_path, kilograd)
    folder = tmp_path / "project" / "components" / "kilograd_motion"
    before = sorted(folder.rglob("*"))
    command, *words = shlex.split(pack.replace("$PWD", str(tmp_path)))
    offline = {"IDF_COMPONENT_CHECK_NEW_VERSION": "0", "IDF_COMPONENT_CACHE_PATH": str(tmp_path)}
    packed = subprocess.run(
        [tool(command), *words],
        cwd=tmp_path,
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    assert packed.returncode == 0, packed.stderr
    assert "WARNING" not in packed.stderr
    assert sorted(folder.rglob("*")) == before
    (archive,) = (tmp_path / "packed").glob("*.tgz")
    with tarfile.open(archive) as opened:
        names = {name.removeprefix("./") for name in opened.getnames()}
    assert {"CMakeLists.txt", "idf_component.yml", "kilograd.h", "kg_model.c", "LICENSE"} <= names


def test_a_component_of_esp_idf_compiles_for_its_processor(exported, tmp_path):
    """Without ESP-IDF: tests/packages/esp_idf has what stands in for it."""
    tool("riscv64-unknown-elf-gcc")
    tool("ninja")
    folder = packages.FOLDER / "esp_idf"
    component = f"-DCOMPONENT={exported()}"
    run([tool("cmake"), component, "-P", str(folder / "requirements.cmake")], tmp_path)
    toolchain = ["--toolchain", str(folder / "riscv.cmake"), f"-DLIBC={STRING_H}"]
    run([tool("cmake"), "-G", "Ninja", "-S", folder, "-B", "b", *toolchain, component], tmp_path)
    run([tool("cmake"), "--build", "b"], tmp_path)
    built = list((tmp_path / "b").rglob("libkilograd_motion.a"))
    listed = run(["riscv64-unknown-elf-objdump", "-f", str(built[0])], tmp_path).stdout
    assert listed.count("architecture: riscv:rv32") == len(list(exported().glob("*.c")))


KCONFIG = """
source "{module}"
config CPU_CORTEX_M4
	bool "M4"
config CPU_CORTEX_M7
	bool "M7"
config ARMV8_M_DSP
	bool "DSP"
"""


@pytest.mark.parametrize(
    ("target", "core", "offered"),
    [("portable", None, True), ("cortex-m4", "CPU_CORTEX_M4", True), ("cortex-m4", None, False)],
)
def test_kconfig_offers_the_module(exported, tmp_path, target, core, offered):
    kconfiglib = module("kconfiglib")
    described = exported(target) / "zephyr" / "Kconfig"
    (tmp_path / "Kconfig").write_text(KCONFIG.format(module=described))
    config = kconfiglib.Kconfig(str(tmp_path / "Kconfig"))
    assert not config.warnings
    if core:
        config.syms[core].set_value("y")
    (line,) = blocks("Zephyr")[1].splitlines()
    (tmp_path / "prj.conf").write_text(f"{line}\n")
    config.load_config(str(tmp_path / "prj.conf"), replace=False)
    assert (config.syms["KILOGRAD_MOTION"].str_value == "y") is offered


def test_zephyr_compiles_what_kconfig_has_chosen(exported, tmp_path):
    """Without Zephyr: tests/packages/zephyr has what stands in for it."""
    tool("ninja")
    described = module("yaml").safe_load((exported() / "zephyr" / "module.yml").read_text())
    # All that Zephyr's schema of module.yml knows of these keys are texts.
    assert described == {
        "name": "kilograd_motion",
        "build": {"cmake": "zephyr", "kconfig": "zephyr/Kconfig"},
    }
    toolchain = packages.FOLDER / "cmake" / "arm.cmake"
    tool("arm-none-eabi-gcc")
    for chosen in ("y", "n"):
        (tmp_path / "config.cmake").write_text(f"set(CONFIG_KILOGRAD_MOTION {chosen})\n")
        options = [f"-DMODULE={exported()}", f"-DCONFIG={tmp_path}/config.cmake"]
        asked = ["-G", "Ninja", "-S", packages.FOLDER / "zephyr", "-B", chosen, *options]
        run([tool("cmake"), *asked, "--toolchain", toolchain], tmp_path)
        run([tool("cmake"), "--build", chosen], tmp_path)
    assert [path.name for path in tmp_path.rglob("*.a")] == ["libkilograd_motion.a"]


@pytest.mark.parametrize("target", ["portable", "cortex-m4"])
def test_the_pack_is_described_as_its_format_asks(exported, target):
    folder = exported(target)
    described = folder / "kilograd.kilograd_motion.pdsc"
    rules = packages.FOLDER / "pack.rng"
    asked = [tool("xmllint"), "--noout", "--relaxng", rules, described]
    checked = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    root = ET.parse(described).getroot()
    files = [(file.get("category"), file.get("name")) for file in root.iter("file")]
    assert {name for category, name in files if category == "source"} == {
        path.name for path in folder.glob("*.c")
    }
    assert all((folder / name).exists() for _, name in files)
    conditions = {condition.get("id") for condition in root.iter("condition")}
    assert root.find("components/component").get("condition") in (conditions or {None})
    assert f"{root.findtext('vendor')}.{root.findtext('name')}.pdsc" == described.name
    assert blocks("CMSIS-Pack", "yaml")[0].count(root.findtext("name")) == 3
