"""A flash in Python, and the storage's C on this computer that is called with it."""

import ctypes

from kilograd.toolchain import build_host_library
from power_cuts.boards import STORAGE

_READ = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32
)
_ERASE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint32)


class _KgFlash(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_uint32),
        ("page_bytes", ctypes.c_uint32),
        ("granule_bytes", ctypes.c_uint32),
        ("read", _READ),
        ("program", _READ),
        ("erase", _ERASE),
        ("context", ctypes.c_void_p),
    )


class _Rate(ctypes.Structure):
    _fields_ = (
        ("mantissa", ctypes.c_int32),
        ("exponent", ctypes.c_int32),
        ("steps", ctypes.c_uint32),
    )


class FlashInMemory:
    """What `kg_flash` describes.

    Attributes:
        contents: of the region.
        calls: of the three functions, in order: ("read", offset, bytes) and so on.
        fails_at: the call, from 0 on, that returns an error and does nothing.
        differs_at: the read, counted among all calls, that returns another bit.
        is_stuck: programming and erasing do nothing, and return 0.
    """

    def __init__(self, size, page, granule):
        self.contents = bytearray(b"\xff" * size)
        self.page, self.granule = page, granule
        self.calls = []
        self.fails_at = self.differs_at = -1
        self.is_stuck = False
        self._programmed = set()
        functions = _READ(self._read), _READ(self._program), _ERASE(self._erase)
        self.described = _KgFlash(size, page, granule, *functions, None)

    def _fails(self, *call):
        self.calls.append(call)
        return len(self.calls) - 1 == self.fails_at

    def _read(self, _context, offset, to, count):
        if self._fails("read", offset, count):
            return -1
        data = bytearray(self.contents[offset : offset + count])
        assert len(data) == count
        if len(self.calls) - 1 == self.differs_at:
            data[count // 2] ^= 4
        ctypes.memmove(to, bytes(data), count)
        return 0

    def _program(self, _context, offset, data, count):
        if self._fails("program", offset, count):
            return 7
        assert offset % self.granule == 0
        assert count % self.granule == 0
        assert offset + count <= len(self.contents)
        if not self.is_stuck:
            assert self._programmed.isdisjoint(range(offset, offset + count))
            self._programmed.update(range(offset, offset + count))
            self.contents[offset : offset + count] = ctypes.string_at(data, count)
        return 0

    def _erase(self, _context, offset):
        if self._fails("erase", offset, self.page):
            return 1
        assert offset % self.page == 0
        if not self.is_stuck:
            self._programmed -= set(range(offset, offset + self.page))
            self.contents[offset : offset + self.page] = b"\xff" * self.page
        return 0


class Network:
    """A program's C with its storage, in this process."""

    def __init__(self, program):
        built = build_host_library({**program.sources, **STORAGE}, extra_flags=("-O2",))
        self._c = ctypes.CDLL(str(built.path))
        self._c.kg_learn.argtypes = (ctypes.c_int32, _Rate)
        self._c.kg_state.restype = ctypes.c_void_p
        self._c.kg_input.restype = ctypes.c_void_p
        self._c.kg_get_counters.restype = ctypes.POINTER(ctypes.c_uint32)
        self.state_bytes = program.plan.state_bytes
        self.model_id = program.model_id
        self.classes = program.class_count
        self.input_bytes = program.graph.inputs[0].type.nbytes

    @property
    def state(self):
        return ctypes.string_at(self._c.kg_state(), self.state_bytes)

    @state.setter
    def state(self, value):
        ctypes.memmove(self._c.kg_state(), value, self.state_bytes)

    @property
    def error(self):
        return self._c.kg_error()

    @property
    def counted_steps(self):
        return self._c.kg_get_counters()[0]

    def forget(self):
        """As before `kg_init`."""
        ctypes.memset(ctypes.addressof(ctypes.c_uint32.in_dll(self._c, "kg_now")), 0, 4)

    def initialize(self, seed=1):
        self._c.kg_init(seed)

    def give_sample(self, value):
        ctypes.memset(self._c.kg_input(), value, self.input_bytes)

    def classify(self):
        return self._c.kg_classify()

    def learn(self, value, label):
        """A step with a sample that is the same everywhere."""
        self.give_sample(value)
        return self._c.kg_learn(label, _Rate(25166, -20, 0))

    def save(self, flash, slots=2):
        return self._c.kg_storage_save(ctypes.byref(flash.described), ctypes.c_uint32(slots))

    def load(self, flash, slots=2, back=0):
        return self._c.kg_storage_load(
            ctypes.byref(flash.described), ctypes.c_uint32(slots), ctypes.c_uint32(back)
        )
