"""Bad input: one message with what, where and a hint; exit code 2; nothing half-written."""

import io
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from kilograd.device.qemu import qemu_available
from kilograd.targets import get_target
from networks import blobs, native_model, tiny_graph


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The arrays of a pack without fault."""
    inputs, labels = blobs(tiny_graph(tmp_path_factory.mktemp("model")), 12)
    return {"inputs": inputs, "labels": labels, "split": (np.arange(12) % 3 == 2).astype(np.int8)}


@pytest.fixture
def pack(good, tmp_path):
    """Path of a pack with other arrays."""

    def write(**changes):
        np.savez(tmp_path / "pack.npz", **{**good, **changes})
        return tmp_path / "pack.npz"

    return write


@pytest.fixture
def images(tmp_path):
    """A folder of two classes."""
    root = tmp_path / "images"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (8, 8), (60 * index, 9, 9)).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def blocked(tmp_path):
    """A place where nothing can be written, not even by root: below a file."""
    (tmp_path / "file").write_text("kept")
    return tmp_path / "file" / "below"


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# -- checkpoints and models


class Hostile:
    def __reduce__(self):
        return (os.system, ("touch executed",))


def zipped(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", data)
    return stream.getvalue()


CHECKPOINTS = {
    "empty": b"",
    "text": b"no model",
    "hostile": zipped(pickle.dumps(Hostile())),
    "bare hostile": pickle.dumps(Hostile()),
    "other": zipped(pickle.dumps({"x": 1}, protocol=2)),
    "cut": zipped(pickle.dumps(list(range(1000)), protocol=2))[:-700],
}


@pytest.mark.parametrize("suffix", ["pkl", "npz", "tflite", "onnx"])
@pytest.mark.parametrize("what", CHECKPOINTS)
def test_damaged_and_hostile_models(kilograd, tmp_path, monkeypatch, what, suffix):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(CHECKPOINTS[what])
    kilograd("measure", path, "--json").refused(str(path))
    kilograd("compile", path, "-o", tmp_path / "out").refused(str(path))
    assert listing(tmp_path) == [path.name]


def test_truncated_published_checkpoint(kilograd, published, tmp_path):
    data = published("mcunet-5fps").read_bytes()
    path = tmp_path / "cut.pkl"
    for size in (len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        kilograd("inspect", path, "--json").refused(f"error: {path}: ")


@pytest.mark.skipif(os.name != "posix", reason="file names are Unicode here")
def test_a_checkpoint_whose_name_is_not_unicode(kilograd, published, tmp_path):
    path = tmp_path / "a\udcff *\n.pkl"
    shutil.copyfile(published("mcunet-5fps"), path)
    result = kilograd("compile", path, "-o", tmp_path / "out", "--json")
    assert result.code == 0
    assert kilograd("inspect", path, "--json").json["model"] == "a____"


@pytest.mark.parametrize("name", ["nope", "", "x" * 5000, "mcunet", "\udcff"])
def test_models_that_are_not_there(kilograd, name):
    outcome = kilograd("inspect", name, "--json").refused()
    assert "neither a model file nor a known model" in outcome.err or "too long" in outcome.err


def test_a_model_of_another_type(kilograd, tmp_path):
    changed = native_model()
    changed.arrays["stem.weight"] = changed.arrays["stem.weight"].astype(np.float32)
    path = changed.write(tmp_path / "m.npz")
    kilograd("inspect", path).refused(f"error: {path}: stem.weight is float32, not int8")


def test_a_fetched_file_with_other_contents(kilograd, tmp_path, monkeypatch):
    (tmp_path / "mcunet-5fps.pkl").write_bytes(b"x")
    monkeypatch.setenv("KILOGRAD_MODELS", str(tmp_path))
    kilograd("fetch", "mcunet-5fps", "--json").refused("SHA-256", "hint: ")
    kilograd("fetch", "vgg", "--json").refused("vgg: there is no model of this name", "hint: ")


# -- schemes


@pytest.mark.parametrize("scheme", ["last:0", "bias:x", "nope", "mcunet-5fps/49kb", ""])
def test_schemes_that_do_not_fit(kilograd, model, scheme, tmp_path):
    for command in (("measure", model), ("compile", model, "-o", tmp_path / "out")):
        kilograd(*command, "--scheme", scheme).refused(
            "cheme" if scheme != "mcunet-5fps/49kb" else ""
        )
    assert listing(tmp_path) == []


def test_a_scheme_file_with_a_mistake(kilograd, model, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('[weights]\n"blocks.0.pointwise" = 0.5\n')
    outcome = kilograd("verify", model, "--scheme", path, "--json")
    outcome.refused(f"error: {path}:2: blocks.0.pointwise: the model has no such layer", "hint: ")


# -- data


def train(kilograd, model, data, *options):
    return kilograd("train", model, "--data", data, "--json", *options)


PACKS = {
    "label above": ({"labels": np.full(12, 2), "class_names": ["a", "b"]}, "sample 0 has label 2"),
    "label below": ({"labels": np.arange(12) - 1}, "sample 0 has label -1, outside 0..10"),
    "NaN": ({"inputs": np.full((12, 16, 16, 3), np.nan)}, "sample 0 of inputs holds NaN or inf"),
    "infinity": ({"inputs": np.full((12, 16, 16, 3), np.inf)}, "holds NaN or infinity"),
    "dtype": ({"inputs": np.zeros((12, 16, 16, 3), np.int32)}, "inputs is int32 [12, 16, 16, 3]"),
    "shape": ({"inputs": np.zeros((12, 8, 16, 3), np.int8)}, "instead of (n, 16, 16, 3)"),
    "real labels": ({"labels": np.zeros(12)}, "labels is float64 [12] instead of integers"),
    "objects": ({"labels": np.array([Hostile()] * 12)}, "'labels' holds Python objects"),
    "one class": ({"labels": np.zeros(12, int)}, "the pack has 1 classes; at least two"),
    "test only": ({"split": np.ones(12, int)}, "it has test samples only, nothing to train on"),
}


@pytest.mark.parametrize("what", PACKS)
def test_packs(kilograd, model, pack, tmp_path, what):
    changes, message = PACKS[what]
    path = pack(**changes)
    save, report = tmp_path / "s.bin", tmp_path / "r.html"
    outcome = train(kilograd, model, path, "--save", save, "--report", report)
    outcome.refused(f"error: {path}: ", message, "hint: ")
    assert listing(tmp_path) == ["pack.npz"]


def test_a_truncated_pack(kilograd, model, pack):
    path = pack()
    path.write_bytes(path.read_bytes()[:-100])
    train(kilograd, model, path).refused(f"error: {path}: this is not a pack", "hint: ")


def test_an_image_that_does_not_decode(kilograd, model, images, tmp_path):
    bad = images / "b" / "2.png"
    bad.write_bytes(bad.read_bytes()[:40])
    outcome = train(kilograd, model, images, "--save", tmp_path / "s.bin")
    outcome.refused(f"error: {bad}: the image does not decode", "hint: replace it")
    assert not (tmp_path / "s.bin").exists()


def test_an_empty_class_folder(kilograd, model, images):
    (images / "c").mkdir()
    outcome = train(kilograd, model, images)
    outcome.refused(f"error: {images / 'c'}: the class folder 'c' has no images", "hint: ")


def test_folders_that_are_no_data(kilograd, model, images, tmp_path):
    shutil.rmtree(images / "b")
    train(kilograd, model, images).refused("found 1 class folders; at least two", "hint: ")
    missing = tmp_path / "gone"
    train(kilograd, model, missing).refused(f"error: {missing}: there is no such file or folder")


# -- budgets, devices and options


@pytest.mark.parametrize("device", ["unicorn", "qemu"])
def test_training_over_the_budget(kilograd, model, pack, device, tmp_path):
    path, save = pack(), tmp_path / "s.bin"
    outcome = train(kilograd, model, path, "--device", device, "--sram", "2KB", "--save", save)
    outcome.refused(
        "tiny: needs ", "budget 2,048; the peak of ", " is at ", "hint: ", " bytes, which is "
    )
    assert not save.exists()


OPTIONS = {
    "--device": ("gpu", "there is no device 'gpu'", "devices: reference, host, unicorn, qemu"),
    "--target": (
        "z80",
        "unknown target 'z80'",
        "choose one of cortex-m0plus, cortex-m33, cortex-m33-plain, cortex-m4, cortex-m55",
    ),
    "--schedule": ("linear", "there is no schedule 'linear'", "cosine and constant are known"),
    "--sram": ("lots", "--sram: 'lots' is not a size", "write 256KB, 1MB or 262144"),
    "--lr": ("nan", "a learning rate is a finite number from 0 up, not nan", "0.0015 is usual"),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_train(kilograd, model, pack, option):
    value, message, hint = OPTIONS[option]
    train(kilograd, model, pack(), option, value).refused(message, f"hint: {hint}")


@pytest.mark.parametrize("rate", ["-0.1", "inf", "-inf"])
def test_rates(kilograd, model, pack, rate):
    train(kilograd, model, pack(), f"--lr={rate}").refused("a learning rate is a finite number")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["measure", "--target", "z80"], "unknown target 'z80'"),
        (["measure", "--target", "host"], "--target: host is not a microcontroller"),
        (["measure", "--compiler", "clang"], "--compiler: there is no compiler 'clang'"),
        (["measure", "--sram", "0"], "--sram: a budget must be at least one byte"),
        (["measure", "--flash", "1 parsec"], "--flash: '1 parsec' is not a size"),
        (["measure", "--sram", "-1KB"], "--sram: '-1KB' is not a size"),
        (["measure", "--classes", "70000"], "--classes: a network needs 2 to 65536 classes"),
        (["verify", "--devices", "host,gpu"], "--devices: there is no device 'gpu'"),
        (["verify", "--devices", " , "], "--devices: name at least one device"),
        (["verify", "--target", "host"], "--target: host is not a microcontroller"),
        (["verify", "--target", "z80"], "unknown target 'z80'"),
        (["compile", "--target", "z80", "-o", "x"], "unknown target 'z80'"),
    ],
)
def test_options_of_other_commands(kilograd, model, arguments, message):
    command, *options = arguments
    kilograd(command, model, "--json", *options).refused(message)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["measure"],
        ["measure", "m", "--classes", "1"],
        ["measure", "m", "--classes", "two"],
        ["measure", "m", "--nonsense"],
        ["verify", "m", "--steps", "0"],
        ["verify", "m", "--seed", "-1"],
        ["verify", "m", "--seed", "4294967296"],
        ["train", "m"],
        ["train", "m", "--data", "x", "--epochs", "0"],
        ["train", "m", "--data", "x", "--limit", "0"],
        ["compile", "m"],
    ],
)
def test_usage(kilograd, arguments):
    outcome = kilograd(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Usage: kilograd" in outcome.err
    assert "Traceback" not in outcome.err


# -- a machine that lacks something


@pytest.mark.thorough
def test_missing_qemu(kilograd, model, pack, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not qemu_available(get_target("cortex-m7"))
    for command in (("verify", model, "--devices", "host,qemu"),
                    ("train", model, "--data", pack(), "--device", "qemu")):  # fmt: skip
        outcome = kilograd(*command, "--json")
        outcome.refused("qemu-system-arm is not installed", "hint: install the package")


def test_missing_gcc(kilograd, model, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = kilograd("measure", model, "--compiler", "gcc", "--json")
    outcome.refused("gcc is not installed", "hint: install gcc-arm-none-eabi")


def test_a_cache_that_cannot_be_written(kilograd, model, monkeypatch, blocked):
    monkeypatch.setenv("KILOGRAD_CACHE", str(blocked))
    for command in ("measure", "verify"):
        outcome = kilograd(command, model, "--json")
        outcome.refused(f"error: {blocked}: cannot write the cache", "hint: set KILOGRAD_CACHE")
    assert blocked.parent.read_text() == "kept"


# -- outputs that cannot be written


@pytest.mark.parametrize("option", ["--save", "--report"])
def test_results_are_not_trained_for_nothing(kilograd, model, pack, blocked, tmp_path, option):
    path = pack()
    for place in (blocked, tmp_path):
        outcome = train(kilograd, model, path, option, place)
        outcome.refused(f"error: {place}: it cannot be written: ", "hint: name a file")
        assert "accuracy" not in outcome.err
    both = train(kilograd, model, path, "--save", tmp_path / "s.bin", "--report", blocked)
    both.refused()
    assert listing(tmp_path) == ["file", "pack.npz"]


def test_sources_are_written_whole_or_not_at_all(kilograd, model, blocked, tmp_path, monkeypatch):
    kilograd("compile", model, "-o", blocked).refused(f"error: {blocked}: the sources cannot")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.c").write_text("kept")
    kilograd("compile", model, "-o", full).refused(f"{full}: the output is not an empty folder")
    kilograd("compile", model, "-o", full / "mine.c").refused("the output is not an empty folder")
    kilograd("compile", model, "-o", tmp_path / ("x" * 300)).refused("the sources cannot be wri")
    real = type(tmp_path).write_text

    def fails(path, text, *arguments, **options):
        if path.name == "kg_model.c":
            raise OSError(28, "No space left on device")
        return real(path, text, *arguments, **options)

    monkeypatch.setattr(type(tmp_path), "write_text", fails)
    outcome = kilograd("compile", model, "-o", tmp_path / "out", "--json")
    outcome.refused("out: the sources cannot be written", "No space left on device")
    assert listing(tmp_path) == ["file", "full", "full/mine.c"]


def test_demo_with_a_report_that_cannot_be_written(kilograd, blocked):
    kilograd("demo", "--output", blocked, "--json").refused(f"error: {blocked}: it cannot be")
