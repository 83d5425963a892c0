"""Every command on small inputs: one JSON object on standard output, everything else beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kilograd import __version__
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.errors import KilogradError
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.loop import TrainingOptions
from kilograd.training.rate import DEFAULT_HEAD_RATE
from kilograd.training.state_file import read_state_file
from networks import LAYERS, blobs, native_model, tiny_graph

MEASURED = {
    "sram_total_bytes", "arena", "trainable", "data_bss", "stack", "flash_bytes",
    "instructions_inference", "instructions_train_step", "macs_forward", "macs_backward",
    "lower_bound_bytes", "compiler", "compiler_version",
}  # fmt: skip
TRAINED = {
    "accuracy_before", "accuracy_after", "steps", "steps_per_second", "device", "state_digest",
    "confusion_before", "confusion_after",
}  # fmt: skip
RUN_ON_EMULATOR = {"sram_total_bytes", "instructions_train_step"}


def test_the_package_is_the_command():
    """Where the command is not on the path."""
    command = Path(sys.executable).parent / "kilograd"
    shown = [
        subprocess.run([*start, "--version"], capture_output=True, text=True, check=True).stdout
        for start in ([sys.executable, "-m", "kilograd"], [command])
    ]
    assert shown[0] == shown[1]
    assert __version__ in shown[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    inputs, labels = blobs(tiny_graph(folder), 24)
    split = np.arange(24) % 3 == 2
    np.savez(folder / "blobs.npz", inputs=inputs, labels=labels, split=split.astype(np.int8))
    return folder / "blobs.npz"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures") / "colours"
    for index, name in enumerate(("blue", "rot")):
        (root / name).mkdir(parents=True)
        for value in range(6):
            colour = [40 + 10 * value] * 3
            colour[2 - 2 * index] = 230
            Image.new("RGB", (20, 30), tuple(colour)).save(root / name / f"{value}.png")
    return root


def test_inspect(kilograd, model):
    result = kilograd("inspect", model, "--json").json
    assert result["model"] == "tiny"
    rows = {row["name"]: row for row in result["layers"]}
    assert list(rows) == [name for name, *_ in LAYERS] + ["pool", "head"]
    assert [row["index"] for row in result["layers"] if row["index"] is not None] == list(range(8))
    assert rows["stem"]["output"] == [8, 8, 7]
    assert rows["stem"]["macs"] == 8 * 8 * 7 * 27
    assert rows["stem"]["parameters"] == 7 * 27 + 7
    assert rows["stem"]["activation_bytes"] == 448
    assert result["macs"] == sum(row["macs"] for row in rows.values())


def test_people_see_a_table(kilograd, model):
    outcome = kilograd("inspect", model, "--classes", 100)
    assert (outcome.code, outcome.err) == (0, "")
    assert "blocks.0.depthwise" in outcome.out
    assert "100" in outcome.out


@pytest.mark.parametrize("command", ["inspect", "measure", "verify"])
def test_a_query_says_nothing_beside_its_json(kilograd, model, command):
    asked = kilograd(command, model, "--json")
    assert (asked.code, asked.err.strip(), len(asked.out.splitlines())) == (0, "", 1)
    shown = kilograd(command, model)
    assert (shown.code, shown.err.strip()) == (0, "")
    assert len(shown.out.splitlines()) > 1


def test_compile(kilograd, model, tmp_path):
    output = tmp_path / "deep" / "firmware"
    result = kilograd("compile", model, "-o", output, "--scheme", "last:2", "--json").json
    files = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert files == {*result["files"], "kilograd.json"}
    assert {"kg_model.c", "kilograd.h", "README.md", "LICENSE"} <= set(result["files"])
    assert result["lower_bound_bytes"] <= result["arena"]
    assert result["trainable"] > 0
    assert [path.name for path in output.parent.iterdir()] == ["firmware"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert kilograd("compile", model, "-o", empty).code == 0
    graph = load_model(str(model), 10)
    sources = compile_model(graph, load_scheme("head", graph), get_target("portable")).sources
    for name in sources.keys() - {"kg_model.h"}:
        assert (empty / name).read_text() == sources[name]


def test_the_head_that_a_model_came_with_can_be_kept(kilograd, model, tmp_path):
    kilograd("compile", model, "-o", tmp_path / "firmware", "--keep-head")
    graph = load_model(str(model))
    sources = compile_model(graph, load_scheme("head", graph), get_target("portable")).sources
    assert (tmp_path / "firmware" / "kg_model.c").read_text() == sources["kg_model.c"]
    assert kilograd("measure", model, "--keep-head", "--json").json["classes"] == 4
    options = ("--keep-head", "--steps", 1, "--devices", "host,reference", "--json")
    kept = kilograd("verify", model, *options).json
    assert kept["digest"] != kilograd("verify", model, *options[1:]).json["digest"]


def test_compile_names_classes_and_takes_another_prefix(kilograd, model, tmp_path):
    options = ("--class-names", "up, down,left", "--prefix", "gesture", "-o", tmp_path / "c")
    result = kilograd("compile", model, *options, "--json").json
    assert "gesture.h" in result["files"]
    header = (tmp_path / "c" / "gesture_model.h").read_text()
    assert 'GESTURE_CLASS_NAMES {"up", "down", "left"}' in header
    assert "#define GESTURE_CLASS_COUNT 3u" in header
    assert f"UINT32_C(0x{result['model_id']})" in header
    assert (tmp_path / "c" / "gesture.h").is_file()
    again = kilograd("compile", model, "--target", "cortex-m4", "-o", tmp_path / "c")
    assert (again.code, (tmp_path / "c" / "kilograd.h").is_file()) == (0, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prefix", "2x"), "error: --prefix: '2x' is not a prefix for names in C"),
        (("--class-names", "a,a"), "error: --class-names: two classes are called 'a'"),
        (("--class-names", "a,,b"), "error: --class-names: a class name is empty"),
        (("--class-names", "a,b", "--keep-head"), "error: --class-names: 2 class names for 4 cl"),
    ],
)
def test_compile_refuses_names_that_will_not_do(kilograd, model, tmp_path, options, message):
    kilograd("compile", model, *options, "-o", tmp_path / "c").refused(message)
    assert not (tmp_path / "c").exists()


@pytest.mark.thorough
def test_compile_and_measure_bring_the_features(kilograd, tmp_path):
    result = kilograd("compile", "kilograd-kws", "-o", tmp_path / "firmware", "--json").json
    assert {"kg_features.h", "kg_features_log_mel.c", "kg_log_mel.c"} <= set(result["files"])
    cost = kilograd("measure", "kilograd-motion", "--classes", 6, "--json").json["features"]
    shown = kilograd("measure", "kilograd-motion", "--classes", 6).out
    assert f"{cost['instructions']:,} instructions an input" in shown
    assert f"{cost['flash_bytes']:,} bytes of flash" in shown


def test_verify(kilograd, model):
    devices = ["reference", "host", "unicorn"]
    result = kilograd(
        "verify", model, "--classes", 3, "--scheme", "full", "--steps", 4, "--json",
        "--devices", "reference, host,unicorn",
    ).json  # fmt: skip
    assert result == {
        "identical": True,
        "digest": result["digest"],
        "steps": 4,
        "devices": devices,
        "first_difference": None,
    }
    assert len(result["digest"]) == 64


def test_verify_says_where_devices_differ(kilograd, model, monkeypatch):
    real = open_device

    def broken(program, name, **options):
        device = real(program, name, **options)
        if name == "reference":
            device.read_state = lambda: b"wrong"
        return device

    monkeypatch.setattr("kilograd.measuring.equivalence.open_device", broken)
    outcome = kilograd("verify", model, "--devices", "host,reference", "--steps", 2, "--json")
    assert outcome.code == 1
    assert json.loads(outcome.out)["first_difference"] == 1
    assert "fault: the devices differ from step 1 on; please report it" in outcome.err


@pytest.mark.parametrize("target", ["cortex-m7", "cortex-m0plus"])
def test_measure(kilograd, model, target):
    options = ("measure", model, "--classes", 5, "--target", target)
    result = kilograd(*options, "--json").json
    assert set(result) >= MEASURED
    assert (result["model"], result["scheme"], result["classes"]) == ("tiny", "head", 5)
    assert result["target"] == target
    parts = ("arena", "trainable", "data_bss", "stack")
    assert result["sram_total_bytes"] == sum(result[part] for part in parts)
    assert f"{result['sram_total_bytes']:,}" in kilograd(*options).out


@pytest.mark.parametrize("device", ["reference", "host", "unicorn"])
def test_train(kilograd, model, pack, device):
    options = ("--device", device, "--epochs", 2, "--lr", 0.01, "--seed", 3)
    outcome = kilograd("train", model, "--data", pack, *options, "--json")
    result = outcome.json
    assert set(result) >= TRAINED
    assert set(result) >= RUN_ON_EMULATOR or device != "unicorn"
    assert (result["device"], result["steps"], result["data"]) == (device, 32, "blobs")
    assert (result["train_samples"], result["test_samples"]) == (16, 8)
    assert result["accuracy_before"] == 0.5
    assert result["accuracy_after"] >= 0.75
    assert np.sum(result["confusion_after"]) == 8
    again = kilograd("train", model, "--data", pack, *options, "--json", "--device", "host").json
    assert again["state_digest"] == result["state_digest"]
    assert "training" in outcome.err
    assert "50.0% before" in outcome.err


def test_training_goes_on_from_a_head_with_the_same_classes(kilograd, pack, tmp_path):
    named = native_model(classes=2)
    named.structure["classes"] = ["0", "1"]
    path = named.write(tmp_path / "named.npz")
    outcome = kilograd("train", path, "--data", pack, "--json")
    assert "tiny knows these classes: training goes on from its own head" in outcome.err
    named.structure["classes"] = ["1", "0"]
    turned = kilograd("train", named.write(path), "--data", pack, "--json")
    assert "knows these classes" in turned.err
    assert turned.json["classes"] == ["1", "0"]
    assert turned.json["state_digest"] != outcome.json["state_digest"]
    named.structure["classes"] = ["0", "no"]
    fresh = kilograd("train", named.write(path), "--data", pack, "--json")
    assert "knows these classes" not in fresh.err
    assert fresh.json["state_digest"] != outcome.json["state_digest"]
    for wrong, count in ((["0", "1", "2"], 3), (["0", "0"], 1)):
        named.structure["classes"] = wrong
        refused = kilograd("train", named.write(path), "--data", pack)
        refused.refused(f"it names {count} classes, and its head has 2")


def test_train_on_qemu(kilograd, model, pack, require_qemu):
    result = kilograd("train", model, "--data", pack, "--device", "qemu", "--json").json
    assert set(result) >= TRAINED | RUN_ON_EMULATOR


def test_train_on_a_folder_and_keep_everything(kilograd, model, images, tmp_path):
    report, state = tmp_path / "new" / "report.html", tmp_path / "state.bin"
    result = kilograd(
        "train", model, "--data", images, "--scheme", "last:2", "--limit", 8, "--test-limit", 2,
        "--schedule", "constant", "--report", report, "--save", state, "--json",
    ).json  # fmt: skip
    assert result["classes"] == ["blue", "rot"]
    assert (result["train_samples"], result["test_samples"]) == (8, 2)
    assert result["report"] == str(report)
    assert report.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    graph = load_model(str(model), 2)
    program = compile_model(graph, load_scheme("last:2", graph), get_target("cortex-m7"))
    kept = read_state_file(state)
    assert kept.origin.model_id == program.model_id
    with open_device(program, "reference") as device:
        device.write_state(kept.state)
    assert result["state"] == str(state)
    assert result["samples"]["classes"]["rot"] == {"train": 4, "test": 1, "skipped": 0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "state.bin"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


def test_options_have_the_defaults_that_the_library_has(kilograd, model, pack):
    result = kilograd("train", model, "--data", pack, "--json").json
    defaults = TrainingOptions()
    assert (result["learning_rate"], result["seed"]) == (DEFAULT_HEAD_RATE, defaults.seed)
    deeper = kilograd("train", model, "--data", pack, "--scheme", "last:2", "--json").json
    assert deeper["learning_rate"] == defaults.rate


def test_fetch_from_a_local_folder(kilograd, published, monkeypatch):
    path = published("mcunet-5fps")
    monkeypatch.setenv("KILOGRAD_MODELS", str(path.parent))
    result = kilograd("fetch", "mcunet-5fps", "--json").json
    assert result == {"name": "mcunet-5fps", "path": str(path)}
    assert kilograd("inspect", "mcunet-5fps", "--json").json["model"] == "mcunet-5fps"


def test_a_fault_of_kilograd_is_exit_code_1(kilograd, model, monkeypatch):
    def fail(*_arguments, **_options):
        raise KilogradError("it [bold]broke[/]")

    monkeypatch.setattr("kilograd.cli.source.load_model", fail)
    outcome = kilograd("inspect", model)
    assert (outcome.code, outcome.out) == (1, "")
    assert "fault: it [bold]broke[/]" in outcome.err


def test_an_interrupt(kilograd, model, monkeypatch):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("kilograd.cli.source.load_model", interrupt)
    assert kilograd("inspect", model).code == 130


def test_long_messages_are_not_broken_into_lines(kilograd, tmp_path):
    path = tmp_path / ("long" * 30) / "model.npz"
    assert str(path) in kilograd("inspect", path).refused("there is no such file").err


def test_what_is_no_model_is_told_apart(kilograd, tmp_path):
    folder = tmp_path / "net.tflite"
    folder.mkdir()
    kilograd("inspect", folder).refused("net.tflite: this is a folder, not a model file")
    keras = tmp_path / "net.keras"
    keras.write_bytes(b"")
    kilograd("inspect", keras).refused(
        "net.keras: this is a Keras model", "convert it to a .tflite"
    )
    kilograd("inspect", "mcunet-5fsp").refused(
        "mcunet-5fsp: this is neither a model file nor a known model",
        "known models are kilograd-48, kilograd-kws, kilograd-motion, mcunet-5fps, mbv2-w0.35",
    )


def run(*arguments, **environment):
    command = [sys.executable, "-c", "from kilograd.cli import main; main()", *map(str, arguments)]
    options = {"capture_output": True, "text": True, "timeout": 60}
    return subprocess.run(command, check=False, env={**os.environ, **environment}, **options)


@pytest.mark.thorough
@pytest.mark.parametrize("encoding", ["gbk", "euc_jp", "ascii"])
def test_files_do_not_depend_on_the_locale(tmp_path, encoding):
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    done = run("compile", "kilograd-motion", "-o", theirs, **locale, PYTHONIOENCODING=encoding)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert run("compile", "kilograd-motion", "-o", ours).returncode == 0
    for path in (path for path in ours.rglob("*") if path.is_file()):
        assert path.read_bytes() == (theirs / path.relative_to(ours)).read_bytes()


def test_as_a_program(model):
    done = run("inspect", model, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["model"] == "tiny"
    wrong = run("inspect", "no such model", "--json")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: no such model: this is neither a model file")
    assert "Traceback" not in wrong.stderr


def test_version_and_help(kilograd):
    outcome = kilograd("--version")
    assert (outcome.code, outcome.out) == (0, f"kilograd {__version__}\n")
    commands = ("demo", "inspect", "fetch", "compile", "verify", "measure", "search", "train")
    overview = kilograd("--help").out
    for command in commands:
        assert command in overview
        outcome = kilograd(command, "--help")
        assert outcome.code == 0
        assert "--json" in outcome.out
