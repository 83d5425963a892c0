"""Files of public repositories: from checkouts that are there, or from GitHub's archives."""

from __future__ import annotations

import logging
import sys
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

import pooch

from experiments.packs.recipes import Source
from kilograd.errors import DataError
from kilograd.files import cache_directory

#: Where archives are downloaded from: ``…/owner/name/tar.gz/commit``.
ARCHIVES = "https://codeload.github.com"
_TIMEOUT_S = 60
_SHOWN = 3


def read_checkout(
    folder: Path, source: Source, wanted: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """Files of a repository that was checked out or unpacked in a folder of such.

    It may lie there as ``owner/name``, ``owner+name``, ``name`` or ``name-commit``.

    Args:
        folder: of checkouts.
        source: the repository; that the checkout is of its commit is not looked at.
        wanted: paths in the repository.

    Raises:
        DataError: when there is no such checkout, or it lacks files.
    """
    owner, name = source.repository.split("/")
    places = (f"{owner}/{name}", f"{owner}+{name}", name, f"{name}-{source.commit}")
    root = next((folder / place for place in places if (folder / place).is_dir()), None)
    if root is None:
        raise DataError(
            f"there is no checkout of {source}", where=str(folder), hint=f"name it {places[0]}"
        )
    _refuse_missing([path for path in wanted if not (root / path).is_file()], source, root)
    for path in wanted:
        yield path, (root / path).read_bytes()


def read_archive(
    archive: Path, source: Source, wanted: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    """Files of a repository's .tar.gz archive, in the archive's order; nothing is unpacked.

    Raises:
        DataError: when the archive is damaged or lacks files.
    """
    missing = set(wanted)
    try:
        with tarfile.open(archive, "r|gz") as members:
            for member in members:
                path = member.name.partition("/")[2]
                if path in missing and (file := members.extractfile(member)) is not None:
                    missing.remove(path)
                    yield path, file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"the archive of {source} is damaged ({type(error).__name__})",
            where=str(archive),
            hint="delete it, so that it is downloaded again",
        ) from error
    _refuse_missing(sorted(missing), source, archive)


def download(source: Source) -> Path:
    """GitHub's archive of a commit in kilograd's cache; downloaded whole or not at all.

    GitHub does not promise the bytes of an archive, so there is no digest to compare with; the
    pack that is made of it has one.

    Raises:
        DataError: when it cannot be downloaded.
    """
    url = f"{ARCHIVES}/{source.repository}/tar.gz/{source.commit}"
    untyped = cast("Any", pooch)
    logger: logging.Logger = untyped.get_logger()
    logger.setLevel(logging.WARNING)  # it would print the archive's digest and advice about it
    try:
        return Path(
            untyped.retrieve(
                url,
                known_hash=None,
                fname=f"{source.repository.replace('/', '+')}-{source.commit}.tar.gz",
                path=cache_directory() / "archives",
                downloader=untyped.HTTPDownloader(
                    timeout=_TIMEOUT_S, progressbar=_Progress(str(source))
                ),
            )
        )
    except OSError as error:
        raise DataError(
            f"the archive of {source} cannot be downloaded ({type(error).__name__})",
            where=url,
            hint="look at the connection, or check the repository out elsewhere and name the "
            "folder that it lies in with --from",
        ) from error


def _refuse_missing(missing: list[str], source: Source, where: Path) -> None:
    if missing:
        more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{source} lacks {', '.join(missing[:_SHOWN])}{more}",
            where=str(where),
            hint=f"take the repository at commit {source.commit}",
        )


class _Progress:
    """Shows pooch's progress where somebody looks; GitHub does not say how much there will be."""

    def __init__(self, name: str) -> None:
        self.total = 0
        self._name = name
        self._done = 0
        self._shows = sys.stderr.isatty()

    def update(self, count: int) -> None:
        self._done += count
        if self._shows:
            sys.stderr.write(f"\r{self._name}: {self._done / 1e6:,.1f} MB")

    def reset(self) -> None:
        """Pooch counts once more from here."""
        self._shows, shown = False, self._shows
        if shown:
            sys.stderr.write("\n")

    def close(self) -> None:
        """Nothing is open."""
