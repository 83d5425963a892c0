"""The protocol of a serial line: the C in this process, and what it must refuse."""

import random
import struct
from collections import Counter

import numpy as np
import pytest

from kilograd.device.open import open_device
from kilograd.device.serial_frames import MOST_DATA, Frame, Kind
from kilograd.errors import DataError, DeviceError
from serial_line.cases import CLASSES, RATE, learn, make_case, repeat_sessions
from serial_line.wires import Board, Clock, board_library, connect


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(autouse=True)
def repeatable(monkeypatch):
    repeat_sessions(monkeypatch)


@pytest.fixture
def programs(case):
    return case.programs


@pytest.fixture
def libraries(case):
    return case.libraries


@pytest.fixture
def lessons(case):
    return case.lessons


@pytest.fixture
def digests(case):
    return case.digests


@pytest.fixture(params=[False, True], ids=["held", "rows"])
def rows(request):
    return request.param


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(libraries, rows, clock):
    return Board(libraries[rows], clock)


@pytest.fixture
def device(programs, rows, board, clock):
    with connect(programs[rows], board, clock) as opened:
        opened.initialize(0)
        yield opened


def test_a_good_line_gives_the_bits_of_the_host(device, board, lessons, digests, rows):
    assert learn(device, lessons, 20) == digests[:20]
    assert device.has_row_input == rows
    assert device.counters().training.steps == board.steps == 20
    assert device._link.repeats == 0
    sample = lessons[0][0]
    logits = device.predict(sample)
    assert logits.shape == (CLASSES,)
    device.set_active_classes(5)
    assert (device.predict(sample)[5:] == -(1 << 31)).all()
    assert np.array_equal(device.predict(sample)[:5], logits[:5])
    assert device.seconds_last_call() == pytest.approx(0.0015)


def test_the_state_goes_there_and_back(device, programs, lessons, digests):
    learn(device, lessons, 3)
    state = device.read_state()
    device.set_active_classes(7)
    device.initialize(9)
    device.write_state(state)
    assert device.read_state() == state
    with open_device(programs[False], "host") as host:
        host.write_state(state)
        assert np.array_equal(host.predict(lessons[0][5]), device.predict(lessons[0][5]))
    with pytest.raises(DataError, match="the state of this network has"):
        device.write_state(state[:-1])


def test_a_state_that_is_not_whole_is_none(device, programs, lessons):
    """There is no room for a second one, so what has begun to be written is no network."""
    state = device.read_state()
    sample = lessons[0][0]
    device._ask(Kind.WRITE_BEGIN)
    device._ask(Kind.WRITE_STATE, 0, state[:MOST_DATA])
    for what in (
        lambda: device.predict(sample),
        lambda: device.train_step(sample, 0, RATE),
        device.read_state,
        lambda: device.set_active_classes(3),
        device.save,
    ):
        with pytest.raises(DeviceError, match=r"refused .*: the network is not initialized"):
            what()
    with pytest.raises(DeviceError, match="WRITE_END: a piece that does not follow"):
        device._ask(Kind.WRITE_END, 0)
    device._ask(Kind.WRITE_BEGIN)
    device._give(Kind.WRITE_STATE, state)
    with pytest.raises(DeviceError, match="WRITE_END: what was kept has changed since"):
        device._ask(Kind.WRITE_END, 1)
    with pytest.raises(DeviceError, match="PREDICT: the network is not initialized"):
        device.predict(sample)
    device.write_state(state)
    assert device.read_state() == state
    device._ask(Kind.WRITE_BEGIN)
    device.initialize(0)
    assert device.read_state() == state
    with pytest.raises(DeviceError, match="WRITE_STATE: a piece that does not follow"):
        device._ask(Kind.WRITE_STATE, 0, b"\1" * 10)
    assert device.read_state() == state


def test_saves_loads_and_goes_back(device, lessons):
    learn(device, lessons, 2)
    first = device.read_state()
    device.save()
    device.set_active_classes(6)
    device.train_step(lessons[0][3], 1, RATE)
    second = device.read_state()
    device.save()
    device.initialize(1)
    device.load()
    assert (device.read_state(), device.active_classes) == (second, 6)
    device.rollback()
    assert (device.read_state(), device.active_classes) == (first, CLASSES)
    with pytest.raises(DeviceError, match="refused LOAD: "):
        device.load(2)
    assert device.read_state() == first


def test_a_firmware_without_a_flash_says_so(programs, libraries, clock):
    with connect(programs[False], Board(libraries[False], clock, is_bare=True), clock) as device:
        device.initialize(0)
        for call in (device.save, device.load, device.rollback):
            with pytest.raises(DeviceError, match="the firmware saves nothing") as caught:
                call()
            assert "kg_serial_port" in str(caught.value)
        with pytest.raises(DeviceError, match="refused SAVE: unknown command"):
            device._ask(Kind.SAVE)
        assert device.seconds_last_call() is None


def test_the_self_test_runs_on_the_board(device, lessons):
    device.self_test()
    with pytest.raises(DeviceError, match="the network is not initialized"):
        device.predict(lessons[0][0])
    device.initialize(0)
    device.predict(lessons[0][0])


def test_what_has_been_learned_stays_until_it_is_initialized(programs, board, rows, clock, lessons):
    with connect(programs[rows], board, clock) as device:
        learn(device, lessons, 2)
        state = device.read_state()
    with connect(programs[rows], board, clock) as device:
        assert device.read_state() == state


@pytest.mark.parametrize(
    ("kind", "value", "data", "why"),
    [
        (Kind.INIT, 1, b"x", "the payload has the wrong length"),
        (Kind.TRAIN, 0, b"x" * 11, "the payload has the wrong length"),
        (Kind.SAMPLE, 1, b"x", "a piece that does not follow"),
        (Kind.SAMPLE, 0, b"", "a piece that does not follow"),
        (Kind.SAMPLE, 0xFFFF_FFFF, b"x", "a piece that does not follow"),
        (Kind.WRITE_STATE, 0, b"x", "a piece that does not follow"),
        (Kind.WRITE_STATE, 0xFFFF_FFF0, b"x" * 32, "a piece that does not follow"),
        (Kind.READ_LOGITS, 0, b"", "a piece that does not follow"),
        (Kind.WRITE_END, 0, b"", "a piece that does not follow"),
        (Kind.PREDICT, 0, b"", "there is no whole sample"),
        (Kind.TRAIN, CLASSES, struct.pack("<3i", 1, 0, 0), "the label is no class"),
        (Kind.TRAIN, 0, struct.pack("<3i", 1 << 15, 0, 0), "the rate is out of range"),
        (Kind.SET_CLASSES, 1, b"", "there are not so many classes"),
    ],
)
def test_the_board_refuses_what_cannot_be(device, kind, value, data, why):
    state = device.read_state()
    with pytest.raises(DeviceError, match=f"refused {kind.name}: {why}"):
        device._ask(kind, value, data)
    assert device.read_state() == state
    assert device._rest(Kind.READ_STATE, state, len(state)) == state
    assert device._ask(Kind.READ_STATE, len(state)) == b""


def test_a_repeated_request_is_not_executed_again(device, board, lessons, clock):
    """The board answers with the answer that it has."""
    device._give(Kind.SAMPLE, lessons[0][0].tobytes())
    answer = device._link.request(Kind.TRAIN, 1, struct.pack("<3i", 20000, -20, 0))
    executed, state = board.executed, device.read_state()
    sequence = device._link._sequence
    board.read(0)
    again = Frame(Kind.STATE_CRC, sequence).encode()
    for _ in range(5):
        board.write(again)
        frames = device._link._decoder.feed(board.read(0))
        assert [frame.sequence for frame in frames] == [sequence]
    for wrong in (sequence - 1, sequence - 7, sequence + 2, 0, 0xFFFF_FFFF):
        board.write(Frame(Kind.INIT, wrong & 0xFFFF_FFFF, 5).encode())
        (frame,) = device._link._decoder.feed(board.read(0))
        assert frame.kind == Kind.NO_SESSION
    assert board.steps == 1
    assert device.read_state() == state
    assert answer.status == 0
    assert board.executed > executed


def test_nothing_is_executed_before_a_session(libraries, rows, clock):
    board = Board(libraries[rows], clock)
    board.write(Frame(Kind.INIT, 0, 5).encode() + Frame(Kind.TRAIN, 1).encode())
    assert board.executed == 0


@pytest.fixture(scope="module")
def checked(case):
    """As `libraries`, ending the process on undefined behaviour."""
    return {rows: board_library(path, sanitize=True) for rows, path in case.folders.items()}


def test_noise_is_never_executed(checked, rows, clock, programs):
    board = Board(checked[rows], clock)
    with connect(programs[rows], board, clock) as device:
        device.initialize(3)
        state, executed = device.read_state(), board.executed
        rng = np.random.default_rng(1)
        for share in (0.01, 0.1, 0.5):  # of zeros, which end frames
            noise = rng.integers(1, 256, 300_000) * (rng.random(300_000) > share)
            board.write(noise.astype(np.uint8).tobytes())
        assert board.executed == executed
        assert device.read_state() == state


def test_any_whole_request_is_answered(checked, rows, clock, programs, lessons, digests):
    """Of whatever kind, value and data: refused or executed, and the board still learns."""
    rng = random.Random(5)
    statuses = Counter()
    with connect(programs[rows], Board(checked[rows], clock), clock) as device:
        sizes = (0, MOST_DATA, device.input_bytes, device.state_bytes, CLASSES * 4, 1 << 31)
        kinds = [kind for kind in Kind if kind not in (Kind.BUSY, Kind.NO_SESSION)]
        for _ in range(5_000):
            kind = rng.choice(kinds)
            value = (rng.choice(sizes) + rng.randint(-2, 2)) & 0xFFFF_FFFF
            data = rng.randbytes(rng.choice((0, 0, 0, 12, rng.randint(0, MOST_DATA))))
            statuses[device._link.request(kind, value, data).status] += 1
        assert learn(device, lessons, 5) == digests[:5]
    assert len(statuses) > 6


def test_a_board_that_was_reset_is_noticed(programs, libraries, rows, clock, lessons):
    device = connect(programs[rows], Board(libraries[rows], clock), clock)
    device.initialize(0)
    device._link._wire = Board(libraries[rows], clock)
    with pytest.raises(DeviceError, match="does not know this session any more: it was reset"):
        device.predict(lessons[0][0])
    with pytest.raises(DeviceError, match="the device is closed"):
        device.read_state()


def test_two_programs_at_one_board(programs, board, rows, clock, lessons):
    first = connect(programs[rows], board, clock)
    second = connect(programs[rows], board, clock)
    second.initialize(1)
    with pytest.raises(DeviceError, match="another program has spoken to it"):
        first.initialize(1)
    second.predict(lessons[0][0])
