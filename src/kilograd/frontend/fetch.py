"""Finds model files: a path of the user's, or a published checkpoint by its name.

A named checkpoint is looked for in the folder that `KILOGRAD_MODELS` names, then in the cache
(`KILOGRAD_CACHE`, or the user's cache folder), then downloaded. Wherever it comes from, its SHA-256
must be the pinned one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pooch  # pyright: ignore[reportMissingTypeStubs]

from kilograd.errors import ModelError
from kilograd.files import cache_directory
from kilograd.frontend.formats import FORMATS, folder_error

MODELS = {
    "mcunet-5fps": "4de2e06ed39041fc3609de806461a9e1d1f82f186927474bd9e9b0de756a0f00",
    "mbv2-w0.35": "310d2871c50a89af9f11928e28418729984c2e402cf68560a19b6cbb75854163",
    "proxyless-w0.3": "0da06d029506a36e5a5d0822493cdae11f37ba78662f9aca25ba5b3c958cf8e1",
}
"""SHA-256 of every known checkpoint, by name."""

# The licence of these files is MIT.
_SOURCE = "https://raw.githubusercontent.com/mit-han-lab/tiny-training/c29157f55224b805030081d27618ead0dca62cb8/algorithm/assets/mcu_models"
_TIMEOUT_S = 30


def resolve_model(text: str, others: Sequence[str] = (), made: Sequence[str] = ()) -> Path:
    """Turns what the user typed into a model file: an existing file, else a known name.

    Args:
        text: path or name.
        others: names that are known beside those of checkpoints, for messages.
        made: names of networks that come from no file, likewise.

    Raises:
        ModelError: `text` is neither, or the named checkpoint cannot be had.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return path
    if text in MODELS:
        return fetch_model(text)
    if text and path.is_dir():
        raise folder_error(path)
    if path.suffix.lower() in FORMATS:
        raise ModelError("there is no such file", where=text)
    raise ModelError(
        "this is neither a model file nor a known model",
        where=text,
        hint=f"known models are {', '.join((*others, *MODELS, *made))}",
    )


def fetch_model(name: str, destination: Path | None = None) -> Path:
    """Returns the file of a published checkpoint, downloaded if it is not here yet.

    Args:
        name: a key of `MODELS`.
        destination: folder that a download goes to, and that is looked in before; the cache if
            None.

    Raises:
        ModelError: the name is unknown, a file has the wrong SHA-256, or the download failed.
    """
    if name not in MODELS:
        raise ModelError(
            "there is no model of this name",
            where=name,
            hint=f"known models are {', '.join(MODELS)}",
        )
    folder = os.environ.get("KILOGRAD_MODELS")
    if folder:
        local = Path(folder).expanduser() / f"{name}.pkl"
        if local.is_file():
            return _verified(local, MODELS[name])
    return _download(name, destination or cache_directory() / "models")


def _download(name: str, folder: Path) -> Path:
    url = f"{_SOURCE}/{name}.pkl"
    untyped = cast("Any", pooch)
    try:
        return Path(
            untyped.retrieve(
                url,
                known_hash=f"sha256:{MODELS[name]}",
                fname=f"{name}.pkl",
                path=folder,
                downloader=untyped.HTTPDownloader(timeout=_TIMEOUT_S),
            )
        )
    # pooch reports a wrong hash as ValueError; every network failure is an OSError.
    except ValueError as error:
        raise ModelError(
            "the download does not have the expected SHA-256",
            where=url,
            hint=_local_hint(name),
        ) from error
    except OSError as error:
        raise ModelError(
            f"the download to {folder} failed ({type(error).__name__})",
            where=url,
            hint=_local_hint(name),
        ) from error


def _local_hint(name: str) -> str:
    return f"set KILOGRAD_MODELS to a folder that holds {name}.pkl"


def _verified(path: Path, expected: str) -> Path:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError("the file cannot be read", where=str(path)) from error
    if found != expected:
        raise ModelError(
            f"the file has SHA-256 {found[:16]}... instead of {expected[:16]}...",
            where=str(path),
            hint="replace it with the published file, or unset KILOGRAD_MODELS to download it",
        )
    return path
