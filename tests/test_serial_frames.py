"""Frames: whatever a line does, what is taken for one was sent, and the next one is found."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilograd.codegen.sources import RUNTIME, read_c
from kilograd.device.serial_frames import FRAME_BYTES, MOST_DATA, Frame, FrameDecoder
from kilograd.toolchain import build_host_library
from test_serial_builds import exported

WORDS = st.integers(0, 0xFFFF_FFFF)
#: Zeros and runs without one are what the coding is about.
DATA = st.one_of(
    st.binary(max_size=MOST_DATA),
    st.integers(0, MOST_DATA).map(bytes),
    st.integers(0, MOST_DATA).map(lambda count: b"\xff" * count),
)
FRAMES = st.builds(Frame, st.integers(0, 255), WORDS, WORDS, DATA)

#: The C's two functions, which are static, with what they need of a network.
CHECKED_C = """
#include <string.h>
#include "kg_crc32.h"
#include "kg_serial.c"
uint32_t encode(uint8_t *frame, uint8_t kind, uint32_t sequence, int32_t value, uint32_t bytes)
{
    return finish(frame, kind, sequence, value, bytes);
}
int32_t decoded(uint8_t *bytes, uint32_t count)
{
    return decode(bytes, count);
}
"""


@pytest.fixture(scope="module")
def c(tmp_path_factory):
    """`kg_serial.c` on this computer."""
    folder = exported(tmp_path_factory.mktemp("exported"))
    sources = {path.name: path.read_text() for path in folder.glob("*.[ch]")}
    sources["kg_serial.c"] = read_c(RUNTIME / "kg_serial.c") + CHECKED_C.split('serial.c"')[1]
    return ctypes.CDLL(str(build_host_library(sources).path))


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 40), max_size=5))
def test_frames_come_back_whole_in_any_pieces(frames, cuts):
    line = b"".join(frame.encode() for frame in frames)
    decoder, found = FrameDecoder(), []
    for cut in (*cuts, len(line)):
        found += decoder.feed(line[:cut])
        line = line[cut:]
    assert found == frames
    assert decoder.damaged == 0
    assert decoder.frames_seen == len(frames)


@given(FRAMES)
def test_a_frame_has_no_zero_but_around_it(frame):
    sent = frame.encode()
    assert len(sent) == len(frame.data) + 16 <= FRAME_BYTES
    assert sent[0] == sent[-1] == 0
    assert 0 not in sent[1:-1]


@given(st.lists(st.binary(max_size=700), max_size=6))
def test_noise_is_no_frame(pieces):
    """But for the odds of a CRC-32: one in 4 billion pieces."""
    decoder = FrameDecoder()
    for piece in pieces:
        assert decoder.feed(piece) == []
    assert decoder.bytes_seen == sum(map(len, pieces))
    assert len(decoder._pending) <= FRAME_BYTES + 1
    assert decoder.frames_seen == 0


@given(FRAMES, st.binary(max_size=700), FRAMES)
def test_the_next_frame_is_found_after_any_noise(first, noise, last):
    decoder = FrameDecoder()
    found = decoder.feed(first.encode() + noise + last.encode())
    assert found[0] == first
    assert found[-1] == last
    assert len(found) == 2


@given(FRAMES, st.data())
def test_a_changed_frame_is_none(frame, data):
    sent = bytearray(frame.encode())
    at = data.draw(st.integers(1, len(sent) - 2))
    sent[at] ^= data.draw(st.integers(1, 255))
    assert FrameDecoder().feed(bytes(sent)) == []


@given(FRAMES, st.data())
def test_a_frame_with_a_hole_is_none(frame, data):
    sent = frame.encode()
    start = data.draw(st.integers(1, len(sent) - 2))
    end = data.draw(st.integers(start + 1, len(sent) - 1))
    assert FrameDecoder().feed(sent[:start] + sent[end:]) == []


@given(FRAMES)
def test_c_writes_what_python_does(c, frame):
    buffer = ctypes.create_string_buffer(FRAME_BYTES)
    ctypes.memmove(ctypes.addressof(buffer) + 11, frame.data, len(frame.data))
    count = c.encode(buffer, frame.kind, frame.sequence, frame.status, len(frame.data))
    assert buffer.raw[:count] == frame.encode()


@given(FRAMES)
def test_c_reads_what_python_writes(c, frame):
    sent = frame.encode()[1:-1]
    buffer = ctypes.create_string_buffer(sent, FRAME_BYTES)
    assert c.decoded(buffer, len(sent)) == len(frame.data)
    assert buffer.raw[0] == frame.kind
    assert buffer.raw[9 : 9 + len(frame.data)] == frame.data


@given(st.binary(max_size=FRAME_BYTES - 1).map(lambda data: data.replace(b"\0", b"\1")))
def test_c_and_python_refuse_the_same(c, piece):
    buffer = ctypes.create_string_buffer(piece, FRAME_BYTES)
    taken = FrameDecoder().feed(piece + b"\0")
    assert (c.decoded(buffer, len(piece)) >= 0) == bool(taken)
    assert not taken
