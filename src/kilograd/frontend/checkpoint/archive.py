"""From a checkpoint file to plain values, with nothing of the file ever executed.

The file is a zip archive whose member `<folder>/data.pkl` is a pickle of protocol 2. A pickle is a
program. An `Unpickler` whose `find_class` refuses every name still lets it hash a tuple nested a
million deep (the interpreter crashes) or store at memo index 2**31 (gigabytes). So the pickle
module is left out: a small machine runs the two dozen opcodes that build plain data, and knows
four names, each a stand-in for what numpy would do. Anything else is refused by its name.

Nothing walks, compares, hashes or prints a value it has not first found to be a number or a string.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
import zlib
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from kilograd.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MAX_BYTES = 64 * 1024 * 1024
"""Limit of the file, of the unpacked pickle, and of all its arrays together."""

MAX_OPCODES = 200_000
"""Limit of a pickle's length in opcodes; the published files have fewer than 9,000."""

MAX_DIMENSIONS = 4

HINT = "kilograd reads the int8 checkpoints of mit-han-lab/tiny-training; fetch the file again"

_DTYPES = ("i1", "i4", "i8", "f4", "f8")
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
    TypeError,
)


class _Name(Enum):
    """Stand-ins for the only four names that a checkpoint may mention."""

    NDARRAY = "numpy ndarray"
    DTYPE = "numpy dtype"
    RECONSTRUCT = "numpy.core.multiarray _reconstruct"
    ENCODE = "_codecs encode"


_NAMES = {name.value: name for name in _Name}
# numpy 2 moved the function; a checkpoint saved again under it differs in nothing else.
_NAMES["numpy._core.multiarray _reconstruct"] = _Name.RECONSTRUCT


class _Dtype:
    """Stands in for a numpy dtype; `code` is one of `_DTYPES`."""

    def __init__(self, code: str) -> None:
        self.code = code


class StoredArray:
    """Stands in for a numpy array; `values` stays None until the pickle has given its content."""

    def __init__(self) -> None:
        self.values: NDArray[Any] | None = None


def read_archive(path: Path) -> object:
    """Reads a checkpoint file into dicts, lists, tuples, numbers, strings and `StoredArray`s.

    Raises:
        ModelError: the file is missing, too large, damaged, or more than plain data.
    """
    pickled = _read_member(path)
    try:
        return _Machine(pickled, where=str(path)).run()
    except _DAMAGED as error:
        raise ModelError("the pickle inside is damaged", where=str(path), hint=HINT) from error


def _read_member(path: Path) -> bytes:
    where = str(path)
    try:
        if not path.is_file():
            raise ModelError("there is no such file", where=where, hint=HINT)
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(_too_large("the file"), where=where, hint=HINT)
        with zipfile.ZipFile(path) as archive:
            members = [item for item in archive.infolist() if item.filename.endswith("/data.pkl")]
            if len(members) != 1:
                what = f"the archive has {len(members)} members named data.pkl instead of one"
                raise ModelError(what, where=where, hint=HINT)
            if members[0].file_size > MAX_BYTES:
                raise ModelError(_too_large("data.pkl unpacked"), where=where, hint=HINT)
            if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ModelError("data.pkl is packed in an unusual way", where=where, hint=HINT)
            with archive.open(members[0]) as stream:
                # One byte more than is there, so that the end is reached and the CRC checked.
                pickled = stream.read(members[0].file_size + 1)
            if len(pickled) != members[0].file_size:
                raise ModelError("data.pkl is cut short", where=where, hint=HINT)
            return pickled
    except _DAMAGED as error:
        what = "this is no checkpoint: not a readable zip archive"
        raise ModelError(what, where=where, hint=HINT) from error


def _too_large(what: str) -> str:
    return f"{what} is larger than {MAX_BYTES // (1024 * 1024)} MB"


def quoted(text: str) -> str:
    """Shortens text from the file and escapes it: it may be long, or hold terminal codes."""
    return ascii(text[:60])


def _as_tuple(value: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()


class _Machine:
    """A stack machine for the data-building opcodes of pickle protocol 2.

    Args:
        pickled: the bytes of the pickle.
        where: the file, for messages.
    """

    def __init__(self, pickled: bytes, *, where: str) -> None:
        self._stream = io.BytesIO(pickled)
        self._where = where
        self._stack: list[object] = []
        self._outer: list[list[object]] = []
        self._memo: dict[int, object] = {}
        self._budget = 2 * MAX_BYTES  # every array byte is counted as text and again as array
        push = self._stack_push
        self._handlers: dict[str, Callable[[Any], None]] = {
            "PROTO": lambda _: None,
            "MARK": self._mark,
            "NONE": lambda _: push(None),
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            **dict.fromkeys(("BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE"), push),
            "EMPTY_DICT": lambda _: push({}),
            "EMPTY_LIST": lambda _: push([]),
            "EMPTY_TUPLE": lambda _: push(()),
            "TUPLE1": lambda _: push(tuple(self._pop_many(1))),
            "TUPLE2": lambda _: push(tuple(self._pop_many(2))),
            "TUPLE3": lambda _: push(tuple(self._pop_many(3))),
            "TUPLE": lambda _: push(tuple(self._pop_to_mark())),
            **dict.fromkeys(("BINPUT", "LONG_BINPUT"), self._put),
            **dict.fromkeys(("BINGET", "LONG_BINGET"), self._get),
            "APPEND": lambda _: self._append(self._pop_many(1)),
            "APPENDS": lambda _: self._append(self._pop_to_mark()),
            "SETITEM": lambda _: self._set_items(self._pop_many(2)),
            "SETITEMS": lambda _: self._set_items(self._pop_to_mark()),
            "GLOBAL": self._global,
            "REDUCE": self._reduce,
            "BUILD": self._build,
        }

    def run(self) -> object:
        """Runs to STOP and returns the value on the stack.

        Raises:
            ModelError: an opcode, a name or an array that is refused.
            Exception: one of `_DAMAGED`, where the pickle makes no sense.
        """
        for _ in range(MAX_OPCODES):
            opcode = _OPCODES.get(self._stream.read(1).decode("latin1"))
            if opcode is None:
                self._refuse("the pickle inside is damaged")
            if opcode.name == "STOP":
                break
            handler = self._handlers.get(opcode.name)
            if handler is None:
                self._refuse(f"the pickle uses the opcode {opcode.name}, which no checkpoint needs")
            # GLOBAL reads its own argument: the reader of pickletools interprets escapes in it.
            reader = opcode.arg.reader if opcode.arg and opcode.name != "GLOBAL" else None
            handler(reader(self._stream) if reader else None)
        else:
            self._refuse(f"the pickle has more than {MAX_OPCODES} opcodes")
        return self._pop_many(1)[0]

    def _refuse(self, what: str) -> NoReturn:
        raise ModelError(what, where=self._where, hint=HINT)

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            self._refuse(_too_large("the content of the arrays"))

    def _stack_push(self, value: object) -> None:
        self._stack.append(value)

    def _pop_many(self, count: int) -> list[object]:
        if len(self._stack) < count:
            self._refuse("the pickle inside is damaged")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _pop_to_mark(self) -> list[object]:
        items = self._stack
        self._stack = self._outer.pop()
        return items

    def _mark(self, _: object) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _append(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            self._refuse("the pickle inside is damaged")
        cast("list[object]", target).extend(items)

    def _set_items(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            self._refuse("the pickle inside is damaged")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                self._refuse("a dict in the pickle has a key that is not a string")
            cast("dict[str, object]", target)[key] = value

    def _global(self, _: object) -> None:
        lines = [self._stream.readline().decode("ascii") for _ in ("module", "name")]
        if not all(line.endswith("\n") for line in lines):
            self._refuse("the pickle inside is damaged")
        name = " ".join(line[:-1] for line in lines)
        if name not in _NAMES:
            self._refuse(
                f"the pickle asks for {quoted(name.replace(' ', '.', 1))}, which is refused"
            )
        self._stack.append(_NAMES[name])

    def _reduce(self, _: object) -> None:
        function, packed = self._pop_many(2)
        arguments = _as_tuple(packed)
        if function is _Name.ENCODE:
            self._stack.append(self._encode(arguments))
        elif function is _Name.DTYPE:
            code = arguments[0]
            if not isinstance(code, str) or code not in _DTYPES:
                name = quoted(code) if isinstance(code, str) else type(code).__name__
                self._refuse(f"an array has the dtype {name}; allowed are {', '.join(_DTYPES)}")
            self._stack.append(_Dtype(code))
        elif function is _Name.RECONSTRUCT and arguments[0] is _Name.NDARRAY:
            self._stack.append(StoredArray())
        else:
            self._refuse("the pickle calls something that is no function")

    def _encode(self, arguments: tuple[object, ...]) -> bytes:
        text, encoding = arguments
        if not isinstance(text, str) or not isinstance(encoding, str) or encoding != "latin1":
            self._refuse("the pickle encodes something other than latin1 text")
        self._spend(len(text))
        return text.encode("latin1")

    def _build(self, _: object) -> None:
        state = _as_tuple(self._pop_many(1)[0])
        target = self._stack[-1]
        if isinstance(target, _Dtype):
            order = state[1]
            if not isinstance(order, str) or order not in ("<", "|"):
                self._refuse("an array is not little-endian")
        elif isinstance(target, StoredArray) and target.values is None:
            target.values = self._array(state)
        else:
            self._refuse("the pickle sets the state of something that has none")

    def _array(self, state: tuple[object, ...]) -> NDArray[Any]:
        _version, packed_shape, dtype, is_fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            self._refuse("an array has no content of bytes")
        items = _as_tuple(packed_shape)
        shape = tuple(item for item in items if isinstance(item, int) and item > 0)
        if len(shape) != len(items) or not 1 <= len(shape) <= MAX_DIMENSIONS:
            self._refuse(f"an array's shape is not 1 to {MAX_DIMENSIONS} positive sizes")
        stored = np.dtype(f"<{dtype.code}")
        size = math.prod(shape) * stored.itemsize
        if size != len(raw):
            self._refuse(f"an array of shape {shape} needs {size} bytes but has {len(raw)}")
        self._spend(size)
        order = "F" if is_fortran is True else "C"
        values: NDArray[Any] = np.frombuffer(raw, dtype=stored)
        values = np.ascontiguousarray(np.reshape(values, shape, order=order), dtype=dtype.code)
        values.setflags(write=False)
        return values
