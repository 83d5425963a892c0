"""A line that goes wrong: whatever is done to its bytes, no bit of a result is wrong."""

import logging
from collections import Counter
from contextlib import suppress

import pytest

from kilograd.device.serial_link import Patience
from kilograd.errors import DeviceError
from serial_line.cases import RATE, STEPS, learn, make_case, repeat_sessions
from serial_line.wires import FAULTS, PATIENT, Board, Clock, FaultyWire, board_library, connect


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(autouse=True)
def repeatable(monkeypatch):
    repeat_sessions(monkeypatch)


def campaign(case, seeds, steps, share, *, faults=FAULTS, patience=PATIENT):
    """Runs behind a line that goes wrong: faults, and what came of the runs."""
    counts, outcomes, errors = Counter(), Counter(), []
    for seed in seeds:
        rows = bool(seed % 2)
        clock = Clock()
        board = Board(case.libraries[rows], clock)
        wire = FaultyWire(board, seed, share, faults)
        try:
            with connect(case.programs[rows], wire, clock, patience) as device:
                wrong = learn(device, case.lessons, steps) != case.digests[:steps]
                outcomes["wrong" if wrong or board.steps != steps else "right"] += 1
        except DeviceError as error:
            errors.append(str(error))
            outcomes["error"] += 1
        assert clock.seconds < 60 * steps
        counts.update(wire.counts)
    assert set(counts) == set(faults)
    assert all("no answer within" in error or "none of kilograd" in error for error in errors)
    logging.getLogger(__name__).info("%s: %s", dict(outcomes), dict(counts))
    return sum(counts.values()), outcomes


def test_a_bad_line_gives_the_bits_of_the_host(case):
    faults, outcomes = campaign(case, range(4), 12, 0.3)
    assert faults > 500
    assert outcomes == {"right": 4}


@pytest.mark.slow
def test_many_faults_and_no_wrong_bit(case):
    """As docs/serial.md says: more than 250,000."""
    faults, outcomes = campaign(case, range(100), STEPS, 0.3)
    assert faults > 250_000
    assert outcomes == {"right": 100}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if (sequence != line.last) {", "{"),
        ("kg_crc32(0, bytes, end) == word_at(bytes + end) ?", "1 ?"),
    ],
)
def test_a_planted_mistake_is_found(case, old, new):
    """Repeated requests that are executed again, and damaged ones that are executed."""
    library = board_library(case.folders[False], {old: new})
    right = 0
    for seed in range(4):
        clock = Clock()
        board = Board(library, clock)
        wire = FaultyWire(board, seed, 0.3, ("flip", "duplicate", "stall", "lose"))
        with suppress(DeviceError), connect(case.programs[False], wire, clock) as device:
            right += learn(device, case.lessons, 60) == case.digests[:60]
    assert right == 0


def test_a_line_that_hardly_works_ends_in_time_and_with_an_error(case):
    patience = Patience(retry_seconds=0.3, answer_seconds=4.0, work_seconds=10.0)
    options = {"faults": ("drop", "flip", "lose"), "patience": patience}
    _, outcomes = campaign(case, range(8), 5, 0.8, **options)
    assert outcomes["error"] > 0
    assert outcomes["wrong"] == 0


def test_unplugged_in_the_middle_of_anything(case):
    """Whichever frame is the last one, the error says it, and the next session finds a network."""
    clock = Clock()
    board = Board(case.libraries[False], clock)
    errors, losses = [], []
    for after in range(60):
        wire = FaultyWire(board, after, 0.0)
        with connect(case.programs[False], wire, clock) as device:
            wire.gone_after = after
            try:
                device.initialize(0)
                begun = device.read_state()
                device.train_step(case.lessons[0][0], 2, RATE)
                device.write_state(begun)
            except DeviceError as error:
                errors.append(str(error))
            else:
                break
        with connect(case.programs[False], board, clock) as device:
            try:
                assert len(device.read_state()) == device.state_bytes
            except DeviceError as error:
                losses.append((after, str(error)))
    assert len(errors) == after > 8
    assert all("the board is gone: no such device" in error for error in errors)
    assert len({after for after, _ in losses}) > 2  # those in the middle of writing the state
    assert all("READ_STATE: the network is not initialized" in error for _, error in losses)
