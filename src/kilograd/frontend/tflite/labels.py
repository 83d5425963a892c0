"""What a .tflite file calls its classes: a list of labels, packed behind the network.

TensorFlow Lite's metadata are files in a ZIP archive at the end of the network's own file; the list
has a line for each value of the result.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from kilograd.frontend.content import read_content
from kilograd.frontend.tflite.reader import MOST_BYTES, read_tflite

#: Of a list that is read.
_MOST_LIST_BYTES = 1 << 20

#: What a damaged archive, or one with a password, or text of another encoding raises.
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError),
    *(NotImplementedError, RuntimeError, OverflowError),
)


def tflite_classes(path: Path) -> tuple[str, ...]:
    """What a network calls its classes, in the order of its values; empty where it does not say.

    A network with one value and a sigmoid has two.

    Args:
        path: of the file.

    Raises:
        ModelError: when the file is damaged, or of another kind.
    """
    network = read_tflite(path)
    shape = network.tensors[network.outputs[0]].shape if len(network.outputs) == 1 else ()
    values = shape[-1] if shape else 0
    count = 2 if values == 1 else values
    lists = {names for names in _lists(read_content(path, MOST_BYTES)) if len(names) == count}
    if len(lists) != 1:
        return ()
    (names,) = lists
    return names if len(set(names)) == count else ()


def _lists(content: bytes) -> Iterator[tuple[str, ...]]:
    """Every text in an archive at the end of a file, as its lines; none where it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".txt") and member.file_size <= _MOST_LIST_BYTES:
                    with archive.open(member) as file:
                        text = file.read(_MOST_LIST_BYTES).decode()
                    yield tuple(line.strip() for line in text.splitlines() if line.strip())
    except _DAMAGES:
        return
