"""How a link spaces what it sends, on a line of simulated time."""

import pytest

from kilograd.device.serial_frames import Kind
from kilograd.device.serial_link import Link, Patience
from kilograd.errors import DeviceError
from serial_line.wires import Clock


class Deaf:
    """A wire at whose other end nobody answers; when it was written to."""

    def __init__(self, clock):
        self._clock = clock
        self.times = []

    def write(self, data):
        assert data
        self.times.append(round(self._clock.seconds, 6))

    def read(self, seconds):
        self._clock.seconds += seconds
        return b""

    def close(self):
        """There is nothing to let go of."""


def test_repeats_come_less_and_less_often():
    """A line that is slow only gets more to do by them."""
    clock = Clock()
    wire = Deaf(clock)
    link = Link(wire, "deaf", Patience(0.1, answer_seconds=2.0), clock)
    with pytest.raises(DeviceError, match="no answer within 2 seconds"):
        link.request(Kind.HELLO)
    assert wire.times == pytest.approx([0.0, 0.1, 0.3, 0.7, 1.1, 1.5, 1.9])
    assert link.repeats == len(wire.times) - 1
    clock.seconds, wire.times = 0.0, []
    with pytest.raises(DeviceError):
        link.request(Kind.HELLO)
    assert wire.times[:2] == pytest.approx([0.0, 0.1])
