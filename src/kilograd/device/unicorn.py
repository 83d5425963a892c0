"""The firmware on an emulated processor, in this process; counts instructions exactly.

Only the target's real memory exists, so an access outside it stops with the function's name. (The
address of a fault is that of its basic block: finer would cost speed.)
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import unicorn as uc
from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib

from kilograd.arch import Emulation, FaultReport, architecture_of
from kilograd.device.faults import fault_error
from kilograd.device.firmware import FirmwareDevice
from kilograd.device.protocol import Counters
from kilograd.device.signals import Stoppable
from kilograd.errors import DeviceError, KilogradError, ToolchainError
from kilograd.toolchain import build_host_library
from kilograd.toolchain.elf import load_segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from kilograd.targets import Target

_NOWHERE = 0xFFFF_FFFE
_SYS_OPEN, _SYS_WRITE, _SYS_READ, _SYS_EXIT_EXTENDED = 0x01, 0x05, 0x06, 0x20
_INPUT_FILE, _OUTPUT_FILE = 1, 2

#: Functions whose instructions are counted.
_COUNTED = (
    *("kg_predict", "kg_train_step", "kg_features_push"),
    *("kg_memory_keep", "kg_memory_step", "kg_memory_replay"),
    *("kg_begin", "kg_push_rows"),
)

_ACCESSES = {
    uc.UC_MEM_READ_UNMAPPED: "read of address {:#010x}, where there is no memory",
    uc.UC_MEM_WRITE_UNMAPPED: "write to address {:#010x}, where there is no memory",
    uc.UC_MEM_FETCH_UNMAPPED: "jump to address {:#010x}, where there is no memory",
    uc.UC_MEM_WRITE_PROT: "write to address {:#010x}, which is flash",
    uc.UC_MEM_FETCH_PROT: "jump to address {:#010x}, which holds no code",
}


class _Counter(ctypes.Structure):
    """The `counter` of instruction_counter.c."""

    _fields_ = (
        ("code", ctypes.c_void_p),
        ("blocks", ctypes.c_void_p),
        ("code_origin", ctypes.c_uint64),
        ("code_bytes", ctypes.c_uint64),
        ("entries", ctypes.c_uint64 * len(_COUNTED)),
        ("limit", ctypes.c_uint64),
        ("executed", ctypes.c_uint64),
        ("last_call", ctypes.c_uint64),
        ("pushed", ctypes.c_uint64),
        ("began", ctypes.c_uint64),
        ("return_address", ctypes.c_uint64),
        ("unaligned_address", ctypes.c_uint64),
        ("is_counting", ctypes.c_uint32),
        ("is_unaligned", ctypes.c_uint32),
        ("wide_mask", ctypes.c_uint32),
        ("wide_value", ctypes.c_uint32),
        ("link_register", ctypes.c_int32),
        ("read_register", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
    )


class UnicornDevice(FirmwareDevice):
    """A firmware built with `build_firmware`, on Unicorn's model of its processor.

    Args:
        elf: the firmware.
        target: what it was built for.
        instruction_limit: instructions after which a command counts as endless.

    Attributes:
        instructions_extract: executed for the last input that `extract` made.

    Raises:
        ToolchainError: Unicorn has no model of the target, or no compiler for the counter.
        DeviceError: the firmware does not start.
    """

    name = "unicorn"

    def __init__(
        self, elf: Path, target: Target, *, instruction_limit: int = 100_000_000_000
    ) -> None:
        super().__init__(elf, target)
        emulation = architecture_of(target).emulation(target)
        if emulation is None:
            raise ToolchainError(f"Unicorn cannot emulate target {target.name}")
        self._emulation: Emulation = emulation
        self._limit = instruction_limit
        self._input = bytearray()
        self._output = bytearray()
        self._bad_access: tuple[int, int] | None = None
        self._exception: int | None = None
        self._waiting = False
        self._ended = False
        self.instructions_extract = 0
        self._uc: Any = Uc(emulation.architecture, emulation.mode)
        if emulation.core is not None:
            self._uc.ctl_set_cpu_model(emulation.core)
        self._load(elf)
        self._uc.hook_add(uc.UC_HOOK_INTR, self._on_exception)
        self._uc.hook_add(uc.UC_HOOK_MEM_INVALID, self._on_bad_access)
        self._counter = self._add_counter(elf)
        self._connect()

    def extract(self, samples: NDArray[np.int16]) -> NDArray[np.int8]:
        """As of every firmware; its instructions are in `instructions_extract`."""
        self.instructions_extract = 0
        return super().extract(samples)

    def _push(self, samples: bytes) -> bytes:
        reply = super()._push(samples)
        if samples:
            self.instructions_extract += int(self._counter.last_call)
        return reply

    def counters(self) -> Counters:
        """As of every firmware, and the instructions of the last prediction or step."""
        return replace(
            super().counters(), instructions_last_call=int(self._counter.last_call) or None
        )

    def watch(self, functions: Iterable[str], entered: Callable[[str, int], None]) -> None:
        """Calls back at every entry of some functions, from now on.

        Args:
            functions: their names; those that the firmware does not hold are not watched.
            entered: takes the name, and the instructions that were executed since the start.
        """
        for name in functions:
            address = self._symbols.addresses.get(name)
            if address is None:
                continue
            start = address & ~1

            def reached(*_: Any, name: str = name) -> None:
                entered(name, int(self._counter.executed))

            self._uc.hook_add(uc.UC_HOOK_BLOCK, reached, None, start, start)

    def _load(self, elf: Path) -> None:
        """Maps the real memory, loads the firmware and resets the processor."""
        code = self._target.code_region
        for region in self._target.memory:
            access = uc.UC_PROT_EXEC if region == code else uc.UC_PROT_WRITE
            self._uc.mem_map(region.origin, region.length, uc.UC_PROT_READ | access)
        for address, length in self._emulation.mapped:
            self._uc.mem_map(address, length, uc.UC_PROT_READ | uc.UC_PROT_WRITE)
        for address, data in load_segments(elf):
            self._uc.mem_write(address, data)
        addresses = self._symbols.addresses
        self._uc.reg_write(self._emulation.sp, addresses["__kg_stack_top"])
        self._pc = addresses["kg_reset"] & ~1

    def _add_counter(self, elf: Path) -> _Counter:
        origin = self._target.code_region.origin
        end = max(address + len(data) for address, data in load_segments(elf))
        image = bytes(self._uc.mem_read(origin, end - origin))
        source = files("kilograd.device") / "instruction_counter.c"
        library = build_host_library({"instruction_counter.c": source.read_text(encoding="utf-8")})
        self._library = ctypes.CDLL(str(library.path))
        self._code = ctypes.create_string_buffer(image + bytes(4))
        self._blocks = (ctypes.c_uint64 * (len(image) // 2 + 1))()
        entries = [self._symbols.addresses.get(name, 1) for name in _COUNTED]
        counter = _Counter(
            code=ctypes.addressof(self._code),
            blocks=ctypes.addressof(self._blocks),
            code_origin=origin,
            code_bytes=len(image),
            entries=(ctypes.c_uint64 * len(_COUNTED))(*entries),
            wide_mask=self._emulation.wide_mask,
            wide_value=self._emulation.wide_value,
            link_register=self._emulation.link,
            read_register=_address(uclib.uc_reg_read),
            stop=_address(uclib.uc_emu_stop),
        )
        self._add_hook(uc.UC_HOOK_BLOCK, self._library.kg_count_block, counter)
        if "unaligned" not in self._target.features:
            accesses = uc.UC_HOOK_MEM_READ | uc.UC_HOOK_MEM_WRITE
            self._add_hook(accesses, self._library.kg_check_alignment, counter)
        return counter

    def _add_hook(self, kind: int, function: Any, counter: _Counter) -> None:
        """Hooks a C function; the binding hooks only Python, which costs most of the speed."""
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            self._uc._uch,  # noqa: SLF001
            ctypes.byref(handle),
            kind,
            ctypes.c_void_p(_address(function)),
            ctypes.c_void_p(ctypes.addressof(counter)),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status != uc.UC_ERR_OK:
            raise KilogradError(f"Unicorn refused the instruction counter: {status}")

    def _send(self, data: bytes) -> None:
        self._input += data

    def _receive(self, count: int) -> bytes:
        self._counter.limit = self._counter.executed + self._limit
        while len(self._output) < count:
            if self._ended:
                raise DeviceError(f"{self.name}: the firmware ended")
            self._run()
        data = bytes(self._output[:count])
        del self._output[:count]
        return data

    def _disconnect(self) -> None:
        del self._uc  # its callbacks hold this object, and it holds tens of megabytes

    def _run(self) -> None:
        """Executes until the firmware wants more input than there is, ends or faults."""
        self._waiting = False
        while True:
            try:
                with Stoppable(self._uc.emu_stop):
                    self._uc.emu_start(self._pc | self._emulation.code_bit, _NOWHERE)
            except UcError as error:
                # Of some processors, Unicorn ends at a breakpoint instead of asking the hook.
                if self._bad_access is not None or not self._is_at_call():
                    raise self._fault(str(error)) from error
                self._serve()
                self._pc = self._register(self._emulation.pc)
                if not (self._waiting or self._ended):
                    continue
            break
        if self._exception is not None:
            architecture = architecture_of(self._target)
            pc = architecture.exception_pc(self._exception, self._register(self._emulation.pc))
            raise self._fault(architecture.exception(self._exception), pc)
        if self._counter.is_unaligned:
            address = int(self._counter.unaligned_address)
            raise self._fault(f"unaligned access to address {address:#010x}")
        self._pc = self._register(self._emulation.pc)
        if self._counter.executed > self._counter.limit:
            function = self._symbols.function_at(self._pc)
            raise DeviceError(
                f"no reply after {self._limit:,} instructions, in `{function}`",
                where=self.name,
                hint="the network may be large: raise instruction_limit; else the code is endless",
            )
        if self._waiting and not self._input and not self._output:
            raise DeviceError(f"{self.name}: the firmware waits for more than was sent")

    def _on_exception(self, _engine: Any, number: int, _user: Any) -> None:
        is_breakpoint = number == self._emulation.breakpoint_exception
        if is_breakpoint and self._is_at_call():
            self._serve()
        else:
            self._exception = number
            self._uc.emu_stop()

    def _is_at_call(self) -> bool:
        """Whether the processor stands at a semihosting call."""
        call = self._emulation.breakpoint_bytes
        return bytes(self._uc.mem_read(self._register(self._emulation.pc), len(call))) == call

    def _serve(self) -> None:
        """Serves a semihosting call, and goes on behind it."""
        emulation = self._emulation
        behind = self._register(emulation.pc) + len(emulation.breakpoint_bytes)
        result = self._semihosting(self._register(emulation.operation))
        if result is None:
            self._uc.emu_stop()
            return
        self._uc.reg_write(emulation.operation, result)
        self._uc.reg_write(emulation.pc, behind | emulation.code_bit)

    def _semihosting(self, operation: int) -> int | None:
        """Serves one call of the firmware: its result, or None if it must wait or has ended."""
        arguments = self._register(self._emulation.argument)
        first, second = self._word(arguments), self._word(arguments + 4)
        if operation == _SYS_OPEN:
            return _OUTPUT_FILE if second & 4 else _INPUT_FILE
        if operation == _SYS_READ:
            if not self._input:
                self._waiting = True
                return None
            wanted = self._word(arguments + 8)
            data = bytes(self._input[:wanted])
            del self._input[: len(data)]
            self._uc.mem_write(second, data)
            return wanted - len(data)
        if operation == _SYS_WRITE and first == _OUTPUT_FILE:
            self._output += self._uc.mem_read(second, self._word(arguments + 8))
            return 0
        if operation != _SYS_EXIT_EXTENDED:
            self._exception = self._emulation.breakpoint_exception
        self._ended = True
        return None

    def _on_bad_access(
        self, _engine: Any, access: int, address: int, _size: int, _value: int, _user: Any
    ) -> bool:
        self._bad_access = (access, address)
        return False

    def _fault(self, text: str, pc: int | None = None) -> DeviceError:
        self._ended = True
        access, address = self._bad_access or (None, 0)
        emulation = self._emulation
        report = FaultReport(
            pc=self._register(emulation.pc) if pc is None else pc,
            lr=self._register(emulation.link),
            sp=self._register(emulation.sp),
            status=0,
            address=address,
        )
        if access in _ACCESSES:
            text = _ACCESSES[access].format(address)
        knows_address = access is not None
        return fault_error(
            self.name, self._target, self._symbols, report, text, knows_address=knows_address
        )

    def _register(self, number: int) -> int:
        value: Any = self._uc.reg_read(number)
        return int(value)

    def _word(self, address: int) -> int:
        return int.from_bytes(self._uc.mem_read(address, 4), "little")


def _address(function: Any) -> int:
    """Where a function of a shared library is in memory."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0
