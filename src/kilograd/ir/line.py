"""One line of a graph's text: its tokens, and the attributes that dataclasses describe."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kilograd.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r]+ | \#.*)
  | (?P<value>%(?: [A-Za-z0-9_.]+ | "(?:[^"\\]|\\.)*" ))
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<number>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)
  | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
  | (?P<sign>->|[:,=()\[\]])
    """,
    re.VERBOSE | re.ASCII,
)
_LONGEST_NUMBER = 40
_SHOWN_BEFORE, _SHOWN_AFTER = 60, 40


class TextError(UserError):
    """A text that is no graph; says where, and shows the line with carets below the place.

    Attributes:
        line: counted from 1.
        column: counted from 1.
    """

    def __init__(
        self, what: str, *, file: str, source: str, line: int, column: int, width: int = 1
    ) -> None:
        self.line = line
        self.column = column
        begin = max(0, column - 1 - _SHOWN_BEFORE)
        shown = source[begin : column - 1 + width + _SHOWN_AFTER].replace("\t", " ")
        cut = "…" if begin else ""
        caret = " " * (len(cut) + column - 1 - begin) + "^" * max(1, width)
        super().__init__(f"{what}\n  {cut}{shown}\n  {caret}", where=f"{file}:{line}:{column}")


@dataclass(frozen=True)
class Token:
    """A piece of a line; a name's or value's text is stripped of quotes and sign once taken."""

    kind: str
    text: str
    column: int


class Line:
    """The tokens of one line, taken from left to right."""

    def __init__(self, file: str, number: int, source: str) -> None:
        self._file = file
        self._number = number
        self._source = source
        self._next = 0
        self.tokens = list(self._split())

    def _split(self) -> Iterator[Token]:
        position = 0
        while position < len(self._source):
            match = _TOKEN.match(self._source, position)
            if match is None:
                token = Token("", self._source[position], position + 1)
                raise self.error(f"{token.text!r} is not expected here", token)
            if match.lastgroup != "space":
                yield Token(match.lastgroup or "", match[0], position + 1)
            position = match.end()

    def error(self, what: str, token: Token | None = None) -> TextError:
        """An error at a token, by default the next one."""
        if token is None:
            token = self._peek()
        return TextError(
            what,
            file=self._file,
            source=self._source,
            line=self._number,
            column=token.column,
            width=len(token.text),
        )

    def _peek(self) -> Token:
        if self._next < len(self.tokens):
            return self.tokens[self._next]
        return Token("end", "", len(self._source) + 1)

    def peek(self) -> str:
        """Text of the next token, empty at the line's end."""
        return self._peek().text

    def take(self, kind: str, expected: str) -> Token:
        """The next token, if it is of this kind."""
        token = self._peek()
        if token.kind != kind:
            raise self.error(f"expected {expected}")
        self._next += 1
        return token

    def skip(self, *texts: str) -> None:
        """The next tokens, if they are these."""
        for text in texts:
            if self.peek() != text:
                raise self.error(f"expected {text!r}")
            self._next += 1

    def accept(self, text: str) -> bool:
        """Whether the next token was this one; it is taken then."""
        if self.peek() != text:
            return False
        self._next += 1
        return True

    def end(self) -> None:
        """Nothing is left."""
        if self.peek():
            raise self.error("expected the end of the line")

    def name(self, expected: str) -> Token:
        """A word or a quoted name; the token's text is the name."""
        token = self._peek()
        if token.kind == "string":
            return dataclasses.replace(self.take("string", expected), text=self._unquoted(token))
        return self.take("word", expected)

    def ref(self, expected: str = "a value, as %name") -> Token:
        """A value's name; the token's text is the name."""
        token = self.take("value", expected)
        text = token.text[1:]
        if text.startswith('"'):
            text = self._unquoted(token)
        return dataclasses.replace(token, text=text)

    def refs(self, close: str) -> list[Token]:
        """Values separated by commas, up to and with ``close``."""
        found: list[Token] = []
        while not self.accept(close):
            if found:
                self.skip(",")
            found.append(self.ref(f"a value, as %name, or {close!r}"))
        return found

    def named_refs(self, close: str) -> list[tuple[str | None, Token]]:
        """The same, each perhaps behind a name and ``=``."""
        found: list[tuple[str | None, Token]] = []
        while not self.accept(close):
            if found:
                self.skip(",")
            name = None
            if self._peek().kind == "word":
                name = self.take("word", "an operand").text
                self.skip("=")
            found.append((name, self.ref(f"a value, as %name, or {close!r}")))
        return found

    def _unquoted(self, token: Token) -> str:
        try:
            return str(json.loads(token.text.removeprefix("%")))
        except ValueError as error:
            raise self.error("this is not a quoted name as in JSON", token) from error

    def attribute(self, hint: Any) -> Any:
        """A value of a dataclass's field, as its type says."""
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self._dataclass(hint)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            if type(None) in arguments and self.accept("None"):
                return None
            (inner,) = [argument for argument in arguments if argument is not type(None)]
            return self.attribute(inner)
        if origin is tuple:
            return self._tuple(arguments)
        if hint is bool:
            word = self.take("word", "True or False")
            if word.text not in ("True", "False"):
                raise self.error("expected True or False", word)
            return word.text == "True"
        if hint is str:
            return self._unquoted(self.take("string", "a quoted text"))
        if hint in (int, float):
            return self.number(hint)
        msg = f"attributes of type {hint} have no text form"
        raise TypeError(msg)

    def number(self, kind: type[int | float]) -> Any:
        """An int or a finite float."""
        what = "a whole number" if kind is int else "a number"
        token = self.take("number", what)
        if len(token.text) > _LONGEST_NUMBER:
            raise self.error("this number is too long", token)
        try:
            number = kind(token.text)
        except ValueError as error:
            raise self.error(f"expected {what}", token) from error
        if not math.isfinite(number):
            raise self.error("this number is too large", token)
        return number

    def _tuple(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        start = self._peek()
        self.skip("(")
        items: list[Any] = []
        repeated = len(arguments) == 2 and arguments[1] is ...  # noqa: PLR2004 - tuple[T, ...]
        while not self.accept(")"):
            if items:
                self.skip(",")
                if self.accept(")"):
                    break
            if not repeated and len(items) == len(arguments):
                raise self.error(f"expected {len(arguments)} items")
            items.append(self.attribute(arguments[0] if repeated else arguments[len(items)]))
        if not repeated and len(items) != len(arguments):
            raise self.error(f"expected {len(arguments)} items", start)
        return tuple(items)

    def _dataclass(self, made: type) -> Any:
        start = self._peek()
        self.skip(made.__name__, "(")
        hints = typing.get_type_hints(made)
        fields = [field.name for field in dataclasses.fields(made)]
        given: dict[str, Any] = {}
        while not self.accept(")"):
            if given:
                self.skip(",")
            name = self.take("word", f"a field of {made.__name__}")
            if name.text not in fields or name.text in given:
                what = "is given twice" if name.text in given else "is no field"
                known = ", ".join(fields) or "it has none"
                raise self.error(f"{name.text} {what} of {made.__name__} ({known})", name)
            self.skip("=")
            given[name.text] = self.attribute(hints[name.text])
        missing = [name for name in fields if name not in given]
        if missing:
            raise self.error(f"{made.__name__} lacks {', '.join(missing)}", start)
        try:
            return made(**given)
        except ValueError as error:
            raise self.error(str(error), start) from error
