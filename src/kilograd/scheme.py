"""Update schemes: which biases and which share of which weights are trained.

A scheme file is TOML::

    name = "mcunet-5fps/49kb"

    [bias]
    last = 20                          # the last 20 layers; or layers = ["head", …]

    [weights]                          # layer = share of its input channels, above 0 up to 1
    "blocks.8.pointwise1" = 0.25
    head = 1.0

Instead of a file: ``head``, ``bias:K`` (biases of the last K layers, and the head), ``last:K``
(all of the last K layers), ``full``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import tomli

from kilograd.errors import SchemeError
from kilograd.ir import Graph
from kilograd.ops import REGISTRY

_GENERATORS = "head, bias:K, last:K, full"


@dataclass(frozen=True)
class Scheme:
    """What is trained.

    Attributes:
        name: shown to the user.
        biases: layers whose bias is trained, in the model's order.
        weights: layer -> share of its input channels whose weights are trained, in (0, 1].
    """

    name: str
    biases: tuple[str, ...]
    weights: Mapping[str, float]


def layers(graph: Graph) -> list[str]:
    """Names of the layers that have weights, in forward order; the head is last."""
    return [node.layer for node in graph.nodes if REGISTRY[node.operator].has_weights]


def published_schemes() -> list[str]:
    """Names of the schemes that come with kilograd."""
    return sorted(
        f"{folder.name}/{file.name.removesuffix('.toml')}"
        for folder in files("kilograd").joinpath("schemes").iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    )


def load_scheme(text: str | Path, graph: Graph) -> Scheme:
    """A scheme by generator, published name or file, resolved against a model's layers.

    Raises:
        SchemeError: for an unknown name, a file that cannot be read, or one that does not fit
            the model; names the line.
    """
    text = str(text)
    # Tables name the schemes of a model with the model in front, generated ones as well.
    if generated := _generate(text.removeprefix(f"{graph.name}/"), layers(graph)):
        return generated
    if text in published_schemes():
        resource = files("kilograd").joinpath("schemes", *f"{text}.toml".split("/"))
        return parse_scheme(resource.read_text(encoding="utf-8"), graph, where=text)
    path = Path(text)
    try:
        is_file = path.is_file()
    except OSError:  # such as a name that is too long
        is_file = False
    if not is_file:
        raise SchemeError(
            f"there is no scheme {text!r}",
            hint=f"generators: {_GENERATORS}; published: {', '.join(published_schemes())}; "
            "or the path of a TOML file",
        )
    try:
        contents = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemeError(f"the scheme cannot be read: {error}", where=str(path)) from error
    return parse_scheme(contents, graph, where=str(path))


def parse_scheme(text: str, graph: Graph, where: str) -> Scheme:
    """The scheme in a TOML text.

    Raises:
        SchemeError: names ``where``, the line and what is wrong with it.
    """
    try:
        table = tomli.loads(text)
    except (ValueError, RecursionError) as error:  # tomli's own, and of numbers too long for int
        raise SchemeError(f"not a TOML file: {error}", where=where) from error
    reader = _Reader(text, where, layers(graph))
    made_for = table.get("model", graph.name)
    if isinstance(made_for, str) and made_for != graph.name:
        reader.hint = f"the scheme is for {made_for}, the model is {graph.name}"
    reader.only(table, {"name", "model", "bias", "weights"}, "the scheme")
    name = table.get("name", where)
    if not isinstance(name, str):
        raise reader.error("name", "must be a string")
    biases = reader.biases(table.get("bias", {}))
    weights = reader.weights(table.get("weights", {}))
    if not biases and not weights:
        raise SchemeError(
            "the scheme trains nothing", where=where, hint="add head = 1.0 under [weights]"
        )
    return Scheme(name, biases, weights)


def _generate(text: str, names: list[str]) -> Scheme | None:
    if text == "full":
        return Scheme(text, tuple(names), dict.fromkeys(names, 1.0))
    if text == "head":
        return Scheme(text, (names[-1],), {names[-1]: 1.0})
    match = re.fullmatch(r"(bias|last):(.*)", text)
    if match is None:
        return None
    kind, count_text = match.groups()
    if not re.fullmatch(r"\d{1,6}", count_text) or not 1 <= int(count_text) <= len(names):
        raise SchemeError(
            f"{kind}:K needs a whole number of layers from 1 to {len(names)}, not {count_text!r}",
            where=f"scheme {text!r}",
        )
    last = names[-int(count_text) :]
    return Scheme(text, tuple(last), dict.fromkeys(last if kind == "last" else last[-1:], 1.0))


class _Reader:
    """Checks the parts of a parsed scheme; errors name the line that the key stands on."""

    def __init__(self, text: str, where: str, names: list[str]) -> None:
        self._lines = text.split("\n")
        self._where = where
        self._names = names
        self.hint: str | None = None

    def error(self, key: str, what: str, hint: str | None = None) -> SchemeError:
        where = f"{self._where}:{line}" if (line := self._line(key)) else self._where
        return SchemeError(f"{key}: {what}", where=where, hint=self.hint or hint)

    def _line(self, key: str) -> int | None:
        """The line where the key is set, else the first that mentions it outside a comment."""
        quoted = f"[\"']?{re.escape(key)}[\"']?"
        is_set = rf"\s*({quoted}\s*[=.]|\[\s*{quoted}\s*\])"
        lines = list(enumerate(self._lines, 1))
        found = [i for i, text in lines if re.match(is_set, text)]
        found += [i for i, text in lines if key in text.partition("#")[0]]
        return found[0] if found else None

    def only(self, table: Mapping[str, Any], known: set[str], what: str) -> None:
        for key in table:
            if key not in known:
                raise self.error(
                    key, f"{what} has no such key", f"known: {', '.join(sorted(known))}"
                )

    def biases(self, table: Any) -> tuple[str, ...]:
        if not isinstance(table, dict):
            raise self.error("bias", "must be a table with last or layers")
        bias = cast("dict[str, Any]", table)
        self.only(bias, {"last", "layers"}, "[bias]")
        last: Any = bias.get("last", 0)
        if isinstance(last, bool) or not isinstance(last, int) or not 0 <= last <= len(self._names):
            raise self.error(
                "last", f"must be a whole number of layers from 0 to {len(self._names)}"
            )
        chosen = set(self._names[len(self._names) - last :])
        named: Any = bias.get("layers", [])
        names = cast("list[Any]", named) if isinstance(named, list) else [None]
        for name in names:
            if not isinstance(name, str):
                raise self.error("layers", "must be a list of layer names")
            self._known(name)
            chosen.add(name)
        return tuple(name for name in self._names if name in chosen)

    def weights(self, table: Any) -> dict[str, float]:
        if not isinstance(table, dict):
            raise self.error("weights", "must be a table of layer = share")
        shares: dict[str, float] = {}
        nested = [
            name for name, share in cast("dict[str, Any]", table).items() if isinstance(share, dict)
        ]
        for name, share in cast("dict[str, Any]", table).items():
            if name in nested and name not in self._names:
                raise self.error(
                    name, "is a table of its own", 'quote names with dots: "blocks.1.pointwise1"'
                )
            self._known(name)
            if isinstance(share, bool) or not isinstance(share, int | float):
                raise self.error(name, f"the share must be a number, not a {type(share).__name__}")
            if not 0 < share <= 1:
                raise self.error(
                    name,
                    "the share must be above 0 and at most 1",
                    "leave a layer out to keep its weights frozen",
                )
            shares[name] = float(share)
        return {name: shares[name] for name in self._names if name in shares}

    def _known(self, name: str) -> None:
        if name not in self._names:
            near = [n for n in self._names if n.split(".")[-1] == name.rsplit(".", maxsplit=1)[-1]]
            raise self.error(
                name,
                "the model has no such layer with weights",
                f"layers: {', '.join((near or self._names)[:12])}, …; see kilograd inspect",
            )
