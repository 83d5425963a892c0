"""Sound of any width, rate and container becomes the same recording."""

import struct
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from kilograd.data import InputSpec, load_dataset, pack_digest
from kilograd.data.broken import UnreadableError
from kilograd.data.resample import resample_audio, resample_real
from kilograd.data.sound import read_sound
from kilograd.errors import DataError
from kilograd.features import LogMel

SPEECH = LogMel(8000, 64, 32, 7, 4, 100.0, 4000.0, 40.0, 0.125, 3)
AUDIO = InputSpec(*SPEECH.shape, SPEECH.scale, SPEECH.zero_point, SPEECH)


def tone(hertz, rate, seconds=0.5, loudness=0.5):
    """A sine wave: float64 [n]."""
    return loudness * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def write(path, samples, rate=8000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


def words(root, make, count=4):
    """A folder of two classes, of which ``make`` writes each file."""
    for word in ("no", "yes"):
        for index in range(count):
            (root / word).mkdir(parents=True, exist_ok=True)
            make(root / word / f"{index}.wav", word, index)
    return root


def noise(path, word, index, rate=8000, channels=1):
    rng = np.random.default_rng(len(word) * 10 + index)
    samples = rng.integers(-20000, 20000, (256, channels)).astype(np.int16)
    return write(path, samples, rate, subtype="PCM_16")


# Digests that were computed when only 16-bit WAV files at multiples of the rate were read.
KNOWN = {
    (8000, 1): "71be50b643b5b5b9323252a4cbc0e05b992a4648e42a323251055576ad32b21c",
    (16000, 1): "b8798063234f3631682bef0d8c7f58e51d7782f7e2b0111d54f8a6daec7242a4",
    (16000, 2): "666436348d3266c57afee3ac8a47bb30ced240c3c00e5cfa6c43afaff6824925",
    (48000, 2): "72d6a6119ef2f8b4e668cd7a83599ac67910c55aba4226a97dff1a98de45c36a",
}


@pytest.mark.parametrize(("rate", "channels"), KNOWN)
def test_16_bit_wav_gives_the_bytes_that_it_always_gave(tmp_path, rate, channels):
    rng = np.random.default_rng(7)

    def make(path, _word, index):
        samples = rng.integers(-20000, 20000, (700 + index, channels)).astype("<i2")
        write(path, samples, rate, subtype="PCM_16")

    data = load_dataset(words(tmp_path / "w", make), AUDIO)
    assert pack_digest(data) == KNOWN[rate, channels]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "PCM_32"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.wav", {"subtype": "DOUBLE"}),
        ("a.wav", {"subtype": "PCM_16", "format": "WAVEX"}),
        ("a.wav", {"subtype": "PCM_24", "format": "WAVEX"}),
        ("a.flac", {"subtype": "PCM_16"}),
        ("a.flac", {"subtype": "PCM_24"}),
    ],
)
def test_every_width_gives_the_same_16_bits(tmp_path, name, options):
    samples = np.random.default_rng(0).integers(-32768, 32768, 500).astype(np.int16)
    path = write(tmp_path / name, samples.astype(np.float64) / 32768, **options)
    found = read_sound(path)
    np.testing.assert_array_equal(found.samples, samples)
    assert (found.rate, found.is_clipped) == (8000, False)


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("a.wav", {"subtype": "PCM_U8"}, 260),
        ("a.wav", {"subtype": "ULAW"}, 700),
        ("a.ogg", {"format": "OGG"}, 1500),
    ],
)
def test_coarse_formats_come_close(tmp_path, name, options, error):
    wave = tone(440, 8000)
    found = read_sound(write(tmp_path / name, wave, **options)).samples
    assert len(found) == len(wave)
    assert np.abs(found - wave * 32768).max() < error


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF - 36])
def test_a_streamed_header_says_nothing_of_the_length(tmp_path, size):
    samples = np.arange(-300, 300, dtype=np.int16)
    path = write(tmp_path / "a.wav", samples, subtype="PCM_16")
    contents = bytearray(path.read_bytes())
    contents[4:8] = struct.pack("<I", 0xFFFFFFFF)
    contents[40:44] = struct.pack("<I", size)
    path.write_bytes(contents)
    np.testing.assert_array_equal(read_sound(path).samples, samples)


def heard(samples, rate, wanted):
    wave = np.rint(samples * 32767).astype(np.int16)
    return resample_audio(wave, Fraction(wanted, rate)) / 32767


RATES = [(44100, 8000), (44100, 16000), (22050, 8000), (22050, 16000), (48000, 16000)]
RATES += [(11025, 8000), (8000, 16000), (16000, 22050), (44056, 8000)]


@pytest.mark.parametrize(("rate", "wanted"), RATES)
@pytest.mark.parametrize("share", [0.05, 0.4, 0.7])
def test_what_can_be_heard_stays(rate, wanted, share):
    hertz = share * min(rate, wanted) / 2
    found = heard(tone(hertz, rate), rate, wanted)
    assert len(found) == -(-round(rate * 0.5) * wanted // rate)
    inner = slice(100, len(found) - 100)
    np.testing.assert_allclose(
        found[inner], tone(hertz, wanted, 0.6)[: len(found)][inner], atol=5e-3
    )


@pytest.mark.parametrize(("rate", "wanted"), [pair for pair in RATES if pair[0] > pair[1]])
@pytest.mark.parametrize("share", [1.16, 1.3, 1.7, 2.3])
def test_what_cannot_be_heard_does_not_come_back_as_another_tone(rate, wanted, share):
    hertz = share * wanted / 2
    if hertz > rate / 2:
        pytest.skip("the recording cannot hold it")
    found = heard(tone(hertz, rate, loudness=0.9), rate, wanted)
    assert np.abs(found[100:-100]).max() < 0.9 / 1000  # 60 dB


def test_more_samples_bring_no_other_tones():
    found = heard(tone(3000, 8000, loudness=0.9), 8000, 16000)[200:-200]
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    hertz = np.fft.rfftfreq(len(found), 1 / 16000)
    assert spectrum[hertz > 4600].max() < spectrum.max() / 1000


def test_real_signals_hold_their_ends():
    values = np.full((40, 2), 9.81)
    for ratio in (Fraction(1, 2), Fraction(25, 52), Fraction(3, 1)):
        np.testing.assert_allclose(resample_real(values, ratio), 9.81, rtol=1e-12)


def test_24_bit_at_44100_hertz_sounds_like_16_bit_at_8000(tmp_path):
    def fine(path, word, index):
        wave = tone(400 * len(word) + 10 * index, 44100, 0.2)
        write(path, wave, 44100, subtype="PCM_24")

    def usual(path, word, index):
        write(path, tone(400 * len(word) + 10 * index, 8000, 0.2), subtype="PCM_16")

    found, expected = (
        load_dataset(words(tmp_path / make.__name__, make), AUDIO) for make in (fine, usual)
    )
    assert found.notes == (
        "8 of 8 recordings: resampled from 44100 Hz to 8000 Hz",
        "8 of 8 recordings: longer than 0.032 s, cut to the middle",
    )
    loud = expected.train.inputs > 0
    difference = found.train.inputs.astype(int) - expected.train.inputs
    assert np.abs(difference[loud]).max() <= 4


def test_stereo_floats_at_48000_hertz(tmp_path):
    def make(path, word, index):
        wave = tone(300 * len(word) + index, 48000, 0.05)
        write(path, np.stack([wave, np.zeros_like(wave)], axis=1), 48000, subtype="FLOAT")

    data = load_dataset(words(tmp_path, make), AUDIO)
    assert data.notes[0] == "8 of 8 recordings: resampled from 48000 Hz to 8000 Hz"
    assert len(data.train) == 6


def test_ten_samples_and_silence_are_said(tmp_path):
    root = words(tmp_path, noise)
    write(root / "no" / "0.wav", np.arange(10, dtype=np.int16) * 900, subtype="PCM_16")
    write(root / "no" / "1.wav", np.zeros(256, np.int16), subtype="PCM_16")
    noise(root / "no" / "2.wav", "no", 2, rate=4000)
    write(root / "yes" / "3.wav", np.full(256, 1.5), subtype="FLOAT")
    assert load_dataset(root, AUDIO).notes == (
        "1 of 8 recordings: resampled from 4000 Hz to 8000 Hz",
        "1 of 8 recordings: under 8000 Hz, so the highest sounds are missing",
        "1 of 8 recordings: shorter than 0.032 s, padded with silence on both sides",
        "1 of 8 recordings: longer than 0.032 s, cut to the middle",
        "1 of 8 recordings: silent in the part that the network hears",
        "1 of 8 recordings: beyond full scale, clipped",
    )


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        load_dataset(path, AUDIO, **options)
    return caught.value


def test_all_broken_recordings_are_in_one_error(tmp_path):
    root = words(tmp_path, noise)
    (root / "no" / "0.wav").write_bytes(b"no sound")
    write(root / "no" / "1.wav", np.zeros(0, np.int16), subtype="PCM_16")
    write(root / "yes" / "2.wav", np.array([0.5, np.nan]), subtype="FLOAT")
    (root / "yes" / "x.mp3").touch()
    assert refused(root).what == (
        "4 of 9 recordings cannot be read: yes/x.mp3 (MP3: convert it to WAV or FLAC), "
        "no/0.wav (cannot be read), no/1.wav (is empty), yes/2.wav (NaN or infinity)"
    )
    data = load_dataset(root, AUDIO, skip_broken=True)
    assert len(data.train) + len(data.test) == 5
    assert len(data.skipped) == 4


def test_mp3_that_is_called_wav(tmp_path):
    if "MP3" not in soundfile.available_formats():
        pytest.skip("libsndfile is older than MP3 in it")
    write(tmp_path / "a.wav", tone(440, 8000), format="MP3")
    with pytest.raises(UnreadableError) as caught:
        read_sound(tmp_path / "a.wav")
    assert caught.value.what == (
        "the recording is in MP3, which is not read, whatever its name says"
    )


@pytest.mark.parametrize("name", ["no", "yes"])
def test_flac_and_ogg_lie_beside_wav(tmp_path, name):
    root = words(tmp_path, noise)
    write(root / name / "a.flac", tone(440, 8000))
    write(root / name / "B.OGG", tone(440, 8000), format="OGG")
    data = load_dataset(root, AUDIO)
    assert len(data.train) + len(data.test) == 10
