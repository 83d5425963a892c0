"""kilograd export: the file that it writes, what it is worth elsewhere, and what it refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exported_weights import frozen_graph, logits
from kilograd import compile_model, export_weights, load_model, load_scheme
from kilograd.device.reference import ReferenceDevice
from kilograd.errors import UserError
from kilograd.export.weights import is_weights_file
from kilograd.frontend.open import class_names
from kilograd.scheme import layers
from kilograd.training.state_file import read_state_file
from networks import WEIGHTED, blobs, native_model

PAGE = Path(__file__).parents[1] / "docs" / "exporting.md"

#: Biases, split and whole weights of all kinds of layers, and the head.
SCHEME = """
name = "mixed"
[bias]
last = 8
[weights]
"blocks.7.pointwise1" = 0.25
"blocks.8.depthwise" = 0.5
"blocks.8.pointwise2" = 1.0
"blocks.9.pointwise1" = 0.5
head = 1.0
"""
TRAINED = {"blocks.7.pointwise1", "blocks.8.depthwise", "blocks.8.pointwise2", "head"}


def trained(folder, model, scheme):
    """A state file of some steps on blobs, and their samples."""
    inputs, labels = blobs(load_model(str(model), 2), 64)
    names = np.array(["left", "right"])
    split = (np.arange(64) % 2).astype(np.int8)
    np.savez(folder / "blobs.npz", inputs=inputs, labels=labels, split=split, class_names=names)
    start = [sys.executable, "-c", "from kilograd.cli import main; main()"]
    options = ["--data", "blobs.npz", "--scheme", scheme, "--epochs", "2", "--lr", "0.02"]
    subprocess.run(
        [*start, "train", model, *options, "--save", "mine.kgs", "--json"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    return folder / "mine.kgs", inputs


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    (folder / "mixed.toml").write_text(SCHEME, encoding="utf-8")
    return trained(folder, "kilograd-48", "mixed.toml")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def learned(model, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("learned"), model, "last:3")[0]


def device_logits(state, samples):
    """What the reference answers, in real numbers, and its forward graph."""
    saved = read_state_file(state)
    graph = load_model(saved.origin.model, len(saved.origin.class_names))
    program = compile_model(graph, saved.origin.scheme)
    with ReferenceDevice(program) as device:
        device.write_state(saved.state)
        return np.array([device.predict(sample) for sample in samples]), graph


def header_of(arrays):
    return json.loads(bytes(arrays["header"]))


@pytest.mark.thorough
def test_integers_answer_as_the_device(kilograd, backbone, tmp_path):
    state, inputs = backbone
    file = tmp_path / "weights.npz"
    result = kilograd("export", "kilograd-48", "--state", state, "-o", file, "--json").json
    assert (result["scheme"], result["steps"]) == ("mixed", 64)
    assert result["bytes"] == file.stat().st_size
    expected, graph = device_logits(state, inputs[:6])
    arrays = dict(np.load(file, allow_pickle=False))
    same = frozen_graph(graph, arrays)
    assert np.array_equal([logits(same, sample) for sample in inputs[:6]], expected)
    assert [row["name"] for row in result["layers"]] == layers(graph)
    shares = {row["name"]: row["weight_share_trained"] for row in result["layers"]}
    assert {name for name, share in shares.items() if share} == TRAINED | {"blocks.9.pointwise1"}
    assert shares["blocks.7.pointwise1"] == 0.25
    assert [row["bias_trained"] for row in result["layers"]] == [False] * 23 + [True] * 8
    before = tmp_path / "before.npz"
    kilograd("export", "kilograd-48", "-o", before, "--json").json  # noqa: B018 - checks that it did
    old = np.load(before)
    for name in layers(graph)[:-1]:
        is_moved = not np.array_equal(arrays[f"{name}.weight"], old[f"{name}.weight"])
        assert is_moved == (shares[name] > 0), name


@pytest.mark.parametrize("learned", [True, False])
def test_a_pytorch_network_of_the_page_answers_as_the_device(
    kilograd, backbone, tmp_path, monkeypatch, learned
):
    torch = pytest.importorskip("torch")
    state, inputs = backbone
    text = PAGE.read_text(encoding="utf-8")
    command = next(line for line in text.splitlines() if line.startswith("kilograd export"))
    asked = command.replace("mine.kgs", str(state)).split()[1:]
    if not learned:
        asked = [word for word in asked if word not in {"--state", str(state)}]
    monkeypatch.chdir(tmp_path)
    kilograd(*asked, "--json").json  # noqa: B018 - checks that it did
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    page = {}
    exec(compile(code, PAGE.name, "exec"), page)
    rng = np.random.default_rng(0)
    noise = rng.integers(-128, 128, (24, *inputs.shape[1:])) * rng.uniform(0, 1, (24, 1, 1, 3))
    samples = np.concatenate([inputs[:8], noise.astype(np.int8)])
    entry = page["header"]["input"]
    real = (samples.astype(np.float32) - entry["zero_point"]) * np.float32(entry["scale"])
    with torch.no_grad():
        found = page["logits"](torch.from_numpy(real.transpose(0, 3, 1, 2))).numpy()
    if learned:
        expected, _ = device_logits(state, samples)
    else:
        graph = load_model("kilograd-48")
        expected = np.array([logits(graph, sample) for sample in samples])
    expected = expected / 2.0**16
    assert found.shape == expected.shape
    spread = expected.std(axis=0)
    error = np.abs(found - expected)  # maps are rounded to int8 on a device
    assert np.all(error.mean(axis=0) < 0.1 * spread)
    assert np.all(error.max(axis=0) < 0.4 * spread)


def test_what_the_file_holds(kilograd, model, learned, tmp_path):
    file = tmp_path / "weights.npz"
    kilograd("export", model, "--state", learned, "-o", file, "--json").json  # noqa: B018 - checks
    arrays = dict(np.load(file, allow_pickle=False))
    parts = ("weight", "bias", "weight_int8", "weight_scale", "bias_int32")
    assert list(arrays) == ["header", *(f"{name}.{part}" for name in WEIGHTED for part in parts)]
    types = [arrays[f"stem.{part}"].dtype.name for part in parts]
    assert types == ["float32", "float32", "int8", "float64", "int32"]
    assert arrays["stem.weight"].shape == (7, 3, 3, 3)
    assert arrays["blocks.1.depthwise.weight_int8"].shape == (15, 1, 5, 5)
    assert arrays["blocks.1.pointwise2.weight"].shape == (9, 15, 1, 1)
    assert arrays["head.weight"].shape == (2, 9)
    came = np.load(model)
    assert np.array_equal(arrays["stem.weight_int8"], came["stem.weight"])
    assert np.array_equal(arrays["stem.bias_int32"], came["stem.bias"])
    header = header_of(arrays)
    saved = read_state_file(learned)
    assert header["learned"] == {
        "model_id": saved.origin.model_id,
        "scheme": {
            "name": "last:3",
            "biases": list(saved.origin.scheme.biases),
            "weights": dict(saved.origin.scheme.weights),
        },
        "steps": 64,
        "active_classes": 2,
    }
    assert (header["model"], header["class_names"]) == ("tiny", ["left", "right"])
    assert (header["pixel_range"], header["features"]) == ([-1.0, 1.0], None)
    assert header["input"]["shape"] == [16, 16, 3]
    rows = {row["name"]: row for row in header["layers"]}
    assert rows["blocks.1.depthwise"]["window"] == {
        "height": 5, "width": 5, "stride": 2, "top": 2, "bottom": 2, "left": 2, "right": 2,
    }  # fmt: skip
    assert rows["blocks.0.add"]["inputs"] == ["stem", "blocks.0.pointwise2"]
    assert rows["head"] == {
        "name": "head",
        "operator": "dense",
        "inputs": ["pool"],
        "output": {"shape": [2], "dtype": "int32", "scale": 2.0**-16, "zero_point": 0},
    }
    assert header["output"] == "head"


def test_people_see_a_table_and_the_same_bytes(kilograd, model, learned, tmp_path):
    files = [tmp_path / f"{name}.npz" for name in ("a", "b")]
    shown = kilograd("export", model, "--state", learned, "-o", files[0])
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert re.match(r"layer +operator +weight +parameters +bytes +trained$", lines[0].rstrip())
    assert re.match(
        r"blocks\.1\.pointwise2 +pointwise +9×15×1×1 .* bias, weight$", lines[7].rstrip()
    )
    assert lines[-1].endswith("bytes, tiny after 64 training steps of last:3")
    for _ in range(2):  # an export of its own is replaced
        kilograd("export", model, "--state", learned, "-o", files[1], "--json").json  # noqa: B018
        assert files[0].read_bytes() == files[1].read_bytes()
    program = compile_model(load_model(str(model), 2), read_state_file(learned).origin.scheme)
    export_weights(
        program,
        files[1],
        state=read_state_file(learned).state,
        class_names=("left", "right"),
    )
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["kilograd-kws", "kilograd-motion"])
def test_a_model_as_it_came(kilograd, name, tmp_path):
    file = tmp_path / "weights.npz"
    shown = kilograd("export", name, "-o", file)
    assert shown.out.rstrip().endswith(f"bytes, {name} as the model came")
    header = header_of(np.load(file))
    assert header["learned"] is None
    assert header["class_names"] == list(class_names(name))
    assert header["features"]["kind"] in {"log_mel", "motion"}
    assert header["pixel_range"] is None


def test_options_of_the_input(kilograd, tmp_path):
    file = tmp_path / "weights.npz"
    asked = ["--input-range", "0,1", "--resolution", "96x64"]
    kilograd("export", "kilograd-48", "-o", file, *asked, "--json").json  # noqa: B018 - checks
    header = header_of(np.load(file))
    assert header["pixel_range"] == [0.0, 1.0]
    assert header["input"]["shape"] == [96, 64, 3]


def test_states_of_something_else_are_refused(kilograd, model, learned, tmp_path):
    file = tmp_path / "weights.npz"
    other = native_model(seed=2).write(tmp_path / "other.npz")
    asked = ["--state", learned, "-o", file]
    kilograd("export", other, *asked).refused("this state is of another tiny than this one")
    kilograd("export", "kilograd-48", *asked).refused("this state is of tiny, not of kilograd-48")
    kilograd("export", model, "--state", other, "-o", file).refused("is no state file of kilograd")
    assert [path.name for path in tmp_path.iterdir()] == ["other.npz"]


@pytest.mark.parametrize("content", ["photo", "pack", "json", "folder"])
def test_no_other_file_is_overwritten(kilograd, model, tmp_path, content):
    file = tmp_path / "there"
    if content == "folder":
        file.mkdir()
    elif content == "pack":
        np.savez(tmp_path / "there.npz", inputs=np.zeros(3))
        (tmp_path / "there.npz").rename(file)
    elif content == "json":
        header = np.frombuffer(b'{"contents": "something else"}', np.uint8)
        with file.open("wb") as opened:
            np.savez(opened, header=header)
    else:
        file.write_bytes(b"a photo")
    before = None if content == "folder" else file.read_bytes()
    refusal = kilograd("export", model, "-o", file)
    refusal.refused("this file exists and is no weights file of kilograd", "with --force")
    assert before is None or file.read_bytes() == before
    forced = kilograd("export", model, "-o", file, "--force")
    if content == "folder":
        forced.refused(f"error: {file}: it cannot be written: ", "hint: name a file in a folder")
    else:
        assert forced.code == 0
        assert is_weights_file(file)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_outputs_that_cannot_be_written(kilograd, model, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    below = tmp_path / "file" / "below.npz"
    kilograd("export", model, "-o", below, "--json").refused(
        f"error: {below}: it cannot be written: ", "hint: name a file in a folder"
    )

    def fails(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kilograd.files.os.fsync", fails)
    full = tmp_path / "full.npz"
    kilograd("export", model, "-o", full).refused("cannot be written: No space left on device")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_class_names_that_will_not_do(model, tmp_path):
    graph = load_model(str(model), 2)
    program = compile_model(graph, load_scheme("head", graph))
    with pytest.raises(UserError, match="3 class names for 2 classes"):
        export_weights(program, tmp_path / "weights.npz", class_names=("a", "b", "c"))
    assert not list(tmp_path.iterdir())
