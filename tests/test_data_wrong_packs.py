"""Wrong, damaged and hostile packs are refused with a message that names the defect."""

import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_packs import SPEC, array_pack, jpeg_pack, refused
from kilograd.data import load_dataset, pack
from kilograd.errors import DataError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "the pack has no array 'labels'"),
        ({"jpeg": None}, "the pack has none of 'jpeg', 'mulaw', 'x' and 'inputs'"),
        ({"offsets": None}, "the pack has no array 'offsets'"),
        ({"labels": np.zeros(12)}, "labels is float64 [12] instead of integers [n]"),
        ({"labels": np.zeros(0, int)}, "the pack has no samples"),
        ({"labels": np.zeros(11, int)}, "offsets has 13 entries for 11 labels; it needs one more"),
        ({"labels": np.full(12, 3)}, "sample 0 has label 3, outside 0..2"),
        ({"labels": np.full(12, -1)}, "sample 0 has label -1, outside 0..2"),
        ({"split": np.zeros(5, int)}, "split has 5 entries for 12 labels"),
        (
            {"split": np.full(12, 2)},
            "no sample is marked as train (split 0) or test (split 1)",
        ),
        ({"jpeg": np.zeros(9, np.int8)}, "jpeg is int8 [9] instead of uint8 [bytes]"),
        ({"jpeg": np.zeros(9, np.uint8)}, "offsets do not rise from 0 to 9, the end of jpeg"),
        ({"class_names": np.array(["ant"])}, "the pack has 1 classes; at least two are needed"),
        ({"class_names": np.zeros(3)}, "class_names is float64 [3] instead of str [classes]"),
        (
            {"class_names": np.array(["ant", "bee", None])},
            "this is not a pack: the array 'class_names' holds Python objects, which are not read",
        ),
        (
            {"labels": np.array([0, 1, 2] * 3 + [0, 1, 1]), "split": None, "offsets": None},
            "the pack has no array 'offsets'",
        ),
    ],
)
def test_wrong_packs(tmp_path, changes, message):
    path = jpeg_pack(tmp_path / "a.npz", **changes)
    error = refused(path)
    assert error.what == message
    assert error.where == str(path)


def test_offsets_must_rise(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz")
    offsets = np.load(path)["offsets"]
    swapped = offsets.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    assert "offsets do not rise" in refused(jpeg_pack(path, offsets=swapped)).what
    assert "offsets do not rise" in refused(jpeg_pack(path, offsets=offsets + 1)).what


def test_a_class_with_one_sample_cannot_be_split(tmp_path):
    labels = np.array([0] * 6 + [1] * 5 + [2])
    error = refused(jpeg_pack(tmp_path / "a.npz", labels=labels, split=None))
    assert error.what == "the class 'cat' has a single sample, which cannot be split"
    assert error.where == str(tmp_path / "a.npz")


def test_image_that_does_not_decode_is_named(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz")
    arrays = dict(np.load(path))
    content, start = arrays["jpeg"].copy(), arrays["offsets"][4]
    content[start : start + 20] = 0
    error = refused(jpeg_pack(path, jpeg=content))
    assert error.what == "the image does not decode"
    assert error.where == f"{path}: image 4"


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06"])
def test_what_is_not_a_pack(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    error = refused(path)
    assert error.what.startswith("this is not a pack: BadZipFile")
    assert "an .npz of jpeg, offsets" in error.hint


def test_missing_path(tmp_path):
    error = refused(tmp_path / "absent")
    assert error.what == "there is no such file or folder"
    assert error.where == str(tmp_path / "absent")


def test_headers_that_promise_more_than_there_is(tmp_path):
    path = array_pack(tmp_path / "a.npz")
    huge = path.read_bytes().replace(b"(8, 4, 4, 3)", b"(9**9,4,4,3)")
    path.write_bytes(huge)
    assert refused(path).what.startswith("this is not a pack: ")
    header = np.lib.format.magic(1, 0) + struct.pack("<H", 118)
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999,)}"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("jpeg.npy", header + text.ljust(117) + b"\n" + b"abc")
    error = refused(path)
    assert "the array 'jpeg' of shape (9999999999999,) does not have 9999999999999" in error.what


def test_oversized_arrays_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "MAX_BYTES", 1000)
    path = jpeg_pack(tmp_path / "a.npz")
    assert refused(path).what == "this is not a pack: the arrays unpack to more than 1,000 bytes"


def poisoned(value):
    real = np.zeros((8, 4, 4, 3), np.float32)
    real[5, 1, 2, 0] = value
    return real


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": poisoned(np.nan)}, "sample 5 of inputs holds NaN or infinity"),
        ({"inputs": poisoned(-np.inf)}, "sample 5 of inputs holds NaN or infinity"),
        (
            {"inputs": np.zeros((8, 4, 4, 3), np.int16)},
            "inputs is int16 [8, 4, 4, 3] instead of int8 or float",
        ),
        (
            {"inputs": np.zeros((8, 4, 5, 3), np.int8)},
            "inputs has shape (8, 4, 5, 3) instead of (n, 4, 4, 3)",
        ),
        (
            {"inputs": np.zeros((8, 48), np.int8)},
            "inputs has shape (8, 48) instead of (n, 4, 4, 3)",
        ),
        ({"inputs": np.zeros((9, 4, 4, 3), np.int8)}, "inputs has 9 samples for 8 labels"),
        (
            {"inputs": np.array([{"a": 1}] * 8)},
            "this is not a pack: the array 'inputs' holds Python objects, which are not read",
        ),
        ({"labels": np.zeros(8, int)}, "the pack has 1 classes; at least two are needed"),
        ({"labels": np.full(8, 10**12)}, "sample 0 has label 1000000000000, outside 0..65535"),
    ],
)
def test_wrong_plain_packs(tmp_path, changes, message):
    assert refused(array_pack(tmp_path / "a.npz", **changes)).what == message


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_fuzzed_packs(tmp_path, data):
    """Whatever bytes come, the answer is a dataset or a DataError."""
    path = (jpeg_pack if data.draw(st.booleans()) else array_pack)(tmp_path / "a.npz")
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = data.draw(st.sampled_from(sorted(members)))
    for _ in range(data.draw(st.integers(1, 3))):
        content = bytearray(members[name])
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        members[name] = bytes(content)
    with zipfile.ZipFile(path, "w") as file:
        for member, content in members.items():
            file.writestr(member, content)
    try:
        dataset = load_dataset(path, SPEC)
    except DataError:
        return
    assert dataset.train.labels.max() < len(dataset.class_names)
