"""What cannot be read is told of all at once, or left out as if it had never been there."""

import numpy as np
import pytest

from data_packs import SPEC, image_folder, jpeg_pack, refused, solid
from kilograd.data import load_dataset, pack_digest


def damaged(root, *names):
    for name in names:
        (root / name).write_bytes(b"no image")
    return root


def test_all_broken_files_are_in_one_error(tmp_path):
    root = image_folder(tmp_path / "pets", a=8, b=8)
    damaged(root, "a/000.png", "b/003.png", "b/007.png", "b/x.heic")
    error = refused(root)
    assert error.what == (
        "4 of 17 images cannot be read: b/x.heic (HEIC: convert it to JPEG), "
        "a/000.png (does not decode), b/003.png (does not decode), b/007.png (does not decode)"
    )
    assert error.where == str(root)
    assert error.hint == "replace them or take them out"


def test_ten_are_named_and_the_rest_are_counted(tmp_path):
    root = image_folder(tmp_path, a=20, b=20)
    damaged(root, *(f"a/{index:03}.png" for index in range(15)))
    error = refused(root)
    assert error.what.startswith("15 of 40 images cannot be read: a/000.png (does not decode), ")
    assert error.what.endswith("a/009.png (does not decode), and 5 more")


def test_skipping_is_the_same_as_deleting(tmp_path):
    broken, clean = (image_folder(tmp_path / name, a=12, b=9) for name in ("broken", "clean"))
    damaged(broken, "a/000.png", "b/003.png", "b/x.heic")
    for name in ("a/000.png", "b/003.png"):
        (clean / name).unlink()
    data = load_dataset(broken, SPEC, skip_broken=True)
    assert pack_digest(data) == pack_digest(load_dataset(clean, SPEC))
    assert sorted((one.where, one.reason, one.class_name) for one in data.skipped) == [
        ("a/000.png", "does not decode", "a"),
        ("b/003.png", "does not decode", "b"),
        ("b/x.heic", "HEIC: convert it to JPEG", "b"),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_limit_is_reached_although_some_are_broken(tmp_path, seed):
    root = image_folder(tmp_path, a=20, b=20)
    damaged(root, *(f"a/{index:03}.png" for index in range(10)))
    data = load_dataset(root, SPEC, limit=12, test_limit=4, seed=seed, skip_broken=True)
    assert np.bincount(data.train.labels).tolist() == [6, 6]
    assert np.bincount(data.test.labels).tolist() == [2, 2]


def test_train_and_test_are_tried_both(tmp_path):
    image_folder(tmp_path / "train", a=3, b=3)
    image_folder(tmp_path / "test", a=3, b=3)
    damaged(tmp_path, "train/a/000.png", "test/b/001.png")
    assert refused(tmp_path).what == (
        "2 of 12 images cannot be read: train/a/000.png (does not decode), "
        "test/b/001.png (does not decode)"
    )
    data = load_dataset(tmp_path, SPEC, skip_broken=True)
    assert (len(data.train), len(data.test), len(data.skipped)) == (5, 5, 2)


def test_a_class_of_which_nothing_is_left(tmp_path):
    root = damaged(image_folder(tmp_path, a=3, b=2), "b/000.png", "b/001.png")
    error = refused(root, skip_broken=True)
    assert error.what == "none of the images of the class 'b' can be read"
    assert error.where == str(root)


def test_broken_images_of_a_pack(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz")
    arrays = dict(np.load(path))
    content = arrays["jpeg"].copy()
    for index in (4, 7):
        content[arrays["offsets"][index] :][:20] = 0
    jpeg_pack(path, jpeg=content)
    error = refused(path)
    assert error.what == (
        "2 of 12 images cannot be read: image 4 (does not decode), image 7 (does not decode)"
    )
    data = load_dataset(path, SPEC, skip_broken=True)
    assert len(data.train) + len(data.test) == 10
    assert sorted(one.where for one in data.skipped) == ["image 4", "image 7"]


def test_files_that_are_no_samples_are_said_to_be_left_out(tmp_path):
    root = image_folder(tmp_path, a=3, b=3)
    (root / "a" / "notes.txt").touch()
    (root / "b" / "old").mkdir()
    solid((1, 2, 3)).save(root / "b" / "old" / "x.png")
    (root / "b" / ".hidden.png").touch()
    data = load_dataset(root, SPEC)
    told = {one.where: one.reason for one in data.skipped}
    assert told["a/notes.txt"].startswith("not one of the images: these end in .bmp, .gif, .jpeg")
    assert told["b/old"] == "a folder in a class folder, with 1 images that are not read"
    assert len(told) == 2


def test_a_folder_too_deep(tmp_path):
    image_folder(tmp_path / "photos" / "animals", cat=2, dog=2)
    error = refused(tmp_path / "photos")
    assert error.what == (
        "the class folder 'animals' has no images, but the folder 'cat' in it has some"
    )
    animals = tmp_path / "photos" / "animals"
    assert f"the folders in {tmp_path / 'photos'} are read as the classes" in error.hint
    assert f"give {animals} to learn what its folders are, or move the images" in error.hint


def test_images_beside_the_class_folders(tmp_path):
    solid((1, 2, 3)).save(tmp_path / "a.png")
    error = refused(tmp_path)
    assert error.what == "found 0 class folders; at least two are needed"
    assert error.hint.startswith("images lie in the folder itself (1): sort them into folders; ")


def test_a_class_of_heic_files_alone(tmp_path):
    root = image_folder(tmp_path, a=3, b=3)
    (root / "c").mkdir()
    for index in range(3):
        (root / "c" / f"{index}.HEIC").touch()
    error = refused(root)
    assert error.what == (
        "the class folder 'c' has no images that can be read: it has 3 in formats such as HEIC"
    )
    assert error.hint.startswith("convert it to JPEG")


def test_val_beside_test_is_said_to_be_unused(tmp_path):
    for part in ("train", "val", "test"):
        image_folder(tmp_path / part, a=2, b=2)
    assert load_dataset(tmp_path, SPEC).notes == ("beside train, test is read and not val",)
