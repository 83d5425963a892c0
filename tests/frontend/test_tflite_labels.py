"""What .tflite files call their classes."""

import zipfile

import numpy as np
import pytest
from PIL import Image
from tflite_drafts import DRAFTS
from tflite_files import small_network

from kilograd.frontend.open import class_names, load_model

NAMES = ("mug", "cup", "key")


def packed(path, draft=None, **members):
    """A network with files packed behind it."""
    (draft or small_network()).write(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_txt", ".txt"), content)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.tflite"


def test_a_list_behind_the_network_names_its_classes(path):
    assert class_names(str(packed(path, labels_txt="mug\ncup\r\n\n key \n"))) == NAMES
    assert load_model(str(path)).type_of("head").size == 3


def test_one_value_with_a_sigmoid_has_two_classes(path):
    draft = DRAFTS["sigmoid"]()
    assert class_names(str(packed(path, draft, labels_txt="no\nyes\n"))) == ("no", "yes")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"labels_txt": "mug\ncup\n"},
        {"labels_txt": "mug\ncup\nmug\n"},
        {"labels_txt": "mug\ncup\nkey\n", "others_txt": "a\nb\nc\n"},
        {"labels_csv": "mug\ncup\nkey\n"},
        {"labels_txt": b"m\xff\ncup\nkey\n"},
        {"labels_txt": "mug\ncup\nkey\n" + "\n" * 2_000_000},
    ],
)
def test_what_is_no_list_of_the_classes_names_none(path, members):
    assert class_names(str(packed(path, **members))) == ()


def test_two_lists_that_say_the_same_are_one(path):
    text = "\n".join(NAMES)
    assert class_names(str(packed(path, labels_txt=text, more_txt=text))) == NAMES


@pytest.mark.parametrize("at", [-1, -30, -60, -90])
def test_a_damaged_archive_names_none(path, at):
    content = bytearray(packed(path, labels_txt="\n".join(NAMES)).read_bytes())
    content[at] ^= 0x5A
    path.write_bytes(content)
    assert class_names(str(path)) in {(), NAMES}
    path.write_bytes(content[: at - 20])
    assert class_names(str(path)) == ()


@pytest.fixture
def photos(tmp_path):
    """A folder with pictures of the classes."""
    rng = np.random.default_rng(2)
    for level, name in enumerate(NAMES):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(80 * level, 80 * level + 60, (6, 6, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


def test_training_keeps_the_order_of_the_network(path, photos, kilograd):
    packed(path, labels_txt="\n".join(NAMES))
    outcome = kilograd("train", path, "--data", photos, "--save", path.with_suffix(".kgs"))
    assert "net knows these classes: training goes on from its own head" in outcome.err
    found = kilograd("predict", path, photos / "mug" / "0.png", "--json").json
    assert found["classes"] == [*NAMES]


def test_other_names_get_a_new_head(path, photos, kilograd):
    packed(path, labels_txt="tasse\nbecher\nkanne\n")
    said = "net calls its classes tasse, becher, kanne, and the data has cup, key, mug: a new last"
    outcome = kilograd("train", path, "--data", photos)
    assert said in " ".join(outcome.err.split())
    outcome = kilograd("train", path, "--data", photos, "--fresh-head")
    assert "calls its classes" not in outcome.err
