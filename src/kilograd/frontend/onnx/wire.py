"""How many fields a protocol buffer has, counted before it is parsed.

A field of two bytes can become an object of a hundred, so the size of a file bounds neither the
memory nor the time that parsing it takes; the number of its fields does.
"""

from __future__ import annotations

from typing import Any

from kilograd.frontend.onnx.errors import DamagedError

#: Most fields of a file; a network of a thousand layers has some ten thousand.
_MAX_FIELDS = 1_000_000

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}

#: Of the largest varint.
_VARINT_BYTES = 10


def check_fields(content: bytes, descriptor: Any) -> None:
    """Refuse a message that has too many fields, or ends within one.

    Args:
        content: the message.
        descriptor: protobuf's, of its type.

    Raises:
        DamagedError: for such a message.
    """
    fields = 0
    messages = [(descriptor, 0, len(content))]
    while messages:
        descriptor, place, end = messages.pop()
        inner = {
            number: field.message_type
            for number, field in descriptor.fields_by_number.items()
            if field.message_type is not None
        }
        while place < end:
            fields += 1
            if fields > _MAX_FIELDS:
                msg = f"it has more than {_MAX_FIELDS:,} fields"
                raise DamagedError(msg)
            tag, place = _varint(content, place, end)
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                _, place = _varint(content, place, end)
                continue
            if kind == _LENGTH:
                size, place = _varint(content, place, end)
                if number in inner:
                    messages.append((inner[number], place, place + size))
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                msg = f"it has a field of the unknown kind {kind}"
                raise DamagedError(msg)
            place += size
            if place > end:
                msg = "it ends within a field"
                raise DamagedError(msg)


def _varint(content: bytes, place: int, end: int) -> tuple[int, int]:
    """A number of variable length, and the place behind it."""
    number = 0
    for shift in range(_VARINT_BYTES):
        if place + shift >= end:
            break
        byte = content[place + shift]
        number |= (byte & 127) << 7 * shift
        if byte < 128:  # noqa: PLR2004 - the highest bit says that there is more
            return number, place + shift + 1
    msg = "it ends within a number"
    raise DamagedError(msg)
