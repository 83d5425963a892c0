import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kilograd.data import (
    Dataset,
    InputSpec,
    Samples,
    archive,
    images,
    load_dataset,
    pack_digest,
    packs,
    with_class_order,
)
from kilograd.data.choose import choose_balanced, split_by_class
from kilograd.errors import DataError

PACKS = Path(__file__).parents[2] / "shared" / "data"
SPEC = InputSpec(4, 4, 3, 1 / 127.5, 0)
ANCHOR = InputSpec(128, 128, 3, 1 / 127.5, 0)


def solid(colour, size=(4, 4), mode="RGB"):
    return Image.new(mode, size, colour)


def jpeg(colour, size=(8, 8)):
    stream = io.BytesIO()
    solid(colour, size).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def jpeg_pack(path, *, count=12, classes=3, **changes):
    """A pack of grey images, one brightness per class; every fourth sample is for testing."""
    labels = np.arange(count) % classes
    content = [jpeg((40 * label, 40 * label, 40 * label)) for label in labels.tolist()]
    arrays = {
        "jpeg": np.frombuffer(b"".join(content), np.uint8),
        "offsets": np.cumsum([0, *map(len, content)]),
        "labels": labels.astype(np.int16),
        "split": (np.arange(count) // classes % 4 == 3).astype(np.uint8),
        "class_names": np.array(["ant", "bee", "cat", "dog"][:classes]),
        "source": np.array("made by the test"),
    }
    arrays |= changes
    np.savez_compressed(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def array_pack(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "inputs": rng.integers(-128, 128, (8, 4, 4, 3)).astype(np.int8),
        "labels": np.arange(8) % 2,
        "split": np.arange(8) // 6,
    }
    arrays |= changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def image_folder(root, **classes):
    """One folder per class with so many PNGs, each image a shade of its own."""
    for number, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            solid((50 * number, index, 0)).save(root / name / f"{index:03}.png")
    return root


def refused(path, spec=SPEC, **options):
    with pytest.raises(DataError) as caught:
        load_dataset(path, spec, **options)
    return caught.value


# Quantization.


def test_pixels_at_the_anchors_scale():
    table = SPEC.pixel_table()
    expected = [min(max(int(np.floor(pixel - 127.5 + 0.5)), -128), 127) for pixel in range(256)]
    assert table.tolist() == expected
    assert table[0] == -127
    assert table[128] == 1
    assert table[255] == 127
    as_float32 = InputSpec(4, 4, 3, float(np.float32(1 / 127.5)), 0)
    assert as_float32.pixel_table().tolist() == expected


def test_pixels_at_another_scale_and_zero_point():
    table = InputSpec(4, 4, 3, 0.02, 10).pixel_table()
    for pixel in (0, 1, 60, 127, 128, 254, 255):
        exact = np.floor((pixel / 127.5 - 1) / 0.02 + 0.5) + 10
        assert table[pixel] == np.clip(exact, -128, 127)
    assert InputSpec(4, 4, 3, 1 / 127.5, -1).pixel_table()[255] == 127
    assert InputSpec(4, 4, 3, 1 / 127.5, -1).pixel_table()[0] == -128


def test_real_values_are_rounded_half_up_and_clamped():
    spec = InputSpec(1, 1, 1, 0.5, 3)
    real = np.array([0.0, 0.25, -0.25, 0.74, 1e30, -1e30], np.float32)
    assert spec.quantize(real).tolist() == [3, 4, 3, 4, 127, -128]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((0, 4, 3, 1.0, 0), "the input size 0x4 is outside 1..4096 pixels"),
        ((4, 9999, 3, 1.0, 0), "the input size 4x9999 is outside 1..4096 pixels"),
        ((4, 4, 2, 1.0, 0), "the input has 2 channels; images have 1 or 3"),
        ((4, 4, 3, 0.0, 0), "the input scale 0.0 is not a finite number above 0"),
        ((4, 4, 3, float("nan"), 0), "the input scale nan is not a finite number above 0"),
        ((4, 4, 3, 1.0, 128), "the input zero point 128 is outside -128..127"),
    ],
)
def test_impossible_inputs(fields, message):
    with pytest.raises(DataError) as caught:
        InputSpec(*fields)
    assert caught.value.what == message


# Choosing.

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(labels=LABELS, limit=st.integers(0, 70), seed=st.integers(0, 5))
def test_choice_is_balanced_nested_and_reproducible(labels, limit, seed):
    everything = range(len(labels))
    chosen = choose_balanced(everything, labels, limit, seed)
    assert len(chosen) == len(set(chosen)) == min(limit, len(labels))
    assert chosen == choose_balanced(everything, labels, limit, seed)
    assert set(chosen) <= set(choose_balanced(everything, labels, limit + 1, seed))
    counts = {label: sum(labels[i] == label for i in chosen) for label in set(labels)}
    for label, count in counts.items():
        if count < labels.count(label):  # it could give more, so nobody has over one more
            assert max(counts.values()) <= count + 1


@settings(max_examples=100, deadline=None)
@given(labels=LABELS, share=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_split_keeps_every_class_on_both_sides(labels, share, seed):
    labels = labels + labels  # at least two of each
    train, test = split_by_class(labels, "abcde", share=share, seed=seed)
    assert sorted(train + test) == list(range(len(labels)))
    for label in set(labels):
        size = labels.count(label)
        held_out = sum(labels[index] == label for index in test)
        assert 1 <= held_out <= size - 1
        assert abs(held_out - share * size) <= 1


def test_the_choice_does_not_change_between_versions():
    labels = [index % 3 for index in range(30)]
    known = [25, 15, 20, 29, 0]
    assert choose_balanced(range(30), labels, 5, seed=7) == known
    assert choose_balanced(range(30), labels, 5, seed=8) != known


# Packs of JPEG images.


def test_jpeg_pack(tmp_path):
    dataset = load_dataset(jpeg_pack(tmp_path / "tiny.pack.npz"), SPEC)
    assert dataset.name == "tiny.pack"
    assert dataset.class_names == ("ant", "bee", "cat")
    assert dataset.train.inputs.shape == (9, 4, 4, 3)
    assert len(dataset.test) == 3
    for samples in (dataset.train, dataset.test):
        assert samples.inputs.dtype == np.int8
        assert samples.labels.dtype == np.int32
        assert not samples.inputs.flags.writeable
        assert not samples.labels.flags.writeable
        expected = 40 * samples.labels - 127
        assert (abs(samples.inputs.mean(axis=(1, 2, 3)) - expected) < 2).all()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz")
    first = pack_digest(load_dataset(path, SPEC, limit=6, seed=1))
    assert first == pack_digest(load_dataset(path, SPEC, limit=6, seed=1))
    assert first != pack_digest(load_dataset(path, SPEC, limit=6, seed=2))
    assert len(first) == 64


def test_digest_sees_inputs_labels_and_the_border_between_splits():
    def dataset(inputs, labels, train):
        inputs, labels = np.array(inputs, np.int8), np.array(labels, np.int32)
        return Dataset(
            "x",
            Samples(inputs[:train], labels[:train]),
            Samples(inputs[train:], labels[train:]),
            ("a", "b"),
        )

    inputs = [[[[1]]], [[[2]]], [[[3]]]]
    digests = {
        pack_digest(dataset(inputs, [0, 1, 0], 2)),
        pack_digest(dataset(inputs, [0, 1, 1], 2)),
        pack_digest(dataset(inputs, [0, 1, 0], 1)),
        pack_digest(dataset([*inputs[:2], [[[4]]]], [0, 1, 0], 2)),
    }
    assert len(digests) == 4


def test_limits_decode_only_what_they_choose(tmp_path, monkeypatch):
    decoded = []

    def decode(sources, spec):
        decoded.extend(sources)
        return np.zeros((len(sources), *spec.shape), np.int8)

    monkeypatch.setattr(packs, "decode_images", decode)
    dataset = load_dataset(jpeg_pack(tmp_path / "a.npz"), SPEC, limit=3, test_limit=2)
    assert sorted(dataset.train.labels.tolist()) == [0, 1, 2]
    assert len(decoded) == 5


def test_pack_without_test_samples_is_split_by_class(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz", split=None)
    dataset = load_dataset(path, SPEC, test_share=0.5)
    assert np.bincount(dataset.train.labels).tolist() == [2, 2, 2]
    assert np.bincount(dataset.test.labels).tolist() == [2, 2, 2]


def test_extra_samples_are_left_out(tmp_path):
    split = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    dataset = load_dataset(jpeg_pack(tmp_path / "a.npz", split=split), SPEC)
    assert (len(dataset.train), len(dataset.test)) == (6, 3)


def test_a_pack_of_test_samples_alone(tmp_path):
    path = jpeg_pack(tmp_path / "a.npz", split=np.ones(12, np.uint8))
    error = refused(path)
    assert error.what == "it has test samples only, nothing to train on"
    assert error.hint == "limit=0 loads the test samples alone"
    dataset = load_dataset(path, SPEC, limit=0)
    assert dataset.train.inputs.shape == (0, 4, 4, 3)
    assert len(dataset.test) == 12


def test_grey_networks(tmp_path):
    spec = InputSpec(2, 6, 1, 1 / 127.5, 0)
    dataset = load_dataset(jpeg_pack(tmp_path / "a.npz"), spec)
    assert dataset.train.inputs.shape == (9, 2, 6, 1)


def broken_offsets(count=13):
    return np.zeros(count, np.int64)


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
            "the array 'class_names' holds Python objects, which are not read",
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
    assert error.what == "this is not a pack"
    assert "an .npz of jpeg, offsets" in error.hint


def test_missing_path(tmp_path):
    error = refused(tmp_path / "absent")
    assert error.what == "there is no such file or folder"
    assert error.where == str(tmp_path / "absent")


def test_headers_that_promise_more_than_there_is(tmp_path):
    path = array_pack(tmp_path / "a.npz")
    huge = path.read_bytes().replace(b"(8, 4, 4, 3)", b"(9**9,4,4,3)")
    path.write_bytes(huge)
    assert refused(path).what == "the pack is damaged"
    header = np.lib.format.magic(1, 0) + struct.pack("<H", 118)
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999,)}"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("jpeg.npy", header + text.ljust(117) + b"\n" + b"abc")
    error = refused(path)
    assert (
        error.what == "the array 'jpeg' of shape (9999999999999,) does not have 9999999999999 bytes"
    )


def test_oversized_arrays_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    path = jpeg_pack(tmp_path / "a.npz")
    assert refused(path).what == "the array 'jpeg' has more than 1000 bytes"


# Packs of plain samples.


def test_int8_samples_arrive_as_they_are(tmp_path):
    path = array_pack(tmp_path / "a.npz")
    stored = dict(np.load(path))
    dataset = load_dataset(path, SPEC)
    assert dataset.class_names == ("0", "1")
    assert (len(dataset.train), len(dataset.test)) == (6, 2)
    assert sorted(x.tobytes() for x in dataset.train.inputs) == sorted(
        x.tobytes() for x in stored["inputs"][:6]
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_real_samples_are_quantized(tmp_path, dtype):
    real = np.linspace(-2, 2, 8 * 48).reshape(8, 4, 4, 3).astype(dtype)
    spec = InputSpec(4, 4, 3, 0.01, 5)
    dataset = load_dataset(array_pack(tmp_path / "a.npz", inputs=real), spec)
    expected = spec.quantize(real[:6])
    assert sorted(x.tobytes() for x in dataset.train.inputs) == sorted(
        x.tobytes() for x in expected
    )


def test_fortran_order_is_honoured(tmp_path):
    path = array_pack(tmp_path / "a.npz")
    expected = pack_digest(load_dataset(path, SPEC))
    inputs = np.asfortranarray(np.load(path)["inputs"])
    assert pack_digest(load_dataset(array_pack(path, inputs=inputs), SPEC)) == expected


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
            "the array 'inputs' holds Python objects, which are not read",
        ),
        ({"labels": np.zeros(8, int)}, "the pack has 1 classes; at least two are needed"),
        ({"labels": np.full(8, 10**12)}, "sample 0 has label 1000000000000, outside 0..65535"),
    ],
)
def test_wrong_plain_packs(tmp_path, changes, message):
    assert refused(array_pack(tmp_path / "a.npz", **changes)).what == message


# Folders of images.


def test_folder_of_classes(tmp_path):
    root = image_folder(tmp_path / "pets.v1", dog=8, cat=4)
    (root / "cat" / "notes.txt").write_text("not an image")
    (root / ".hidden").mkdir()
    dataset = load_dataset(root, SPEC)
    assert dataset.name == "pets.v1"
    assert dataset.class_names == ("cat", "dog")
    assert np.bincount(dataset.train.labels).tolist() == [3, 6]
    assert np.bincount(dataset.test.labels).tolist() == [1, 2]
    red = {0: 50 - 127, 1: 0 - 127}
    for samples in (dataset.train, dataset.test):
        assert samples.inputs[:, 0, 0, 0].tolist() == [red[label] for label in samples.labels]
    shades = np.concatenate([dataset.train.inputs, dataset.test.inputs])[:, 0, 0, :2].tolist()
    assert len({tuple(shade) for shade in shades}) == 12


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_folder_with_its_own_split(tmp_path, held_out):
    image_folder(tmp_path / "train", a=3, b=2)
    image_folder(tmp_path / held_out, b=4)
    dataset = load_dataset(tmp_path, SPEC)
    assert dataset.class_names == ("a", "b")
    assert np.bincount(dataset.train.labels).tolist() == [3, 2]
    assert dataset.test.labels.tolist() == [1, 1, 1, 1]


def test_every_suffix_is_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for suffix in [*sorted(images.SUFFIXES), ".JPG"]:
            solid((90, 90, 90)).save(tmp_path / name / f"image{suffix}")
    dataset = load_dataset(tmp_path, SPEC)
    assert len(dataset.train) + len(dataset.test) == 16
    assert (abs(dataset.train.inputs + 37) <= 2).all()


@pytest.mark.parametrize(
    ("mode", "colour"),
    [
        ("L", 90),
        ("RGBA", (90, 90, 90, 255)),
        ("P", 90),
        ("I;16", 90 * 256),
        ("CMYK", (0, 0, 0, 165)),
    ],
)
def test_image_modes(tmp_path, mode, colour):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(2):
            image = solid(colour, mode=mode)
            if mode == "P":
                image.putpalette([value for value in range(256) for _ in "rgb"])
            suffix = "jpg" if mode == "CMYK" else "png"
            image.save(tmp_path / name / f"{index}.{suffix}")
    assert (abs(load_dataset(tmp_path, SPEC).train.inputs + 37) <= 1).all()


def test_exif_orientation_is_honoured(tmp_path):
    image = solid((0, 0, 0), (8, 4))
    image.paste((255, 255, 255), (0, 0, 4, 4))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left half becomes the upper one
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(2):
            image.save(tmp_path / name / f"{index}.png", exif=exif)
    spec = InputSpec(2, 2, 1, 1 / 127.5, 0)
    upper_and_lower = load_dataset(tmp_path, spec).train.inputs[0, :, :, 0]
    assert (upper_and_lower[0] > 60).all()
    assert (upper_and_lower[1] < -60).all()


def test_images_are_resized_whole_and_bilinear(tmp_path):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 7, 3)).astype(np.uint8))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(2):
            image.save(tmp_path / name / f"{index}.png")
    expected = np.asarray(image.resize((4, 4), Image.Resampling.BILINEAR)).astype(int) - 127
    found = load_dataset(tmp_path, SPEC).train.inputs[0]
    np.testing.assert_array_equal(found, expected.clip(-128, 127))


def test_wrong_folders(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty).what == "found 0 class folders; at least two are needed"
    assert "one folder of images per class" in refused(empty).hint
    single = image_folder(tmp_path / "single", cat=3)
    assert refused(single).what == "found 1 class folders; at least two are needed"
    (single / "dog").mkdir()
    (single / "dog" / "readme.md").touch()
    error = refused(single)
    assert error.what == "the class folder 'dog' has no images"
    assert error.where == str(single / "dog")
    lone = image_folder(tmp_path / "lone", cat=3, dog=1)
    assert refused(lone).what == "the class 'dog' has a single sample, which cannot be split"
    stray = tmp_path / "stray"
    image_folder(stray / "train", a=2, b=2)
    image_folder(stray / "test", a=1, c=1)
    assert refused(stray).what == "the class 'c' has test images but no train images"


@pytest.mark.parametrize("content", [b"", b"hello", jpeg((1, 2, 3), (64, 64))[:500]])
def test_image_file_that_does_not_decode_is_named(tmp_path, content):
    root = image_folder(tmp_path, a=2, b=2)
    (root / "b" / "001.png").write_bytes(content)
    error = refused(root)
    assert error.what == "the image does not decode"
    assert error.where == str(root / "b" / "001.png")


def test_decompression_bombs_are_refused(tmp_path, monkeypatch):
    root = image_folder(tmp_path, a=2, b=2)
    solid((0, 0, 0), (100, 100)).save(root / "a" / "000.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 9999)
    error = refused(root)
    assert error.what.startswith("the image has 100x100 pixels; at most")
    assert error.where == str(root / "a" / "000.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert refused(root).what == "the image does not decode"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": -1}, "limit is -1; it cannot be negative"),
        ({"test_limit": -5}, "test_limit is -5; it cannot be negative"),
        ({"test_share": 0.0}, "test_share is 0.0; it must lie between 0 and 1"),
        ({"test_share": float("nan")}, "test_share is nan; it must lie between 0 and 1"),
    ],
)
def test_impossible_options(tmp_path, options, message):
    assert refused(image_folder(tmp_path, a=2, b=2), **options).what == message


# Whatever bytes come, the answer is a dataset or a DataError.


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_fuzzed_packs(tmp_path, data):
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


# The packs that the project measures on.


@pytest.mark.parametrize(
    ("name", "classes"), [("cifar10_jpeg32", 10), ("flowers17_128", 17), ("person_scene_128", 2)]
)
def test_real_packs(name, classes):
    path = PACKS / f"{name}.npz"
    if not path.is_file():
        pytest.skip("the data packs are not here")
    dataset = load_dataset(path, ANCHOR, limit=40, test_limit=20)
    assert dataset.train.inputs.shape == (40, 128, 128, 3)
    assert len(dataset.test) == 20
    assert len(dataset.class_names) == classes
    counts = np.bincount(dataset.train.labels, minlength=classes)
    assert counts.max() - counts.min() <= 1
    assert dataset.train.inputs.std() > 20


def test_classes_in_another_order():
    inputs = np.arange(6, dtype=np.int8).reshape(6, 1, 1, 1)
    samples = Samples(inputs, np.array([0, 1, 2, 2, 1, 0], np.int32))
    data = with_class_order(Dataset("d", samples, samples, ("a", "b", "c")), ("c", "a", "b"))
    assert data.class_names == ("c", "a", "b")
    assert data.train.labels.tolist() == data.test.labels.tolist() == [1, 2, 0, 0, 2, 1]
    assert data.train.labels.dtype == np.int32
    assert np.array_equal(data.train.inputs, inputs)
