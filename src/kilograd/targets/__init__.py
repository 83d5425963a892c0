"""The machines that kilograd writes C for: one file of data each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli

from kilograd.errors import TargetError
from kilograd.targets.target import Region, Target, parse_target, target_name

_SUFFIX = ".toml"


@cache
def target_names() -> tuple[str, ...]:
    """Names of the targets that come with kilograd."""
    names = (entry.name for entry in files("kilograd.targets").iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


@cache
def get_target(name: str) -> Target:
    """A target by its name, or by the path of its file, which ends in ``.toml``.

    Raises:
        TargetError: there is no such target (the hint lists them), or its file is wrong.
    """
    if name.endswith(_SUFFIX):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TargetError(f"the target's file cannot be read: {error}", where=name) from error
        return _parse(target_name(path), text, name)
    if name not in target_names():
        raise TargetError(
            f"unknown target {name!r}",
            hint=f"choose one of {', '.join(target_names())}, or name a target's .toml file",
        )
    file = files("kilograd.targets") / f"{name}{_SUFFIX}"
    return _parse(name, file.read_text(encoding="utf-8"), file.name)


def _parse(name: str, text: str, where: str) -> Target:
    try:
        contents: dict[str, Any] = tomli.loads(text)
    except ValueError as error:
        raise TargetError(f"the target's file is no TOML: {error}", where=where) from error
    return parse_target(name, contents, where)


__all__ = ["Region", "Target", "get_target", "parse_target", "target_names"]
