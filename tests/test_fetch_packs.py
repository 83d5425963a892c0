"""Data packs are made from repositories and archives, and compared with what was recorded."""

import io
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile
from PIL import Image

from experiments import fetch_packs
from experiments.packs import recipes as recipes_module
from experiments.packs import sources
from experiments.packs.compare import compare
from experiments.packs.prepare import mulaw_codes
from experiments.packs.recipes import Recipe, Source
from experiments.packs.record import record
from kilograd.data import InputSpec, load_dataset
from kilograd.features import decode_mulaw
from kilograd.features.mulaw import magnitudes

SOURCE = Source("owner/pictures", "0123456789abcdef0123456789abcdef01234567")
SPEC = InputSpec(128, 128, 3, 1.0, 0)
FILES = ("red/{}.png", "blue/{}.png")
SPLITS = (0, 0, 1)


def a_recipe(**changes):
    recipe = Recipe("made_up", (SOURCE,), "crop", "none", False, "no", "by hand")
    return replace(recipe, **changes)


def picture(seed, size=(150, 140), base=(0, 0, 0)):
    """A smooth picture with some noise, as a PNG file."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 120, (8, 8, 3)) + np.array(base)
    image = Image.fromarray(pixels.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def jpeg(content, quality=90):
    """What `crop` makes of a picture of 150×140, told another way."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    resized = image.resize((137, 128), Image.Resampling.BICUBIC).crop((4, 0, 132, 128))
    file = io.BytesIO()
    resized.save(file, "JPEG", quality=quality)
    return file.getvalue()


def ids_and_pictures():
    """Ids, labels and splits of six pictures, and the files of their repository."""
    rows = [
        (pattern.format(number), label, SPLITS[number])
        for label, pattern in enumerate(FILES)
        for number in range(3)
    ]
    files = {
        row_id: picture(index, base=((90, 0, 0), (0, 0, 90))[label])
        for index, (row_id, label, _) in enumerate(rows)
    }
    return rows, files


def pack_of(rows, samples, **more):
    """Arrays of a pack of JPEG files."""
    return {
        "jpeg": np.frombuffer(b"".join(samples), np.uint8),
        "offsets": np.cumsum([0, *map(len, samples)]).astype(np.int64),
        "labels": np.array([label for _, label, _ in rows], np.int16),
        "split": np.array([split for _, _, split in rows], np.uint8),
        "class_names": np.array(["red", "blue"]),
        "ids": np.array([row_id.encode() for row_id, _, _ in rows]),
        "source": np.array("owner/pictures"),
        **more,
    }


def check_out(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def archive_of(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"README.md": b"not wanted", **files}.items():
            member = tarfile.TarInfo(f"pictures-0123456/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


class World:
    """A recipe, its record, and folders of packs and checkouts."""

    def __init__(self, tmp_path, monkeypatch, capsys):
        self.packs, self.checkouts = tmp_path / "packs", tmp_path / "checkouts"
        self.recorded = tmp_path / "recorded"
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.setattr(recipes_module, "RECORDED", self.recorded)
        monkeypatch.setenv("KILOGRAD_CACHE", str(tmp_path / "cache"))
        recipes_module.read_recorded.cache_clear()

    def know(self, recipe, arrays):
        record(recipe, arrays, self.recorded)
        recipes_module.read_recorded.cache_clear()
        self._monkeypatch.setattr(fetch_packs, "recipes", lambda: {recipe.name: recipe})

    def run(self, *arguments, downloads=False):
        where = [] if downloads or "--check" in arguments else ["--from", str(self.checkouts)]
        code = fetch_packs.main([*arguments, "--to", str(self.packs), *where])
        text = self._capsys.readouterr()
        return code, text.out, text.err

    def refused(self, *arguments, **more):
        code, _, told = self.run(*arguments, **more)
        assert code == 2
        assert not list(self.packs.glob("*")), "something was written"
        return told


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    yield World(tmp_path, monkeypatch, capsys)
    recipes_module.read_recorded.cache_clear()


@pytest.fixture
def pictures(world):
    """The world of six pictures, whose record was made with the same preparation."""
    rows, files = ids_and_pictures()
    check_out(world.checkouts / "owner" / "pictures", files)
    world.know(a_recipe(), pack_of(rows, [jpeg(files[row_id]) for row_id, _, _ in rows]))
    return world


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder whose files are served as GitHub serves archives."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    monkeypatch.setattr(sources, "ARCHIVES", f"http://127.0.0.1:{serving.server_port}")
    yield folder / "owner" / "pictures" / "tar.gz" / SOURCE.commit
    serving.shutdown()
    serving.server_close()


def test_a_pack_is_made_from_a_checkout(pictures):
    code, told, _ = pictures.run()
    path = pictures.packs / "made_up.npz"
    assert (code, told) == (0, f"made_up: identical: {path}\n")
    dataset = load_dataset(path, SPEC)
    assert dataset.class_names == ("red", "blue")
    assert (len(dataset.train.labels), len(dataset.test.labels)) == (4, 2)
    assert dataset.train.inputs[..., 0].mean() != dataset.train.inputs[..., 2].mean()
    assert pictures.run() == (0, "made_up: there already, identical\n", "")
    assert pictures.run("--check") == (0, "made_up: identical\n", "")


def test_a_pack_is_made_from_a_downloaded_archive(pictures, server, tmp_path):
    archive_of(server, ids_and_pictures()[1])
    code, told, _ = pictures.run("made_up", downloads=True)
    assert code == 0
    assert told.startswith("made_up: reading owner/pictures@0123456\nmade_up: identical: ")
    assert [path.name for path in (tmp_path / "cache" / "archives").iterdir()] == [
        f"owner+pictures-{SOURCE.commit}.tar.gz"
    ]


def test_without_a_network(pictures, monkeypatch):
    monkeypatch.setattr(sources, "ARCHIVES", "http://127.0.0.1:9")
    told = pictures.refused(downloads=True)
    assert "the archive of owner/pictures@0123456 cannot be downloaded (ConnectionError)" in told
    assert "--from" in told


def test_an_archive_that_is_gone(pictures, server):
    assert "cannot be downloaded (HTTPError)" in pictures.refused(downloads=True)


def test_an_archive_that_was_cut_off(pictures, server):
    archive_of(server, ids_and_pictures()[1])
    server.write_bytes(server.read_bytes()[:-4000])
    told = pictures.refused(downloads=True)
    assert "the archive of owner/pictures@0123456 is damaged" in told
    assert "delete it" in told


def test_an_archive_that_lacks_a_file(pictures, server):
    files = ids_and_pictures()[1]
    del files["red/1.png"]
    archive_of(server, files)
    assert "owner/pictures@0123456 lacks red/1.png" in pictures.refused(downloads=True)


def test_a_checkout_that_is_missing(pictures):
    (pictures.checkouts / "owner").rename(pictures.checkouts / "other")
    assert "there is no checkout of owner/pictures@0123456" in pictures.refused()


def test_a_checkout_that_lacks_files(pictures):
    root = pictures.checkouts / "owner" / "pictures"
    for path in root.glob("*/*.png"):
        path.unlink()
    told = pictures.refused()
    assert "lacks red/0.png, red/1.png, red/2.png and 3 more" in told
    assert SOURCE.commit in told


def test_a_file_that_is_no_picture(pictures):
    path = pictures.checkouts / "owner" / "pictures" / "blue" / "2.png"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    told = pictures.refused()
    assert "owner/pictures@0123456: blue/2.png: it cannot be read" in told
    assert "Git LFS" in told


def test_other_jpeg_bytes(world):
    rows, files = ids_and_pictures()
    check_out(world.checkouts / "pictures", files)
    contents = [
        jpeg(files[row_id], quality=90 if k else 80) for k, (row_id, _, _) in enumerate(rows)
    ]
    original = pack_of(rows, contents)
    world.know(a_recipe(), original)
    copies = world.packs.parent / "copies"
    copies.mkdir()
    np.savez(copies / "made_up.npz", **original)
    code, told, _ = world.run("--against", str(copies))
    assert code == 0
    assert "same listing, other JPEG bytes (1 of 6 files differ, mean colours differ by at " in told
    assert "1 of 6 differ from the other copy, mean pixel difference 0." in told
    assert world.run("--check")[0] == 0


def test_other_pictures(pictures):
    path = pictures.checkouts / "owner" / "pictures" / "blue" / "2.png"
    path.write_bytes(picture(5, base=(90, 90, 0)))
    told = pictures.refused()
    assert "what was made is not the recorded pack, and is not written" in told
    assert "which is too much, first in blue/2.png" in told


def test_files_that_are_copied_must_be_the_same(world):
    rows, files = ids_and_pictures()
    files = {name: jpeg(content) for name, content in files.items()}
    recipe = a_recipe(preparation="copy")
    world.know(recipe, pack_of(rows, [files[row_id] for row_id, _, _ in rows]))
    assert recipe.recorded.prints is None
    check_out(world.checkouts / "owner+pictures", files)
    assert world.run()[0] == 0
    (world.packs / "made_up.npz").unlink()
    check_out(world.checkouts / "owner+pictures", {"red/0.png": files["red/1.png"]})
    assert "the source's files are used as they are, so these are other files" in world.refused()


def test_several_sources(world):
    others = Source("somebody/else", "abcdef0")
    rows, files = ids_and_pictures()
    rows = [(f"owner+pictures/{rows[0][0]}", 0, 0), (f"somebody+else/{rows[3][0]}", 1, 0)]
    recipe = a_recipe(sources=(SOURCE, others))
    world.know(recipe, pack_of(rows, [jpeg(files["red/0.png"]), jpeg(files["blue/0.png"])]))
    check_out(world.checkouts / "pictures", {"red/0.png": files["red/0.png"]})
    check_out(world.checkouts / "else-abcdef0", {"blue/0.png": files["blue/0.png"]})
    assert world.run()[:2] == (0, f"made_up: identical: {world.packs / 'made_up.npz'}\n")


def test_another_pack_is_not_replaced(pictures):
    rows, files = ids_and_pictures()
    pictures.packs.mkdir()
    path = pictures.packs / "made_up.npz"
    rows[1] = (rows[1][0], 1, rows[1][2])
    np.savez(path, **pack_of(rows, [jpeg(files[row_id]) for row_id, _, _ in rows]))
    before = path.read_bytes()
    code, _, told = pictures.run()
    assert code == 2
    assert "it is there already, and is another: another listing: " in told
    assert "sample 1 is red/1.png (label 1, split 0) instead of red/1.png (label 0" in told
    assert path.read_bytes() == before
    assert pictures.run("--check")[0] == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"split": None}, "it lacks the array 'split'"),
        ({"more": np.zeros(3)}, "it also has the array 'more'"),
        ({"ids": np.array(["a"] * 6)}, "ids is <U1 [6] instead of |S10 [6]"),
        ({"split": np.zeros(5, np.uint8)}, "its arrays do not have one length"),
        ({"class_names": np.array(["red", "green"])}, "the class names are not those"),
        ({"source": np.array("elsewhere")}, "same listing and samples, other source"),
        ({"jpeg": np.zeros(100, np.uint8)}, "samples that cannot be read"),
    ],
)
def test_what_differs_is_told(pictures, changes, told):
    rows, files = ids_and_pictures()
    arrays = pack_of(rows, [jpeg(files[row_id]) for row_id, _, _ in rows], **changes)
    arrays = {name: array for name, array in arrays.items() if array is not None}
    found = compare(a_recipe(), arrays)
    assert told in found.text
    assert found.is_right == ("source" in changes)


def test_a_file_that_is_no_pack(pictures):
    pictures.packs.mkdir()
    (pictures.packs / "made_up.npz").write_bytes(b"PK nothing")
    code, _, told = pictures.run("--check")
    assert code == 2
    assert "made_up.npz: it is not a pack" in told


def test_a_pack_that_is_not_there(pictures):
    assert "made_up.npz: there is no such file" in pictures.refused("--check")


def test_a_pack_that_is_not_known(capsys):
    assert fetch_packs.main(["flowers18"]) == 2
    told = capsys.readouterr().err
    assert "flowers18: there is no recipe for this pack" in told
    assert "known packs are cifar10_jpeg32, flowers17_128" in told


def wave(samples, rate):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


@pytest.mark.parametrize(("preparation", "rate"), [("mulaw", 8000), ("resample", 16000)])
def test_audio(world, preparation, rate):
    rng = np.random.default_rng(0)
    lengths = (rate, rate // 2)
    clips = [np.repeat(rng.integers(-9000, 9000, n // 4), 4).astype(np.int16) for n in lengths]
    if preparation == "mulaw":
        codes = [mulaw_codes(clip / 32768) for clip in clips]
        more = {"mulaw": np.concatenate(codes), "offsets": np.cumsum([0, *map(len, codes)])}
    else:
        signal = pytest.importorskip("scipy.signal")
        halves = [signal.resample_poly(clip / 32768, 1, 2) for clip in clips]
        padded = np.stack([np.pad(half, (0, 8000 - len(half))) for half in halves])
        more = {"mulaw": mulaw_codes(padded)}
    recipe = a_recipe(preparation=preparation, prefix="recordings/")
    arrays = {
        "labels": np.array([0, 1], np.int16),
        "split": np.array([0, 1], np.uint8),
        "class_names": np.array(["zero", "one"]),
        "ids": np.array([b"0_a_0.wav", b"1_a_0.wav"]),
        **more,
    }
    world.know(recipe, arrays)
    files = {f"recordings/{k}_a_0.wav": wave(clip, rate) for k, clip in enumerate(clips)}
    check_out(world.checkouts / "pictures", files)
    assert world.run()[:2] == (0, f"made_up: identical: {world.packs / 'made_up.npz'}\n")


def test_codes_are_those_that_are_decoded():
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(mulaw_codes(decode_mulaw(codes) / 32767), codes)
    assert mulaw_codes(np.array([0.0, 1.5, -1.5])).tolist() == [128, 255, 0]
    assert magnitudes()[0] == 3


def test_motion(world):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 16, 2)).round(5)
    recipe = a_recipe(preparation="windows")
    world.know(
        recipe,
        {
            "x": x.astype(np.float16),
            "labels": np.array([0, 1, 0, 1], np.int16),
            "split": np.array([0, 0, 1, 1], np.uint8),
            "subject": np.array([2, 2, 4, 4], np.int16),
            "channels": np.array(["acc_x", "acc_y"]),
            "class_names": np.array(["walk", "sit"]),
        },
    )
    for k, name in enumerate(("acc_x", "acc_y")):
        lines = "\n".join(",".join(f"{value:g}" for value in row) for row in x[..., k])
        check_out(world.checkouts / "pictures", {f"{name}_test.csv": lines.encode()})
    assert world.run()[:2] == (0, f"made_up: identical: {world.packs / 'made_up.npz'}\n")
    (world.packs / "made_up.npz").unlink()
    path = world.checkouts / "pictures" / "acc_y_test.csv"
    path.write_text(path.read_text().rsplit("\n", 1)[0])
    assert "the files of its source do not fit together" in world.refused()
