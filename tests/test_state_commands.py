"""The commands that keep what was learned, go on with it, and use it."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from applications import needs, run_here
from command_line import command, kilograd, refused
from kilograd.compiler import compile_model
from kilograd.data import load_dataset, pack_digest
from kilograd.device.open import open_device
from kilograd.frontend.open import input_spec, load_model
from kilograd.ops.spec import TrainingCounters
from kilograd.training.state_file import History, SavedState, is_state_file, read_state_file
from networks import native_model
from state_cases import OPTIONS, blobs_pack, interrupted, saved, tiny_program


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model().write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def program(model):
    return tiny_program(model)


@pytest.fixture(scope="module")
def pack(program, tmp_path_factory):
    return blobs_pack(tmp_path_factory.mktemp("data") / "blobs.npz", program, 400)


@pytest.fixture(scope="module")
def learned(model, pack, tmp_path_factory):
    file = tmp_path_factory.mktemp("learned") / "learned.kgs"
    options = ["--scheme", "last:3", "--epochs", 2, "--lr", 0.05]
    code, result, errors = command(
        "train", model, "--data", pack, *options, "--save", file, "--json"
    )
    assert code == 0, errors
    return file, result


def test_the_command_goes_on_after_ctrl_c(model, pack, tmp_path):
    options = ["train", model, "--data", pack, "--device", "unicorn"]
    asked = ["--scheme", "last:3", "--epochs", 3]
    code, expected, _ = command(*options, *asked, "--json")
    assert code == 0
    file = tmp_path / "run.kgs"
    for waited in (4, 8, 16):  # for imports, before which nothing can be kept
        run = subprocess.Popen(
            kilograd(*options, *asked, "--save", file),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(waited)
        asked_at = time.monotonic()
        run.send_signal(signal.SIGINT)
        output, errors = run.communicate(timeout=60)
        if "The training was interrupted" in errors or run.returncode == 0:
            break
    if run.returncode == 0:
        pytest.skip("this computer was faster than Ctrl-C")
    assert run.returncode == 130, errors
    assert time.monotonic() - asked_at < 10
    assert output == ""
    assert "Exception ignored" not in errors
    assert "The training was interrupted after" in errors
    assert f"the same command with --resume {file} goes on" in errors
    code, result, errors = command(*options, "--resume", file, "--json")
    assert code == 0, errors
    for key in ("state_digest", "counters", "confusion_before", "confusion_after", "steps"):
        assert result[key] == expected[key], key
    assert read_state_file(file).unfinished is None
    assert "cannot be gone on with: it has all of its" in refused(*options, "--resume", file)


def test_what_was_learned_predicts_and_is_tested(model, pack, learned):
    file, result = learned
    code, tested, errors = command("evaluate", model, "--data", pack, "--state", file, "--json")
    assert code == 0, errors
    assert tested["accuracy"] == result["accuracy_after"]
    assert tested["confusion"] == result["confusion_after"]
    assert errors == ""
    code, every, _ = command("evaluate", model, "--data", pack, "--state", file, "--all", "--json")
    assert (tested["samples"], every["samples"]) == (100, 400)


def test_images_are_predicted(model, learned, tmp_path):
    folder = tmp_path / "photos" / "deeper"
    folder.mkdir(parents=True)
    for name, columns in (("a", slice(0, 8)), ("b", slice(8, 16))):
        picture = np.full((16, 16, 3), 90, np.uint8)
        picture[:, columns] = 200
        Image.fromarray(picture).save(folder / f"{name}.png")
    file, _ = learned
    code, found, errors = command(
        "predict", model, folder.parent, folder / "a.png", "--state", file, "--json"
    )
    assert code == 0, errors
    names = [Path(one["file"]).name for one in found["predictions"]]
    assert names == ["a.png", "b.png", "a.png"]
    for one in found["predictions"]:
        shares = one["probabilities"]
        assert sum(shares.values()) == pytest.approx(1)
        assert one["class"] == max(shares, key=shares.get)
    shown = subprocess.run(
        kilograd("predict", model, folder, "--state", file),
        check=True,
        capture_output=True,
        text=True,
    )
    assert "likeliest" in shown.stdout
    assert shown.stderr == ""
    code, _, errors = command("predict", model, tmp_path / "photos" / "none.png", "--state", file)
    assert code == 2
    assert "there is no such file or folder" in errors


@needs("gcc")
def test_compiled_c_knows_what_was_learned(model, pack, learned, tmp_path):
    file, _ = learned
    code, _, errors = command(
        "compile", model, "--state", file, "--target", "portable", "-o", tmp_path / "c", "--json"
    )
    assert code == 0, errors
    data = load_dataset(pack, input_spec(load_model(str(model), 2)))
    samples = ", ".join(map(str, data.test.inputs.ravel().tolist()))
    (tmp_path / "main.c").write_text(
        f"""#include <stdio.h>
#include <string.h>
#include "kilograd.h"
static const int8_t samples[] = {{{samples}}};
int main(void)
{{
    printf("%d\\n", (int)kg_selftest());
    kg_init(0);
    for (uint32_t i = 0; i < sizeof samples / KG_INPUT_BYTES; i++) {{
        memcpy(kg_input(), samples + i * KG_INPUT_BYTES, KG_INPUT_BYTES);
        const int32_t *logits = kg_predict();
        printf("%d %d\\n", (int)logits[0], (int)logits[1]);
    }}
    return 0;
}}
"""
    )
    sources = sorted((tmp_path / "c").glob("*.c"))
    output = run_here("gcc", f"-O1 -I{tmp_path / 'c'}", [*sources, tmp_path / "main.c"], tmp_path)
    status, *lines = output.splitlines()
    assert status == "0"
    found = np.array([line.split() for line in lines], np.int32)
    saved_state = read_state_file(file)
    graph = load_model(str(model), 2)
    program = compile_model(graph, saved_state.origin.scheme)
    with open_device(program, "host") as device:
        device.write_state(saved_state.state)
        assert np.array_equal(found, [device.predict(sample) for sample in data.test.inputs])
    assert "left" in (tmp_path / "c" / "kg_model.h").read_text()


def test_states_of_something_else_are_refused(model, pack, learned, tmp_path):
    file, _ = learned
    other = native_model(seed=2).write(tmp_path / "other.npz")
    asked = ["--data", pack, "--state", file]
    assert "this state is of another tiny than this one" in refused("evaluate", other, *asked)
    assert "this state is of tiny, not of kilograd-48" in refused("evaluate", "kilograd-48", *asked)
    renamed = tmp_path / "renamed.npz"
    arrays = dict(np.load(pack))
    np.savez(renamed, **{**arrays, "class_names": np.array(["left", "middle"])})
    assert "are of the classes left, middle, and the state in" in refused(
        "evaluate", model, "--data", renamed, "--state", file
    )
    assert "is no state file" in refused("evaluate", model, "--data", pack, "--state", pack)


def test_no_other_file_is_overwritten(model, pack, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    asked = ["train", model, "--data", pack, "--save", photo]
    assert "this file exists and is no state file of kilograd" in refused(*asked)
    assert photo.read_bytes() == b"a photo"
    code, _, errors = command(*asked, "--force")
    assert code == 0, errors
    assert is_state_file(photo)
    code, _, errors = command(*asked)
    assert code == 0, errors


@pytest.mark.thorough
def test_a_run_goes_on_as_it_began(model, program, pack, tmp_path):
    data = load_dataset(pack, input_spec(program.request.graph))
    error = interrupted(program, data, OPTIONS, 150)
    origin = saved(program, b"").origin
    history = History(
        "blobs", pack_digest(data), (None, None), OPTIONS, False, "host", error.steps, error.total,
        TrainingCounters(),
    )  # fmt: skip
    file = tmp_path / "run.kgs"
    SavedState(origin, error.state, history, error.unfinished).write(file)
    asked = ["train", model, "--data", pack, "--resume", file]
    for option, value, began in (
        ("--epochs", 9, 3), ("--lr", 0.1, 0.05), ("--seed", 1, 7), ("--scheme", "head", "last:3"),
        ("--validation", 0.2, "none"), ("--augment", "flip", "none"),
    ):  # fmt: skip
        errors = refused(*asked, option, value)
        assert f"{option}: the run began with {began}, and goes on so, not with {value}" in errors
    assert "--stream: only runs of epochs can be gone on with" in refused(*asked, "--stream")
    other = tmp_path / "other.npz"
    arrays = dict(np.load(pack))
    np.savez(other, **{**arrays, "labels": 1 - arrays["labels"]})
    errors = refused("train", model, "--data", other, "--resume", file)
    assert "these are not the samples that the run in" in errors


def test_a_stream_keeps_what_it_learned_but_does_not_go_on(model, pack, tmp_path):
    file = tmp_path / "stream.kgs"
    code, _, errors = command("train", model, "--data", pack, "--stream", "--save", file)
    assert code == 0, errors
    assert read_state_file(file).history.is_stream
    errors = refused("train", model, "--data", pack, "--resume", file)
    assert "cannot be gone on with: it was a stream" in errors


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--scheme", "full"), "--scheme: what was learned has last:3, and not full"),
        (("--classes", 3), "--classes: what was learned has 2, and not 3"),
        (("--keep-head",), "--keep-head: what was learned has False, and not True"),
        (("--label-sets",), "--label-sets: what was learned has False, and not True"),
        (("--class-names", "a,b,c"), "--class-names: 3 class names for 2 classes"),
    ],
)
def test_options_that_a_state_decides(model, learned, tmp_path, option, message):
    file, _ = learned
    errors = refused("compile", model, "--state", file, "-o", tmp_path / "c", *option)
    assert message in errors
    assert not (tmp_path / "c").exists()
