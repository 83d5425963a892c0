"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from kilograd.errors import UserError

#: In a folder that may be replaced: who wrote it, and what.
_MANIFEST = "kilograd.json"

#: Of every member of an archive.
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX, _MODE = 3, 0o644 << 16


def cache_directory() -> Path:
    """What is kept between commands: `KILOGRAD_CACHE`, or the user's cache directory."""
    chosen = os.environ.get("KILOGRAD_CACHE")
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("kilograd")
    return folder.absolute()


def write_atomically(path: Path, contents: bytes) -> None:
    """Write a file whole or not at all; a file of that name is replaced.

    Raises:
        UserError: when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(contents)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(_usual_mode(0o666))
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise UserError(
            f"it cannot be written: {getattr(error, 'strerror', None) or error}",
            where=str(path),
            hint="name a file in a folder that you may write to",
        ) from error


def write_folder(folder: Path, texts: Mapping[str, str], written_by: str | None = None) -> None:
    """Write a folder of UTF-8 files whole or not at all.

    Args:
        folder: must not hold anything yet, or nothing but what was written by the same program.
        texts: by file name; names may have folders.
        written_by: leaves this name and a hash of every file in ``kilograd.json``, so that the
            folder can be replaced later.

    Raises:
        UserError: when there is something else, or when it cannot be written.
    """
    try:
        _check_replaceable(folder, may_replace=written_by is not None)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".kilograd-", dir=folder.parent))
        try:
            for name, text in texts.items():
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).write_text(text, encoding="utf-8", newline="\n")
            if written_by is not None:
                contents = _manifest(texts, written_by)
                (staging / _MANIFEST).write_text(contents, encoding="utf-8", newline="\n")
            staging.chmod(_usual_mode(0o777))
            _swap(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise UserError(f"the sources cannot be written: {error}", where=str(folder)) from error


def zipped(contents: Mapping[str, bytes]) -> bytes:
    """A .zip archive: the same bytes for the same contents, on every computer.

    Args:
        contents: by file name, in the order that they get in the archive.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:  # stored: zlib's versions differ in bytes
        for name, content in contents.items():
            member = zipfile.ZipInfo(name, _DATE)
            member.create_system, member.external_attr = _UNIX, _MODE
            archive.writestr(member, content)
    return written.getvalue()


def write_zip(path: Path, folder: str, texts: Mapping[str, str], written_by: str) -> None:
    """Write a folder of UTF-8 files as a .zip archive, whole or not at all.

    Args:
        path: of the archive, which ends in .zip; another archive that kilograd wrote is replaced.
        folder: the one in the archive that holds all files.
        texts: by file name; names may have folders.
        written_by: what the folder's ``kilograd.json`` says of it.

    Raises:
        UserError: when something else is there, or when it cannot be written.
    """
    hint = f"name a file such as {folder}.zip"
    if path.is_dir():
        raise UserError("this is a folder, and the archive is a file", where=str(path), hint=hint)
    if path.suffix != ".zip":
        raise UserError("the name of an archive ends in .zip", where=str(path), hint=hint)
    if path.exists() and not _is_archive(path):
        raise UserError(
            "this file exists, and it is no archive that kilograd wrote",
            where=str(path),
            hint="move it elsewhere, or name a new file",
        )
    files = {**texts, _MANIFEST: _manifest(texts, written_by)}
    contents = {f"{folder}/{name}": text.encode() for name, text in sorted(files.items())}
    write_atomically(path, zipped(contents))


def _manifest(texts: Mapping[str, str], written_by: str) -> str:
    hashes = {name: _hash(text.encode()) for name, text in sorted(texts.items())}
    return json.dumps({"written_by": written_by, "files": hashes}, indent=1) + "\n"


def _is_archive(path: Path) -> bool:
    """Whether ``write_zip`` wrote it, and nobody has changed what is in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            manifest = f"{names[0].split('/')[0]}/{_MANIFEST}"
            written: dict[str, str] = json.loads(archive.read(manifest))["files"]
            found = {
                name.split("/", 1)[1]: _hash(archive.read(name))
                for name in names
                if name != manifest
            }
            return found == written
    except (OSError, zipfile.BadZipFile, ValueError, LookupError, TypeError, NotImplementedError):
        return False


def _check_replaceable(folder: Path, *, may_replace: bool) -> None:
    """Refuse a folder that holds anything which ``write_folder`` did not write."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    manifest = folder / _MANIFEST
    if not may_replace or not folder.is_dir() or not manifest.is_file():
        raise UserError(
            "the output is not an empty folder", where=str(folder), hint="name a new folder"
        )
    try:
        written: dict[str, str] = dict(json.loads(manifest.read_text(encoding="utf-8"))["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            "it does not say what kilograd wrote", where=str(manifest), hint="name a new folder"
        ) from error
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        name = path.relative_to(folder).as_posix()
        if name == _MANIFEST:
            continue
        if name not in written:
            raise UserError(
                "the folder also holds this file, which kilograd did not write",
                where=str(path),
                hint="move it out of the folder, or name a new folder",
            )
        if _hash(path.read_bytes()) != written[name]:
            raise UserError(
                "this file was changed since kilograd wrote it",
                where=str(path),
                hint="keep your changes elsewhere and delete the folder, or name a new one",
            )


def _hash(contents: bytes) -> str:
    """Of a text, however its lines end: version control may change that."""
    return hashlib.sha256(contents.replace(b"\r\n", b"\n")).hexdigest()


def _swap(staging: Path, folder: Path) -> None:
    """Put a finished folder in the place of another, which stays if that fails."""
    if not folder.exists():
        staging.rename(folder)
        return
    if not any(folder.iterdir()):
        folder.rmdir()
        staging.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=".kilograd-", dir=folder.parent))
    folder.rename(old / "replaced")
    try:
        staging.rename(folder)
    except OSError:
        (old / "replaced").rename(folder)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _usual_mode(most: int) -> int:
    """Rights that a file which is simply opened would get: temporary ones are private."""
    mask = os.umask(0)
    os.umask(mask)
    return most & ~mask
