"""Motion in folders of CSV files, and in packs of counts: rates, units, and what is clipped."""

import numpy as np
import pytest

from kilograd.data import InputSpec, load_dataset, pack_digest
from kilograd.errors import DataError
from kilograd.features import Motion

AXES = ("acc_x", "acc_y", "acc_z")
GYRO = ("gyro_x", "gyro_y", "gyro_z")
UNITS = (1 / 2048,) * 3 + (1 / 1024,) * 3
IN_G = Motion(50.0, 64, AXES + GYRO, UNITS, (2 / 127,) * 3 + (4 / 127,) * 3)
IN_METRES = Motion(50.0, 64, AXES, (0.01,) * 3, (40 / 127,) * 3)


def spec(features):
    return InputSpec(*features.shape, 1.0, 0, features)


def swing(rate, seconds=1.28, gravity=1.0, hertz=2.0, turn=1.0):
    """Somebody who swings an arm: float64 [samples, acc and gyro]."""
    time = np.arange(round(rate * seconds)) / rate
    wave = np.sin(2 * np.pi * hertz * time)
    acc = np.stack([0.3 * wave, 0.2 * wave, 1 + 0.1 * wave], axis=1) * gravity
    return np.concatenate([acc, turn * np.stack([wave, -wave, wave], axis=1)], axis=1)


def write(path, values, *, rate=50.0, names=AXES + GYRO, time="time", unit=1.0, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [*values.T]
    header = [*names]
    if time is not None:
        columns.insert(0, np.arange(len(values)) / rate / unit)
        header.insert(0, time)
    rows = [delimiter.join(f"{value:.9g}" for value in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([delimiter.join(header), *rows]) + "\n", encoding="utf-8")
    return path


def folder(root, make=None, **options):
    """Two classes of four recordings, slow and fast."""
    make = make or (lambda hertz: swing(options.get("rate", 50.0), hertz=hertz))
    for name, hertz in (("fast", 4.0), ("slow", 1.0)):
        for index in range(4):
            write(root / name / f"{index}.csv", make(hertz + 0.1 * index), **options)
    return root


def load(path, features=IN_G, **options):
    return load_dataset(path, spec(features), **options)


def refused(path, features=IN_G, **options):
    with pytest.raises(DataError) as caught:
        load(path, features, **options)
    return caught.value


def test_a_folder_of_motion(tmp_path):
    data = load(folder(tmp_path / "arm"))
    assert data.class_names == ("fast", "slow")
    assert data.train.inputs.shape == (6, 64, 1, 6)
    assert (len(data.test), data.notes) == (2, ())
    expected = {
        IN_G.apply(IN_G.counts(swing(50, hertz=hertz + 0.1 * index))).tobytes()
        for hertz in (4.0, 1.0)
        for index in range(4)
    }
    found = {sample.tobytes() for part in (data.train, data.test) for sample in part.inputs}
    assert found == expected


@pytest.mark.parametrize(
    "options",
    [
        {"time": "Time (s)"},
        {"time": "time_ms", "unit": 1e-3},
        {"time": "timestamp [us]", "unit": 1e-6},
        {"time": "time_ns", "unit": 1e-9},
        {"time": None},
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"names": tuple(f"{name.upper()} [g]" for name in AXES + GYRO)},
    ],
)
def test_headers_are_read_in_many_ways(tmp_path, options):
    known = pack_digest(load(folder(tmp_path / "a" / "arm")))
    data = load(folder(tmp_path / "b" / "arm", **options))
    assert pack_digest(data) == known
    unknown = "8 of 8 recordings: no column time or rate, taken to be sampled at 50 Hz"
    assert data.notes == ((unknown,) if options.get("time", "") is None else ())


@pytest.mark.parametrize("rate", [100.0, 104.0, 200.0, 25.0, 51.2])
def test_other_rates_are_resampled(tmp_path, rate):
    usual = load(folder(tmp_path / "a"))
    data = load(folder(tmp_path / "b", rate=rate))
    assert data.notes[0] == "8 of 8 recordings: resampled to 50 Hz"
    assert ("under 50 Hz" in " ".join(data.notes)) == (rate < 50)
    inner = slice(8, -8)
    error = data.train.inputs[:, inner].astype(int) - usual.train.inputs[:, inner]
    assert np.abs(error).max() <= 4


def test_fast_trembling_does_not_come_back_as_slow_motion(tmp_path):
    def tremble(_hertz):
        return swing(100.0, hertz=45.0)  # half the samples would show 5 Hz

    data = load(folder(tmp_path, tremble, rate=100.0))
    spread = data.train.inputs[:, 14:-14].astype(int)
    assert (spread.max(axis=1) - spread.min(axis=1)).max() <= 1


def test_a_rate_in_a_column(tmp_path):
    def with_rate(hertz):
        return np.concatenate([swing(100.0, hertz=hertz), np.full((128, 1), 100.0)], axis=1)

    path = folder(tmp_path, with_rate, time=None, names=(*AXES, *GYRO, "rate"))
    assert load(path).notes == ("8 of 8 recordings: resampled to 50 Hz",)


def test_metres_a_second_squared_at_100_hertz(tmp_path):
    def metric(hertz):
        return swing(100.0, gravity=9.81, hertz=hertz)

    data = load(folder(tmp_path, metric, rate=100.0))
    assert data.notes[0] == "8 of 8 recordings: resampled to 50 Hz"
    assert data.notes[1].startswith("clipped, since the network reads no more than ")
    assert "acc_z 100.0%" in data.notes[1]
    assert data.notes[2] == (
        "the values of acc look like m/s² (in the median they come to 10), and the network seems "
        "to read g: divide them by 9.81 if so"
    )
    same = load(tmp_path, IN_METRES)
    assert same.notes == ("8 of 8 recordings: resampled to 50 Hz",)


def test_g_for_a_network_that_reads_metres(tmp_path):
    notes = load(folder(tmp_path), IN_METRES).notes
    assert len(notes) == 1
    assert "look like g (in the median they come to 1.02)" in notes[0]
    assert "seems to read m/s²: multiply them by 9.81 if so" in notes[0]


def test_thousandths_of_g(tmp_path):
    notes = load(folder(tmp_path, lambda hertz: swing(50, gravity=1000, hertz=hertz))).notes
    assert "seems to read g: divide them by 1000 if so" in notes[-1]


def test_degrees_a_second(tmp_path):
    notes = load(folder(tmp_path, lambda hertz: swing(50, turn=57.3, hertz=hertz))).notes
    assert notes[-1] == (
        "the values of gyro look like degrees a second, and the network seems to read rad/s: "
        "divide them by 57.3 if so"
    )


def test_long_and_short_recordings(tmp_path):
    root = folder(tmp_path)
    write(root / "slow" / "long.csv", swing(50, 5.0))
    write(root / "slow" / "short.csv", swing(50, 0.9))
    assert load(root).notes == (
        "1 of 10 recordings: shorter than 1.28 s, with the first and the last sample held",
        "1 of 10 recordings: longer than 1.28 s, cut to the middle",
    )
    write(root / "slow" / "short.csv", swing(50, 0.5))
    error = refused(root)
    assert error.what == "the recording lasts 0.5 s, and the network reads 1.28 s"
    assert error.where == str(root / "slow" / "short.csv")


GOOD = "time,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z\n"
WRONG = {
    "empty": ("", "the file is empty"),
    "no samples": (GOOD, "the file has a header line and no samples"),
    "no header": ("0,1,2,3,4,5,6\n", "the file has no header line"),
    "no column": ("time,acc_x\n0,1\n", "the file has no column 'acc_y', which the network reads"),
    "word": (
        GOOD + "0,1,2,x,4,5,6\n",
        "line 2 has 'x' where a number of the column 'acc_z' should",
    ),
    "short line": (GOOD + "0,1,2\n", "line 2 has nothing where a number of the column 'acc_z'"),
    "NaN": (GOOD + "0,nan,2,3,4,5,6\n", "line 2 has 'nan' where a number of the column 'acc_x'"),
    "back": (GOOD + "0,1,2,3,4,5,6\n" * 2, "the column 'time' does not rise at line 3"),
    "comma": (GOOD.replace(",", ";") + "0;1,5;2;3;4;5;6\n", "line 2 has '1,5' where a number of"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_files(tmp_path, what):
    root = folder(tmp_path)
    text, message = WRONG[what]
    (root / "fast" / "1.csv").write_text(text)
    error = refused(root)
    assert error.what.startswith(message)
    assert error.where == str(root / "fast" / "1.csv")
    assert load(root, skip_broken=True).skipped[0].where == "fast/1.csv"


def test_what_is_no_text(tmp_path):
    root = folder(tmp_path)
    (root / "fast" / "1.csv").write_bytes(b"\xff\xfe\x00time")
    assert refused(root).what.startswith("this is no CSV file that can be read: ")


def test_times_with_a_gap_and_times_in_another_unit(tmp_path):
    root = folder(tmp_path / "a")
    lines = (root / "fast" / "1.csv").read_text().splitlines()
    (root / "fast" / "1.csv").write_text("\n".join(lines[:20] + lines[40:]))
    error = refused(root)
    assert error.what == "the column 'time' has a gap of 0.42 s before line 21"
    assert error.hint.startswith("cut the recording there into two files")
    error = refused(folder(tmp_path / "b", unit=1e-3))
    assert error.what.startswith("8 of 8 recordings of motion cannot be read: fast/0.csv (rate of")
    write(root / "fast" / "1.csv", swing(50), unit=1e-3)
    error = refused(root)
    assert error.what == "by the column 'time' the rate is 0.05 Hz, outside 1 to 20,000 Hz"
    assert error.hint.startswith("name it time (seconds), time_ms, time_us or time_ns, by what it")


# Packs.


def pack(path, values, **arrays):
    channels = np.array(AXES + GYRO)
    labels = np.arange(len(values)) % 2
    np.savez(path, x=values, channels=channels, labels=labels, **arrays)
    return path


def windows(rate=50.0, **options):
    return np.stack([swing(rate, hertz=1 + 0.3 * index, **options) for index in range(8)])


def test_counts_in_a_pack(tmp_path):
    usual = load(pack(tmp_path / "a.npz", windows()))
    counts = IN_G.counts(windows())
    own = load(pack(tmp_path / "b.npz", counts))
    assert pack_digest(own) == pack_digest(usual)
    halves = load(
        pack(tmp_path / "c.npz", (counts // 2).astype(np.int16), units=np.array(UNITS) * 2)
    )
    difference = halves.train.inputs.astype(int) - usual.train.inputs
    assert np.abs(difference).max() <= 1


def test_counts_at_the_ends_of_int16(tmp_path):
    counts = IN_G.counts(windows())
    counts[:, :5] = 32767
    notes = load(pack(tmp_path / "a.npz", counts)).notes
    assert notes[0] == "7.8% of the counts are at the ends of int16: the sensor clipped"
    assert notes[1].startswith("clipped, since the network reads no more than the ends of its")


def test_the_rate_of_a_pack(tmp_path):
    usual = load(pack(tmp_path / "a.npz", windows()))
    data = load(pack(tmp_path / "b.npz", windows(100.0), rate=np.array(100)))
    error = data.train.inputs[:, 8:-8].astype(int) - usual.train.inputs[:, 8:-8]
    assert np.abs(error).max() <= 2
    path = pack(tmp_path / "c.npz", windows(100.0), rate=np.array(200.0))
    assert refused(path).what == "its windows have 32 samples at 50 Hz; the network needs 64"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"rate": np.array(0.0)}, "its rate is 0.0, which is not one number of 1 to 20,000 Hz"),
        ({"rate": np.array([50, 50])}, "its rate is [50, 50], which is not one number"),
        ({"rate": np.array("50")}, "its rate is 50, which is not one number"),
        ({"units": np.ones(2)}, "units must be 6 numbers above 0: what a count of each channel is"),
        ({"units": np.zeros(6)}, "units must be 6 numbers above 0"),
    ],
)
def test_wrong_details_of_a_pack(tmp_path, arrays, message):
    path = pack(tmp_path / "a.npz", IN_G.counts(windows()), **arrays)
    error = refused(path)
    assert error.what.startswith(message)
    assert error.where == str(path)
