"""How many fields a protocol buffer has, counted before it is parsed.

A field of two bytes can become an object of a hundred, so the size of a file bounds neither the
memory nor the time that parsing it takes; the number of its fields does.
"""

from __future__ import annotations

from typing import Any

from kilograd.frontend.onnx.errors import DamagedError, RefusedError

#: Most fields of a file; a network of a thousand layers has some ten thousand.
_MAX_FIELDS = 1_000_000

#: Most bytes of lists of numbers, which become eight times as many; weights are stored as bytes.
_MAX_LISTED = 8 * 1024**2

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}

#: Of the largest varint.
_VARINT_BYTES = 10


def check_fields(content: bytes, descriptor: Any) -> None:
    """Refuse a message that has too many fields or numbers, or ends within one.

    Args:
        content: the message.
        descriptor: protobuf's, of its type.

    Raises:
        DamagedError: for such a message.
        RefusedError: when lists of numbers in it are too long.
    """
    fields = listed = 0
    messages = [(descriptor, 0, len(content))]
    while messages:
        descriptor, place, end = messages.pop()
        known = descriptor.fields_by_number
        while place < end:
            fields += 1
            if fields > _MAX_FIELDS:
                msg = f"it has more than {_MAX_FIELDS:,} fields"
                raise DamagedError(msg)
            number, kind, place, behind = _field(content, place, end)
            field = known.get(number)
            if kind == _LENGTH and field is not None:
                if field.message_type is not None:
                    messages.append((field.message_type, place, behind))
                elif field.type not in {field.TYPE_STRING, field.TYPE_BYTES}:
                    listed += behind - place
            if listed > _MAX_LISTED:
                raise RefusedError(
                    f"its lists of numbers have more than {_MAX_LISTED:,} bytes, and weights are "
                    "read where they are stored as bytes (raw_data)"
                )
            place = behind


def _field(content: bytes, place: int, end: int) -> tuple[int, int, int, int]:
    """Number and kind of a field, and where its contents begin and end."""
    tag, place = _varint(content, place, end)
    kind = tag & 7
    behind = place
    if kind == _VARINT:
        _, behind = _varint(content, place, end)
    elif kind == _LENGTH:
        size, place = _varint(content, place, end)
        behind = place + size
    elif kind in _FIXED:
        behind = place + _FIXED[kind]
    else:
        msg = f"it has a field of the unknown kind {kind}"
        raise DamagedError(msg)
    if behind > end:
        msg = "it ends within a field"
        raise DamagedError(msg)
    return tag >> 3, kind, place, behind


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
