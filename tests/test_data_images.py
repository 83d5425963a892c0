"""Images of every kind have the values that one sees."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from data_packs import SPEC, image_folder, refused, solid
from kilograd.data import InputSpec, load_dataset, pixels
from kilograd.data.broken import UnreadableError
from kilograd.data.pixels import read_picture

COLOUR = InputSpec(4, 4, 3, 1 / 127.5, 0)
TALL = InputSpec(4, 2, 1, 1 / 127.5, 0)


def stored(image, format_, **options):
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def read(image, format_="PNG", spec=COLOUR, **options):
    """Pixels of an image that was stored: uint8 [height, width, channels]."""
    return read_picture("here", stored(image, format_, **options), spec).pixels


def unreadable(content):
    with pytest.raises(UnreadableError) as caught:
        read_picture("here", content, COLOUR)
    return caught.value


@pytest.mark.parametrize("format_", ["TIFF", "PNG"])
def test_16_bit_grey_keeps_its_upper_bits(format_):
    ramp = np.repeat(np.arange(4, dtype=np.uint16)[:, None] * 20000, 4, axis=1)
    found = read(Image.fromarray(ramp), format_)
    assert found[:, 0, 0].tolist() == [0, 78, 156, 234]


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
def test_tiff(compression):
    image = solid((200, 100, 50))
    assert read(image, "TIFF", compression=compression)[0, 0].tolist() == [200, 100, 50]


def test_cmyk():
    ink = solid((0, 255, 255, 0), mode="CMYK")
    assert read(ink, "TIFF")[0, 0].tolist() == [255, 0, 0]
    assert abs(read(ink, "JPEG", quality=95)[0, 0].astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize(("alpha", "shown"), [(255, [200, 0, 0]), (0, [255] * 3)])
def test_what_is_transparent_lies_on_white(alpha, shown):
    assert read(solid((200, 0, 0, alpha), mode="RGBA"))[0, 0].tolist() == shown


def test_grey_with_alpha():
    half = solid((0, 128), mode="LA")
    assert abs(read(half)[0, 0].astype(int) - 127).max() <= 1


def test_a_palette_with_a_transparent_colour():
    image = solid(0, mode="P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (0, 0, 4, 2))
    found = read(image, transparency=0)
    assert found[0, 0].tolist() == [200, 100, 50]
    assert found[3, 0].tolist() == [255, 255, 255]
    assert read(image)[3, 0].tolist() == [10, 20, 30]


def test_two_colours():
    image = solid(0, mode="1")
    image.paste(1, (0, 0, 2, 4))
    assert read(image)[0, :, 0].tolist() == [255, 255, 0, 0]


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(tmp_path, format_):
    frames = [solid((255, 255, 255)), solid((0, 0, 0))]
    options = {"lossless": True} if format_ == "WEBP" else {}
    root = image_folder(tmp_path, a=2, b=2)
    frames[0].save(
        root / "a" / f"moves.{format_.lower()}", save_all=True, append_images=frames[1:], **options
    )
    data = load_dataset(root, SPEC)
    assert data.notes == ("1 of 5 images: several frames, the first one is used",)
    inputs = np.concatenate([data.train.inputs, data.test.inputs])
    assert (inputs == 127).all(axis=(1, 2, 3)).sum() == 1


def test_the_first_page_of_a_tiff(tmp_path):
    root = image_folder(tmp_path, a=2, b=2)
    solid((9, 9, 9)).save(root / "a" / "x.tif", save_all=True, append_images=[solid((0, 0, 0))])
    assert load_dataset(root, SPEC).notes == (
        "1 of 5 images: several pages, the first one is used",
    )


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("is_large", [False, True])
def test_images_are_turned_as_exif_says(monkeypatch, format_, is_large):
    if is_large:
        monkeypatch.setattr(pixels, "LARGE_PIXELS", 100)
    image = solid((0, 0, 0), (64, 32))
    image.paste((255, 255, 255), (0, 0, 32, 32))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left half becomes the upper one
    found = read(image, format_, TALL, exif=exif)[:, :, 0]
    assert (found[0] > 240).all()
    assert (found[3] < 15).all()


@pytest.mark.parametrize(
    ("mode", "format_"), [("RGB", "JPEG"), ("P", "PNG"), ("L", "TIFF"), ("1", "TIFF")]
)
def test_scans_of_100_megapixels_are_scaled_down(tmp_path, format_, mode):
    root = image_folder(tmp_path, a=2, b=2)
    scan = Image.new("L", (10_000, 10_000), 255)
    scan.paste(0, (0, 5_000, 10_000, 10_000))
    scan.convert(mode).save(root / "a" / f"scan.{format_.lower()}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load_dataset(root, SPEC)
    assert data.notes == (
        "1 of 5 images: over 64 million pixels, scaled down while they were read",
    )
    inputs = np.concatenate([data.train.inputs, data.test.inputs])
    (found,) = [sample for sample in inputs if sample[0, 0, 0] > 100]
    small = Image.new("L", (100, 100), 255)
    small.paste(0, (0, 50, 100, 100))
    expected = np.asarray(small.resize((4, 4), Image.Resampling.BILINEAR)).astype(int) - 127
    assert abs(found[..., 0] - expected.clip(-127, 127)).max() <= 5


def test_a_large_image_looks_like_the_same_one_in_small(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    image = Image.fromarray(noise).resize((240, 180), Image.Resampling.BICUBIC)
    usual = read(image).astype(int)
    monkeypatch.setattr(pixels, "LARGE_PIXELS", 1000)
    assert abs(read(image).astype(int) - usual).max() <= 6


def test_larger_ones_are_refused_in_words(tmp_path):
    root = image_folder(tmp_path, a=2, b=2)
    Image.new("1", (14_000, 13_000)).save(root / "a" / "wall.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        error = refused(root)
    assert error.what == "the image has over 170 million pixels; at most 170 million are read"
    assert error.hint.startswith("scale it down; the network reads far fewer")


@pytest.mark.parametrize(
    ("suffix", "format_"), [("heic", "HEIC"), ("HEIF", "HEIF"), ("avif", "AVIF"), ("nef", "a raw")]
)
def test_formats_that_are_not_read_are_named_with_the_way_out(tmp_path, suffix, format_):
    root = image_folder(tmp_path, a=2, b=2)
    (root / "b" / f"x.{suffix}").write_bytes(b"whatever")
    error = refused(root)
    assert error.where == str(root / "b" / f"x.{suffix}")
    assert error.what.startswith(f"the file is in {format_}")
    assert error.hint.startswith("convert it to JPEG; telephones can also be set to take JPEG")


@pytest.mark.parametrize(
    ("brand", "format_"), [(b"heic", "HEIC"), (b"mif1", "HEIF"), (b"avif", "AVIF")]
)
def test_heic_that_is_called_jpg(brand, format_):
    error = unreadable(bytes([0, 0, 0, 24]) + b"ftyp" + brand + bytes(40))
    assert error.what == f"the image is in {format_}, which is not read, whatever its name says"
    assert error.reason == f"{format_}: convert it to JPEG"


@pytest.mark.parametrize("mode", ["F", "I"])
def test_32_bits_a_pixel_have_no_white(mode):
    error = unreadable(stored(Image.new(mode, (4, 4)), "TIFF"))
    assert error.what == "the image has 32 bits a pixel, and nobody knows which value is white"
