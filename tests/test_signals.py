"""Packs of audio and motion: what is read, and what is refused in words."""

import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from kilograd.data import InputSpec, load_dataset
from kilograd.data.resample import resample_audio
from kilograd.data.signals import fit_recording
from kilograd.data.sound import read_sound
from kilograd.errors import DataError
from kilograd.features import LogMel, Motion, decode_mulaw

PACKS = Path(__file__).parents[2] / "shared" / "data"
SPEECH = LogMel(8000, 64, 32, 7, 4, 100.0, 4000.0, 40.0, 0.125, 3)
MOTION = Motion(50.0, 4, ("acc_y", "gyro"), (0.01, 0.02), (0.1, 0.1))
IMAGES = InputSpec(48, 48, 3, 1 / 127.5, 0)
AUDIO = InputSpec(*SPEECH.shape, SPEECH.scale, SPEECH.zero_point, SPEECH)
SENSORS = InputSpec(*MOTION.shape, 1.0, 0, MOTION)


def pack(path, *, count=8, **changes):
    arrays = {"labels": np.arange(count) % 2, "split": np.arange(count) // 6} | changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def audio_pack(path, **changes):
    rng = np.random.default_rng(0)
    return pack(path, **{"mulaw": rng.integers(0, 256, (8, 300)).astype(np.uint8)} | changes)


def ragged_pack(path, **changes):
    rng = np.random.default_rng(0)
    offsets = np.cumsum([0, 100, 256, 255, 300, 1, 500, 257, 256])
    mulaw = rng.integers(0, 256, offsets[-1]).astype(np.uint8)
    return pack(path, **{"mulaw": mulaw, "offsets": offsets} | changes)


def motion_pack(path, **changes):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (8, 6, 3)).astype(np.float16)
    names = np.array(["gyro", "acc_x", "acc_y"])
    return pack(path, **{"x": x, "channels": names} | changes)


def refused(path, spec):
    with pytest.raises(DataError) as caught:
        load_dataset(path, spec)
    assert caught.value.where == str(path)
    return caught.value


def test_audio_becomes_log_mel(tmp_path):
    path = audio_pack(tmp_path / "words.npz")
    data = load_dataset(path, AUDIO)
    assert data.name == "words"
    assert data.train.inputs.shape == (6, 7, 4, 1)
    assert len(data.test) == 2
    clips = decode_mulaw(np.load(path)["mulaw"])[:, 22:278]
    maps = SPEECH.apply(clips)
    assert sorted(m.tobytes() for m in data.train.inputs) == sorted(m.tobytes() for m in maps[:6])


def test_recordings_of_any_length(tmp_path):
    data = load_dataset(ragged_pack(tmp_path / "a.npz"), AUDIO)
    assert len(data.train) == 6
    assert data.train.inputs.shape == (6, 7, 4, 1)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (3, [0, 1, 2, 3, 0, 0]),
        (6, [1, 2, 3, 4, 5, 6]),
        (7, [1, 2, 3, 4, 5, 6]),
        (9, [2, 3, 4, 5, 6, 7]),
        (0, [0] * 6),
    ],
)
def test_recordings_are_cut_and_filled_on_both_sides(count, expected):
    samples = np.arange(1, count + 1, dtype=np.int16)
    assert fit_recording(samples, 6).tolist() == expected


def test_motion_takes_its_channels_by_name(tmp_path):
    path = motion_pack(tmp_path / "a.npz")
    data = load_dataset(path, SENSORS)
    x = np.load(path)["x"].astype(np.float64)[:, :4]
    expected = np.clip(np.rint(x[..., [2, 0]] * 10), -128, 127)
    assert data.train.inputs.shape == (6, 4, 1, 2)
    found = {m.tobytes(): m for m in data.train.inputs}
    for window in expected[:6]:
        assert min(np.abs(m[:, 0] - window).max() for m in found.values()) <= 1


CROSSED = {
    "audio to images": (audio_pack, IMAGES, "the pack holds audio, and the network reads images"),
    "motion to images": (motion_pack, IMAGES, "holds motion, and the network reads images (48×48"),
    "motion to audio": (motion_pack, AUDIO, "holds motion, and the network reads audio (7×4×1)"),
    "audio to motion": (audio_pack, SENSORS, "the pack holds audio, and the network reads motion"),
}


@pytest.mark.parametrize("what", CROSSED)
def test_packs_of_another_kind(tmp_path, what):
    make, spec, message = CROSSED[what]
    error = refused(make(tmp_path / "a.npz"), spec)
    assert message in error.what
    assert "comes with kilograd and reads" in error.hint


def test_images_for_a_network_that_listens(tmp_path):
    jpeg = {"jpeg": np.zeros(9, np.uint8), "offsets": np.arange(9)}
    error = refused(pack(tmp_path / "a.npz", **jpeg), AUDIO)
    assert error.what == "the pack holds images, and the network reads audio (7×4×1)"
    assert error.hint == "kilograd-48 comes with kilograd and reads images"
    (tmp_path / "folder" / "cat").mkdir(parents=True)
    error = refused_at(tmp_path / "folder", SENSORS)
    assert error.what == "the class folder 'cat' has no recordings of motion"


WRONG_AUDIO = {
    "type": ({"mulaw": np.zeros((8, 300))}, "mulaw is float64 [8, 300] instead of uint8 [n, samp"),
    "shape": ({"mulaw": np.zeros((8, 3, 2), np.uint8)}, "mulaw is uint8 [8, 3, 2] instead of"),
    "empty": ({"mulaw": np.zeros((8, 0), np.uint8)}, "mulaw is uint8 [8, 0] instead of"),
    "count": ({"mulaw": np.zeros((7, 300), np.uint8)}, "mulaw has 7 recordings for 8 labels"),
    "flat": ({"mulaw": np.zeros(300, np.uint8)}, "the pack has no array 'offsets'"),
    "rate": ({"rate": np.array(16000)}, "its rate is 16000 Hz, and the network listens at 8000 Hz"),
}


@pytest.mark.parametrize("what", WRONG_AUDIO)
def test_wrong_audio(tmp_path, what):
    changes, message = WRONG_AUDIO[what]
    assert message in refused(audio_pack(tmp_path / "a.npz", **changes), AUDIO).what


def test_wrong_offsets_of_audio(tmp_path):
    offsets = np.array([0, 5, 4, 6, 7, 8, 9, 10, 1925])
    error = refused(ragged_pack(tmp_path / "a.npz", offsets=offsets), AUDIO)
    assert error.what == "offsets do not rise from 0 to 1925, the end of mulaw"
    error = refused(ragged_pack(tmp_path / "a.npz", offsets=offsets[:4]), AUDIO)
    assert error.what == "offsets has 4 entries for 8 labels; it needs one more"


WRONG_MOTION = {
    "type": ({"x": np.zeros((8, 6, 3), int)}, "x is int64 [8, 6, 3] instead of float [n, samples,"),
    "shape": ({"x": np.zeros((8, 6))}, "x is float64 [8, 6] instead of float"),
    "count": ({"x": np.zeros((7, 6, 3))}, "x has 7 windows for 8 labels"),
    "short": ({"x": np.zeros((8, 3, 3))}, "its windows have 3 samples; the network needs 4"),
    "NaN": ({"x": np.full((8, 6, 3), np.nan)}, "window 0 of x holds NaN or infinity"),
    "no names": ({"channels": None}, "channels must be the names of the 3 channels of x"),
    "few names": ({"channels": np.array(["a"])}, "channels must be the names of the 3 channels"),
    "names": ({"channels": np.arange(3)}, "channels must be the names of the 3 channels of x"),
    "missing": (
        {"channels": np.array(["gyro", "acc_x", "acc_z"])},
        "the pack has no channel 'acc_y', which the network reads",
    ),
}


@pytest.mark.parametrize("what", WRONG_MOTION)
def test_wrong_motion(tmp_path, what):
    changes, message = WRONG_MOTION[what]
    assert message in refused(motion_pack(tmp_path / "a.npz", **changes), SENSORS).what


def test_plain_inputs_fit_any_network(tmp_path):
    inputs = np.zeros((8, 7, 4, 1), np.int8)
    path = pack(tmp_path / "a.npz", inputs=inputs)
    assert load_dataset(path, AUDIO).train.inputs.shape == (6, 7, 4, 1)
    assert "inputs has shape (8, 7, 4, 1)" in refused(path, SENSORS).what


# Folders of recordings.


def write_wav(path, samples, *, rate=8000, width=2, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(np.asarray(samples, f"<i{width}").tobytes())
    return path


def write_wav_at(path, rate):
    """With a rate that `wave` would not write."""
    contents = bytearray(write_wav(path, [1, 2]).read_bytes())
    contents[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(contents)


def test_a_folder_of_recordings(tmp_path):
    rng = np.random.default_rng(0)
    clips = rng.integers(-9000, 9000, (2, 4, 300)).astype(np.int16)
    for label, word in enumerate(("no", "yes")):
        for index in range(4):
            write_wav(tmp_path / "words" / word / f"{index}.WAV", clips[label, index])
    data = load_dataset(tmp_path / "words", AUDIO)
    assert data.class_names == ("no", "yes")
    assert (len(data.train), len(data.test)) == (6, 2)
    maps = {
        SPEECH.apply(clip).tobytes(): label for label in (0, 1) for clip in clips[label, :, 22:]
    }
    for samples in (data.train, data.test):
        for found, label in zip(samples.inputs, samples.labels, strict=True):
            assert maps[found.tobytes()] == label


def test_a_folder_without_recordings(tmp_path):
    for word in ("no", "yes"):
        (tmp_path / word).mkdir()
    error = refused_at(tmp_path, AUDIO)
    assert error.what == "the class folder 'no' has no recordings"
    assert (
        "recordings end in .flac, .ogg, .wav; the layout is one folder of recordings per"
        in error.hint
    )


def refused_at(path, spec):
    with pytest.raises(DataError) as caught:
        load_dataset(path, spec)
    return caught.value


def test_stereo_is_averaged(tmp_path):
    path = write_wav(tmp_path / "a.wav", [100, 300, -5, -6, 32767, 32767], channels=2)
    assert read_sound(path).samples.tolist() == [200, -6, 32767]


def decimated(samples, factor):
    return resample_audio(samples, Fraction(1, factor))


def test_other_rates_keep_what_the_network_can_hear():
    time = np.arange(4800) / 48000
    low = 10000 * np.sin(2 * np.pi * 1000 * time)
    high = 10000 * np.sin(2 * np.pi * 5000 * time)
    heard = decimated(np.rint(low + high).astype(np.int16), 6).astype(int)
    assert len(heard) == 800
    inner = slice(50, -50)
    assert np.abs(heard - low[::6])[inner].max() < 40
    constant = decimated(np.full(900, -32768, np.int16), 3)
    assert np.abs(constant[20:-20].astype(int) + 32768).max() <= 8
    assert decimated(np.ones(7, np.int16), 3).shape == (3,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b"RIFF"), "this is no WAV file that can be read"),
        (lambda p: p.write_bytes(b""), "this is no WAV file that can be read"),
        (lambda p: p.write_bytes(b"ID3" + bytes(99)), "this is no WAV file that can be read"),
        (lambda p: write_wav(p, []), "the recording is empty"),
        (lambda p: write_wav_at(p, 0), "this is no WAV file that can be read"),
        (lambda p: write_wav_at(p, 400_000), "the recording has 400000 Hz"),
        (lambda p: write_wav_at(p, 8000 * 500_000), "this is no WAV file that can be read"),
    ],
)
def test_recordings_that_cannot_be_read(tmp_path, make, message):
    path = tmp_path / "a.wav"
    make(path)
    with pytest.raises(DataError) as caught:
        read_sound(path)
    assert message in caught.value.what
    assert caught.value.where == str(path)
