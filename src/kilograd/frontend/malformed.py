"""What reading a file that is not as expected may raise."""

from __future__ import annotations

#: By following a structure of other types and sizes than its format has.
MALFORMED: tuple[type[Exception], ...] = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)
