"""A flash in Python whose power fails in a chosen call, which is then done in part."""

import ctypes
import random

from flash_in_memory import FlashInMemory


class TornFlash(FlashInMemory):
    """Programming only clears bits; every mistake is noted, since C cannot be told of it.

    Attributes:
        mistakes: what a driver of flash must not be asked for.
        operations: granules programmed and pages erased since power came.
    """

    def __init__(self, size, page, granule):
        super().__init__(size, page, granule)
        self.mistakes = []
        self._fresh = bytearray(b"\x01" * size)
        self.power_on()

    def power_on(self, cut_at=None, seed=0):
        """From now on power fails in operation ``cut_at``; what follows is not done."""
        self.operations, self._cut_at, self._is_off = 0, cut_at, False
        self._random = random.Random(seed)

    @property
    def was_cut(self):
        return self._is_off

    def _read(self, _context, offset, to, count):
        if offset + count > len(self.contents):
            self.mistakes.append(f"read {count} at {offset}")
            return -1
        return super()._read(_context, offset, to, count)

    def _program(self, _context, offset, data, count):
        granule = self.granule
        if offset % granule or count % granule or offset + count > len(self.contents):
            self.mistakes.append(f"program {count} at {offset}")
            return -1
        wanted = ctypes.string_at(data, count)
        for at in range(0, count, granule):
            if not self._may_go_on():
                return -1
            is_torn = self._is_off
            for i in range(offset + at, offset + at + granule):
                if not self._fresh[i]:
                    self.mistakes.append(f"byte {i} is programmed twice")
                self._fresh[i] = 0
                noise = self._random.getrandbits(8) if is_torn else 0
                self.contents[i] &= wanted[i - offset] | noise
            if is_torn:
                return -1
        return 0

    def _erase(self, _context, offset):
        if offset % self.page or offset + self.page > len(self.contents):
            self.mistakes.append(f"erase at {offset}")
            return -1
        if not self._may_go_on():
            return -1
        for i in range(offset, offset + self.page):
            keeps = self._is_off and self._random.random() < 0.5
            self.contents[i] = self.contents[i] | self._random.getrandbits(8) if keeps else 0xFF
            self._fresh[i] = self.contents[i] == 0xFF
        return -1 if self._is_off else 0

    def _may_go_on(self):
        """Counts an operation; the one in which power fails is begun."""
        if self._is_off:
            return False
        self._is_off = self.operations == self._cut_at
        self.operations += 1
        return True
