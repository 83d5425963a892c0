"""What was learned, in flash: every way in which that is refused, and what it takes."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_in_memory import FlashInMemory, Network
from kilograd.compiler import compile_model
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import tiny_graph
from power_cuts.boards import STORAGE

OK, NOT_INITIALIZED, SAMPLE, MODEL, DAMAGED = 0, -1, -2, -6, -7
FLASH, EMPTY, SPACE, PAGES, SLOTS = -9, -10, -11, -12, -13
RECORD = struct.Struct("<5I")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def network(graph):
    return Network(compile_model(graph, load_scheme("last:3", graph), get_target("host")))


@pytest.fixture(scope="module")
def other(graph):
    """Another model, whose state is smaller."""
    return Network(compile_model(graph, load_scheme("head", graph), get_target("host")))


@pytest.fixture
def flash():
    return FlashInMemory(4096, 1024, 8)


def saved(network, flash, count, slots=2):
    """Saves after each of a few steps: the states that were saved."""
    network.initialize()
    states = []
    for step in range(count):
        assert network.learn(step * 9 + 1, step % network.classes) >= 0
        assert network.save(flash, slots) == OK
        states.append(network.state)
    return states


def test_a_save_is_loaded_and_training_goes_on(network, flash):
    network.initialize()
    network.learn(3, 1)
    assert network.save(flash) == OK == network.error
    state = network.state
    network.learn(4, 2)
    after = network.state
    network.initialize(99)
    network.learn(5, 3)
    network.give_sample(1)
    assert network.load(flash) == OK == network.error
    assert network.state == state
    assert network.counted_steps == 0
    assert network.classify() == SAMPLE  # rows of it may have run with other weights
    network.learn(4, 2)
    assert network.state == after


def test_saves_can_be_gone_back_to(network):
    flash = FlashInMemory(4096, 1024, 4)
    states = saved(network, flash, 7, slots=4)
    for back in range(4):
        assert network.load(flash, 4, back) == OK
        assert network.state == states[-1 - back]
    for back in (4, 5, 0xFFFF_FFFF):
        assert network.load(flash, 4, back) == EMPTY
    assert network.load(flash, 4, 2) == OK
    assert network.save(flash, 4) == OK  # what was gone back to is the newest from now on
    assert network.load(flash, 4, 0) == OK
    assert network.state == states[-3]
    assert network.load(flash, 4, 1) == OK
    assert network.state == states[-1]


def test_nothing_happens_before_kg_init(network, flash):
    network.forget()
    assert network.save(flash) == NOT_INITIALIZED
    assert network.load(flash) == NOT_INITIALIZED == network.error
    assert flash.calls == []


@pytest.mark.parametrize(
    ("size", "page", "granule", "slots", "status"),
    [
        (4096, 1024, 0, 2, PAGES),
        (4096, 1024, 3, 2, PAGES),
        (4096, 1024, 512, 2, PAGES),
        (4096, 1024, 1 << 31, 2, PAGES),
        (4096, 0, 8, 2, PAGES),
        (4096, 1028, 8, 2, PAGES),
        (4096, 1024, 8, 0, SLOTS),
        (4096, 1024, 8, 1, SLOTS),
        (4096, 1024, 8, 3, SLOTS),
        (4096, 1024, 8, 8, SLOTS),
        (4096, 1024, 8, 0xFFFF_FFFF, SLOTS),
        (4096 + 512, 1024, 8, 2, SLOTS),
        (0xFFFF_FFFF, 1024, 8, 2, SLOTS),
        (0, 1024, 8, 2, SPACE),
        (1024, 512, 8, 2, SPACE),
        (1376, 688, 16, 2, SPACE),  # 668 and 20 bytes, each in granules of 16: 704
        (1408, 704, 16, 2, OK),
        (1024, 256, 1, 4, SPACE),
    ],
)
def test_a_region_that_will_not_do_is_not_touched(network, size, page, granule, slots, status):
    assert network.state_bytes == 668
    flash = FlashInMemory(size if size < 1 << 20 else 0, page, granule)
    flash.described.bytes = size
    network.initialize()
    before = network.state
    assert network.save(flash, slots) == status == network.error
    if status != OK:
        assert network.load(flash, slots) == status
        assert flash.calls == []
        assert network.state == before


def test_nothing_saved_is_said(network, flash):
    network.initialize()
    before = network.state
    assert network.load(flash) == EMPTY == network.error
    assert network.state == before
    assert network.learn(1, 1) >= 0


def test_a_save_without_its_record_is_none(network, flash):
    saved(network, flash, 1)
    flash.contents[2048 - 24 : 2048] = b"\xff" * 24
    assert network.load(flash) == EMPTY


def test_any_changed_byte_is_noticed(network, flash):
    saved(network, flash, 1)
    whole = bytes(flash.contents)
    network.learn(77, 1)
    before = network.state
    for at in (*range(network.state_bytes), *range(2048 - 24, 2048 - 4)):
        flash.contents[:] = whole
        flash.contents[at] ^= 1 << at % 8
        assert network.load(flash) == DAMAGED
        assert network.state == before
    flash.contents[:] = whole
    assert network.load(flash) == OK


@pytest.mark.parametrize("count", [0, 2048 - 23, 4096, 0xFFFF_FFFF])
def test_a_length_that_cannot_be_is_not_followed(network, flash, count):
    saved(network, flash, 1)
    record = [*RECORD.unpack_from(flash.contents, 2048 - 24)]
    record[2] = count
    record[4] = zlib.crc32(RECORD.pack(*record)[:16])
    RECORD.pack_into(flash.contents, 2048 - 24, *record)
    assert network.load(flash) == (MODEL if count == 0 else DAMAGED)


def test_the_save_before_takes_the_place_of_a_damaged_one(network, flash):
    states = saved(network, flash, 2)
    flash.contents[2048 + 5] ^= 1
    assert network.load(flash) == OK
    assert network.state == states[0]
    assert network.load(flash, back=1) == DAMAGED
    assert network.save(flash) == OK
    assert network.load(flash, back=1) == OK  # the damaged one was replaced


def test_a_state_of_another_model_is_refused(network, other, flash):
    saved(other, flash, 2)
    assert network.state_bytes != other.state_bytes
    network.initialize()
    before = network.state
    assert network.load(flash) == MODEL == network.error
    assert network.state == before
    assert network.save(flash) == OK
    assert network.load(flash) == OK
    assert network.load(flash, back=1) == MODEL
    assert other.load(flash) == OK  # the older firmware still finds one of its own


def test_a_state_of_the_same_size_and_another_id_is_refused(network, flash):
    saved(network, flash, 1)
    fields = [*RECORD.unpack_from(flash.contents, 2048 - 24)]
    assert fields[1:4] == [network.model_id, network.state_bytes, 1]
    fields[1] ^= 1
    head = struct.pack("<4I", *fields[:4])
    crc = zlib.crc32(flash.contents[: network.state_bytes], zlib.crc32(head))
    RECORD.pack_into(flash.contents, 2048 - 24, *fields[:4], crc)
    assert network.load(flash) == MODEL


def test_a_function_that_fails_in_a_save(network):
    """At every position: the status says so, and a load gives the save before, or the new one."""
    for position in range(1000):
        flash = FlashInMemory(6 * 1024, 1024, 8)
        states = saved(network, flash, 3, slots=3)
        network.learn(50, 1)
        start = len(flash.calls)
        flash.fails_at = start + position
        status = network.save(flash, 3)
        if len(flash.calls) <= flash.fails_at:
            assert status == OK
            break
        name = flash.calls[flash.fails_at][0]
        changes = [call[0] != "read" for call in flash.calls[start:]]
        is_looking = name == "read" and position < changes.index(True)
        after = network.state
        assert status == OK or (status == FLASH == network.error and not is_looking)
        network.initialize()
        assert network.load(flash, 3) == OK
        assert network.state == (after if status == OK or name == "read" else states[-1])
        network.state = after
        assert network.save(flash, 3) == OK  # the next one is not hindered
        network.initialize()
        assert network.load(flash, 3) == OK
        assert network.state == after
    assert position > 60


def test_a_function_that_fails_in_a_load(network):
    """Where one save cannot be read, the one before is taken; a half copied one is none."""
    flash = FlashInMemory(2048, 1024, 8)
    states = saved(network, flash, 2)
    network.initialize(7)
    before = network.state
    first = len(flash.calls)
    assert network.load(flash) == OK
    calls = len(flash.calls) - first
    for position in range(calls):
        network.initialize(7)
        flash.fails_at = len(flash.calls) + position
        status = network.load(flash)
        if position == calls - 1:
            assert status == FLASH
            assert network.learn(1, 1) == NOT_INITIALIZED
            assert network.load(flash) == NOT_INITIALIZED
        else:
            assert status == OK
            assert network.state == states[1 if position < calls // 2 else 0]
    flash = FlashInMemory(2048, 1024, 8)
    saved(network, flash, 1)
    network.initialize(7)
    flash.fails_at = len(flash.calls)
    assert network.load(flash) == FLASH == network.error
    assert network.state == before
    assert network.learn(1, 1) >= 0


def test_a_copy_that_is_not_what_was_checked_is_refused(network, flash):
    states = saved(network, flash, 1)
    network.initialize()
    start = len(flash.calls)
    assert network.load(flash) == OK
    flash.differs_at = 2 * len(flash.calls) - start - 1
    assert network.load(flash) == FLASH
    assert network.classify() == NOT_INITIALIZED
    network.initialize()
    assert network.load(flash) == OK
    assert network.state == states[0]


def test_a_flash_that_does_nothing_is_noticed(network, flash):
    network.initialize()
    flash.is_stuck = True
    assert network.save(flash) == FLASH
    flash.is_stuck = False
    states = saved(network, flash, 2)
    flash.is_stuck = True
    network.learn(9, 1)
    assert network.save(flash) == FLASH
    assert network.load(flash) == OK
    assert network.state == states[-1]


@given(
    granule=st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128, 256]),
    granules=st.integers(1, 40),
    spare=st.integers(0, 2),
    slots=st.integers(2, 5),
    count=st.integers(0, 8),
    back=st.integers(0, 6),
)
def test_any_geometry(network, granule, granules, spare, slots, count, back):
    page = granule * granules
    needed = sum(-(-size // granule) * granule for size in (network.state_bytes, RECORD.size))
    pages = -(-needed // page) + spare
    flash = FlashInMemory(page * pages * slots, page, granule)
    states = saved(network, flash, count, slots)
    start = len(flash.calls)
    network.initialize(3)
    before = network.state
    if back < min(count, slots):
        assert network.load(flash, slots, back) == OK
        assert network.state == states[-1 - back]
    else:
        assert network.load(flash, slots, back) == EMPTY
        assert network.state == before
    assert {call[0] for call in flash.calls[start:]} == {"read"}
    programmed = sum(call[2] for call in flash.calls if call[0] == "program")
    erased = [call[0] for call in flash.calls].count("erase")
    assert (programmed, erased) == (needed * count, pages * count)


def test_programs_for_devices_have_none_of_it(graph):
    for name in ("cortex-m4", "portable", "host"):
        program = compile_model(graph, load_scheme("head", graph), get_target(name))
        assert not {"kg_flash.h", *STORAGE} & program.sources.keys()


def test_what_a_save_of_mcunet_programs(published, pytestconfig):
    """docs/storage.md names the figures."""
    graph = load_model(str(published("mcunet-5fps")), 10)
    scheme = load_scheme("mcunet-5fps/49kb", graph)
    network = Network(compile_model(graph, scheme, get_target("host")))
    found = {}
    for granule in (1, 4, 8, 16, 32, 256):
        flash = FlashInMemory(2 * 131_072, 131_072, granule)
        network.initialize()
        assert network.save(flash) == OK
        found[granule] = sum(call[2] for call in flash.calls if call[0] == "program")
        assert found[granule] <= 33_600
    text = (pytestconfig.rootpath / "docs" / "storage.md").read_text(encoding="utf-8")
    assert f"{found[4]:,} bytes" in text
    assert f"{found[256]:,} bytes" in text
