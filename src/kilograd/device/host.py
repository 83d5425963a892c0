"""The network as a shared library in this process: the fastest device, and the simulator."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import shutil
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kilograd.device.protocol import (
    NO_SAMPLE,
    Counters,
    LearningRate,
    TrainingCounters,
    check_classes,
    check_label,
    check_seed,
    check_state,
    refusal,
    sample_bytes,
)
from kilograd.device.sample_memory import check_memory, no_memory
from kilograd.errors import DataError, DeviceError
from kilograd.ir import LabelKind
from kilograd.toolchain.job import cleared

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self


class _Rate(ctypes.Structure):
    _fields_ = (
        ("mantissa", ctypes.c_int32),
        ("exponent", ctypes.c_int32),
        ("steps", ctypes.c_uint32),
    )


_ALIGNMENT = 8
_LOGITS = ctypes.POINTER(ctypes.c_int32)
_BYTES = ctypes.POINTER(ctypes.c_uint8)


class HostDevice:
    """A network built with `build_host_library`.

    Each instance has its own state: the library is copied, as one file is loaded only once.

    Args:
        library: path of the shared library.

    Raises:
        DeviceError: the library cannot be loaded, or is not one of kilograd's.
    """

    name = "host"

    def __init__(self, library: Path) -> None:
        handle, name = tempfile.mkstemp(prefix="kilograd-", suffix=library.suffix)
        os.close(handle)
        self._copy = Path(name)
        self._loaded: Any = None
        self._memory: NDArray[np.uint8] | None = None
        try:
            shutil.copyfile(library, self._copy)
            self._loaded = ctypes.CDLL(str(self._copy))
            self._declare()
        except (OSError, AttributeError, ValueError) as error:
            self.close()
            if not library.exists():
                raise cleared(library) from error
            raise DeviceError(
                f"cannot load the network's library: {error}", where=str(library)
            ) from error

    def _declare(self) -> None:
        library = self._library
        self.input_bytes = self._constant("kg_input_bytes")
        self.class_count = self._constant("kg_class_count")
        self.label_kind = (*LabelKind,)[self._constant("kg_label_kind")]
        self.state_bytes = self._constant("kg_state_bytes")
        self._snapshot_bytes = self._constant("kg_snapshot_bytes")
        library.kg_init.argtypes = (ctypes.c_uint32,)
        library.kg_init.restype = None
        self._has_row_input = not hasattr(library, "kg_input")
        if self._has_row_input:
            library.kg_push_rows.argtypes = (ctypes.c_char_p, ctypes.c_uint32)
            library.kg_push_rows.restype = ctypes.c_uint32
        else:
            library.kg_input.restype = ctypes.c_void_p
        library.kg_state.restype = ctypes.c_void_p
        for name in ("kg_predict", "kg_predict_suffix"):
            getattr(library, name).restype = _LOGITS
        for name in ("kg_train_step", "kg_train_step_suffix"):
            getattr(library, name).argtypes = (ctypes.c_int32, _Rate)
            getattr(library, name).restype = _LOGITS
        library.kg_set_classes.argtypes = (ctypes.c_uint32,)
        library.kg_get_classes.restype = ctypes.c_uint32
        library.kg_get_counters.restype = ctypes.POINTER(ctypes.c_uint32)
        library.kg_prefix.restype = ctypes.c_int32
        library.kg_error.restype = ctypes.c_int32
        for name in ("kg_snapshot_save", "kg_snapshot_restore"):
            getattr(library, name).argtypes = (_BYTES,)
            getattr(library, name).restype = None
        if hasattr(library, "kg_memory_in_ram"):
            library.kg_memory_step.argtypes = (ctypes.c_int32, _Rate)
            library.kg_memory_replay.argtypes = (_Rate, ctypes.c_uint32)
            library.kg_memory_count.restype = ctypes.c_uint32
            library.kg_active_logits.restype = _LOGITS

    @property
    def _library(self) -> Any:
        if self._loaded is None:
            raise DeviceError(f"{self.name}: the device is closed")
        return self._loaded

    def _constant(self, name: str) -> int:
        return int(ctypes.c_uint32.in_dll(self._library, name).value)

    @property
    def active_classes(self) -> int:
        """How many classes, the first ones, are predicted and learned."""
        return int(self._library.kg_get_classes())

    def set_active_classes(self, count: int) -> None:
        """Sets `active_classes`, 2 to `class_count`."""
        check_classes(count, self.class_count)
        self._library.kg_set_classes(count)

    def initialize(self, seed: int) -> None:
        """Sets initial weights, all classes active and the step counter 0; seed: uint32."""
        check_seed(seed)
        self._library.kg_init(seed)

    def predict(self, sample: NDArray[np.int8]) -> NDArray[np.int32]:
        """Runs the network: the logits of one sample, int32, (classes,)."""
        self._put(sample)
        return self._logits(self._library.kg_predict())

    def train_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """Learns from one sample: its logits before the update, int32, (classes,)."""
        check_label(label, self.active_classes, self.label_kind)
        self._put(sample)
        rate_struct = _Rate(rate.mantissa, rate.exponent, rate.steps)
        return self._logits(self._library.kg_train_step(label, rate_struct))

    def prefix_snapshot(self, sample: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Runs only the layers that training cannot change; what the others need, as bytes.

        A snapshot stays good for this network, whatever it learns, and for any of its instances.
        """
        self._put(sample)
        if error := self._library.kg_prefix():
            raise refusal(self.name, error)
        snapshot = np.empty(self._snapshot_bytes, np.uint8)
        self._library.kg_snapshot_save(snapshot.ctypes.data_as(_BYTES))
        return snapshot

    def predict_from_snapshot(self, snapshot: NDArray[np.uint8]) -> NDArray[np.int32]:
        """As `predict`, of the sample that the snapshot was taken from."""
        self._restore(snapshot)
        return self._logits(self._library.kg_predict_suffix())

    def train_step_from_snapshot(
        self, snapshot: NDArray[np.uint8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """As `train_step`, of the sample that the snapshot was taken from."""
        check_label(label, self.active_classes, self.label_kind)
        self._restore(snapshot)
        rate_struct = _Rate(rate.mantissa, rate.exponent, rate.steps)
        return self._logits(self._library.kg_train_step_suffix(label, rate_struct))

    def begin_memory(self, samples: int, per_class: int = 0) -> None:
        """As `MemoryDevice.begin_memory`.

        Raises:
            DataError: a memory that holds nothing.
            DeviceError: labels are sets of classes, which no memory is balanced over.
        """
        check_memory(samples, per_class)
        if not hasattr(self._library, "kg_memory_in_ram"):
            raise DeviceError("samples with sets of labels are not kept", where=self.name)
        size = samples * self._constant("kg_memory_sample_bytes")
        self._memory = np.empty(size + _ALIGNMENT, np.uint8)
        address = self._memory.ctypes.data
        address += -address % _ALIGNMENT
        self._check(self._library.kg_memory_in_ram(ctypes.c_void_p(address), size, per_class))

    def memory_keep(self, sample: NDArray[np.int8], label: int) -> NDArray[np.int32]:
        """As `MemoryDevice.memory_keep`."""
        self._give_to_memory(sample, label)
        self._check(self._library.kg_memory_keep(label))
        return self._logits(self._library.kg_active_logits())

    def memory_step(
        self, sample: NDArray[np.int8], label: int, rate: LearningRate
    ) -> NDArray[np.int32]:
        """As `MemoryDevice.memory_step`."""
        self._give_to_memory(sample, label)
        rate_struct = _Rate(rate.mantissa, rate.exponent, rate.steps)
        self._check(self._library.kg_memory_step(label, rate_struct))
        return self._logits(self._library.kg_active_logits())

    def memory_replay(self, rate: LearningRate, at: int) -> int | None:
        """As `MemoryDevice.memory_replay`."""
        self._need_memory()
        rate_struct = _Rate(rate.mantissa, rate.exponent, rate.steps)
        label = self._library.kg_memory_replay(rate_struct, at)
        return None if label == NO_SAMPLE else self._check(label)

    def memory_forget(self, label: int) -> None:
        """As `MemoryDevice.memory_forget`."""
        check_label(label, self.class_count)
        self._need_memory()
        self._check(self._library.kg_memory_forget(label))

    def memory_counts(self) -> tuple[int, ...]:
        """As `MemoryDevice.memory_counts`."""
        self._need_memory()
        return tuple(self._library.kg_memory_count(label) for label in range(self.class_count))

    def _need_memory(self) -> None:
        if self._memory is None:
            raise no_memory(self.name)

    def _give_to_memory(self, sample: NDArray[np.int8], label: int) -> None:
        self._need_memory()
        check_label(label, self.active_classes)
        self._put(sample)

    def _check(self, status: int) -> int:
        if status < 0:
            raise refusal(self.name, status)
        return status

    def read_state(self) -> bytes:
        """Everything that was trained; before it, as uint32: seed, steps, active classes."""
        return ctypes.string_at(self._library.kg_state(), self.state_bytes)

    def write_state(self, state: bytes) -> None:
        """Puts back what `read_state` gave."""
        check_state(state, self.state_bytes, self.class_count)
        ctypes.memmove(self._library.kg_state(), state, self.state_bytes)

    def counters(self) -> Counters:
        """What training has met; nothing is measured on the host."""
        counted = self._library.kg_get_counters()[: len(fields(TrainingCounters))]
        return Counters(TrainingCounters(*counted), None, None)

    def close(self) -> None:
        """Unloads the library and deletes the copy."""
        library, self._loaded = self._loaded, None
        if library is not None:
            _unload(library._handle)  # noqa: SLF001
        # Not before unloading: the next copy could get the same inode, and the loader would
        # take it for the one it already has.
        self._copy.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_copy"):
            self.close()

    def _put(self, sample: NDArray[np.int8]) -> None:
        data = sample_bytes(sample, self.input_bytes)
        if not self._has_row_input:
            ctypes.memmove(self._library.kg_input(), data, self.input_bytes)
            return
        row_bytes = self._constant("kg_row_bytes")
        self._library.kg_begin()
        for start in range(0, self.input_bytes, row_bytes):
            self._library.kg_push_rows(data[start : start + row_bytes], 1)

    def _restore(self, snapshot: NDArray[np.uint8]) -> None:
        if snapshot.dtype != np.uint8 or snapshot.shape != (self._snapshot_bytes,):
            raise DataError(
                f"a snapshot of this network is {self._snapshot_bytes} uint8, "
                f"not {snapshot.dtype} of shape {snapshot.shape}"
            )
        data = np.ascontiguousarray(snapshot)
        self._library.kg_snapshot_restore(data.ctypes.data_as(_BYTES))

    def _logits(self, pointer: Any) -> NDArray[np.int32]:
        if not pointer:
            raise refusal(self.name, self._library.kg_error())
        return np.array(pointer[: self.class_count], np.int32)


def _unload(handle: int) -> None:
    if sys.platform == "win32":
        _ctypes.FreeLibrary(handle)
    else:
        _ctypes.dlclose(handle)
