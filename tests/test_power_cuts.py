"""What was learned survives a loss of power in every operation of the flash, and between any two.

The firmware runs on an emulated Cortex-M4; most operations are tried with the same C on this
computer. `pytest --log-cli-level=info` shows the counts; docs/storage.md names them.
"""

import logging
import random
from collections import Counter

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.ops.arithmetic import mix
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import tiny_graph
from power_cuts.boards import STORAGE, Computer, EmulatedBoard, smallest
from power_cuts.cuts import (
    AHEAD,
    TORN_FAILS,
    TORN_READS,
    TORN_VARIES,
    LostStateError,
    every_operation,
    prepare,
    random_instructions,
    trial,
)

#: Bytes of a page and a granule: every granule, and pages from 256 bytes to 128 KB.
PAGES = (
    *((256, 1), (256, 2), (256, 4), (256, 256), (512, 8), (528, 16), (1024, 16), (2048, 8)),
    *((4096, 4), (4096, 256), (16384, 2), (131_072, 1), (131_072, 4), (131_072, 32)),
)
SLOTS = (2, 3, 4)
MOST_STEPS = max(SLOTS) + 1 + AHEAD

#: (page, granule, slots, how torn bytes read) on the emulated board.
ON_THE_BOARD = (
    *((256, 4, 2, TORN_FAILS), (1024, 8, 2, TORN_READS), (4096, 256, 3, TORN_FAILS)),
    *((512, 2, 4, TORN_READS), (131_072, 16, 3, TORN_VARIES), (2048, 1, 2, TORN_READS)),
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    graph = tiny_graph(tmp_path_factory.mktemp("model"))
    return compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m4"))


@pytest.fixture(scope="module")
def states(program):
    """Of kilograd's reference, step by step."""
    shape = program.graph.inputs[0].type.shape
    size = int(np.prod(shape))
    found = []
    with open_device(program, "reference") as device:
        device.initialize(1)
        found.append(device.read_state())
        for step in range(MOST_STEPS):
            words = mix(np.arange(step * size, (step + 1) * size, dtype=np.uint64))
            sample = ((words >> np.uint64(24)).astype(np.int32) - 128).astype(np.int8)
            rate = LearningRate(25166, -20)
            device.train_step(sample.reshape(shape), step % program.class_count, rate)
            found.append(device.read_state())
    assert len(set(found)) == len(found)
    return found


@pytest.fixture(scope="module")
def computer(program):
    return Computer(program.for_target(get_target("host")))


@pytest.fixture(scope="module")
def board(program):
    with EmulatedBoard(program) as device:
        yield device


def cuts(counts):
    return counts["cuts in operations"] + counts["cuts in instructions"]


def tell(where, counts):
    logging.getLogger(__name__).info("%s: %d cuts; %s", where, cuts(counts), dict(counts))


def on_the_computer(computer, states, stride):
    counts, rng = Counter(), random.Random(7)
    for page, granule in PAGES:
        for slots in SLOTS:
            for torn in (TORN_READS, TORN_FAILS, TORN_VARIES):
                if torn == TORN_VARIES and slots == 2:
                    continue  # docs/storage.md says why these take three
                geometry = smallest(page, granule, slots, torn, computer.state_bytes)
                for before in (0, slots + 1):
                    every_operation(computer, states, geometry, before, rng, counts, stride=stride)
    tell("on the computer", counts)
    return counts


def on_the_board(board, states, geometries, stride, trials):
    counts, rng = Counter(), random.Random(11)
    for page, granule, slots, torn in geometries:
        geometry = smallest(page, granule, slots, torn, board.state_bytes)
        for before in (0, slots + 1):
            every_operation(board, states, geometry, before, rng, counts, stride=stride(granule))
            random_instructions(board, states, geometry, before, rng, counts, trials=trials)
    tell("on the board", counts)
    return counts


def test_a_sample_of_all_cuts_on_the_computer(computer, states):
    counts = on_the_computer(computer, states, 23)
    assert cuts(counts) > 5_000
    assert counts["of a save that was cut off"] > 0


def test_a_sample_of_all_cuts_on_the_board(board, states):
    counts = on_the_board(board, states, ON_THE_BOARD[:3], lambda granule: 120 // granule + 1, 4)
    assert counts["cuts in operations"] > 60
    assert counts["cuts in instructions"] > 40
    assert board.stack_bytes < 1024


def test_reads_that_vary_need_a_third_slot(computer, states):
    """A record that was cut off and reads well may be the newest save, and then be gone."""

    def losses(slots):
        lost, rng = 0, random.Random(5)
        geometry = smallest(1024, 4, slots, TORN_VARIES, computer.state_bytes)
        operations, _ = prepare(computer, geometry, slots + 1, rng)
        for _ in range(2_000):  # power fails in the record, which has five granules
            cuts = [{"operation": n} for n in (operations - rng.randint(1, 5), rng.randrange(20))]
            try:
                trial(computer, states, slots + 1, cuts, rng, Counter())
            except LostStateError:
                lost += 1
        return lost

    assert losses(2) > 10
    assert losses(3) == 0


@pytest.mark.slow
def test_all_cuts_on_the_computer(computer, states, pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "storage.md").read_text(encoding="utf-8")
    assert f"{cuts(on_the_computer(computer, states, 1)):,} cuts" in page


@pytest.mark.slow
def test_many_cuts_on_the_board(board, states):
    """As docs/storage.md says: more than 3,000."""
    counts = on_the_board(board, states, ON_THE_BOARD, lambda granule: 8 // granule + 1, 80)
    assert cuts(counts) > 3_000


ORDER = (
    "put(flash, slot, kg_state_buffer, KG_STATE_BYTES) != 0",
    "put(flash, slot + found.room, &record, sizeof record) != 0",
)


def replaced(text, *pairs):
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def planted(*pairs):
    """The sources of the storage with a mistake in them."""
    return {**STORAGE, "kg_storage.c": replaced(STORAGE["kg_storage.c"], *pairs)}


RECORD_FIRST = ((ORDER[0], "@"), (ORDER[1], ORDER[0]), ("@", ORDER[1]))
NEWEST_ERASED = (
    ("slot = found.oldest;", "slot = found.sequence != 0 ? found.newest : found.oldest;"),
)
WITHOUT_CHECKSUM = (
    ("crc = kg_crc32(crc, piece, count);", ""),
    ("kg_crc32(record_crc(record), kg_state_buffer, KG_STATE_BYTES)", "record_crc(record)"),
)
RECORD_ERASED_LAST = (
    ("page = found.slot_bytes; page != 0;", "page = 0; page != found.slot_bytes;"),
    ("        page -= flash->page_bytes;\n", ""),
    ("slot + page)", "slot + (page += flash->page_bytes) - flash->page_bytes)"),
)


def lost(board, states, *, stride=1):
    """Tries the operations of saves: what went wrong, if anything did."""
    for torn in (TORN_READS, TORN_FAILS):
        for slots in (2, 3):
            geometry = smallest(256, 4, slots, torn, board.state_bytes)
            try:
                every_operation(
                    board, states, geometry, slots + 1, random.Random(3), Counter(), stride=stride
                )
            except LostStateError as error:
                return str(error)
    return ""


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        (RECORD_FIRST, "a record before its body"),
        (NEWEST_ERASED, "a save of step"),
        (RECORD_ERASED_LAST, "a record before its body"),
    ],
)
def test_a_planted_mistake_is_found(program, states, mistake, found):
    host = program.for_target(get_target("host"))
    assert found in lost(Computer(host, planted(*mistake)), states)


@pytest.mark.parametrize("mistake", [RECORD_FIRST, NEWEST_ERASED])
def test_a_planted_mistake_is_found_on_the_board(program, states, mistake):
    with EmulatedBoard(program, planted(*mistake)) as device:
        assert lost(device, states, stride=20)


def test_the_order_and_the_checksum_protect_by_themselves(program, states):
    """One without the other loses nothing; without both, what is half written is loaded."""
    host = program.for_target(get_target("host"))
    for mistakes, found in (
        (RECORD_FIRST, ""),
        (WITHOUT_CHECKSUM, ""),
        ((*RECORD_FIRST, *WITHOUT_CHECKSUM), "is not that of an uninterrupted run"),
    ):
        computer = Computer(host, planted(*mistakes))
        computer.flash.must_be_in_order = False
        text = lost(computer, states)
        assert found in text if found else not text
