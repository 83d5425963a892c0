"""A state file (.kgs): what was learned, what it belongs to, and how an unfinished run goes on.

Layout, all numbers little-endian: ``MAGIC``, the length of the header as uint32, the header as JSON
in UTF-8, the parts that the header names, and the CRC-32 of everything before it. What the header
says is in docs/state-files.md.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kilograd.device.protocol import LearningRate
from kilograd.errors import DataError
from kilograd.files import write_atomically
from kilograd.ir import LabelKind, are_ranges, is_value_range
from kilograd.ops.arithmetic import NUMERICS_VERSION
from kilograd.ops.spec import TrainingCounters
from kilograd.scheme import Scheme
from kilograd.training.anomalies import Detection
from kilograd.training.answers import Evaluation
from kilograd.training.divergence import Divergence, Watch
from kilograd.training.loop import TrainingOptions
from kilograd.training.unfinished import Unfinished
from kilograd.version import VERSION

#: The first byte is no text, and the ends of lines show damage by programs that translate them.
MAGIC = b"\x89KGS\r\n\x1a\n"
FORMAT = 3

_LENGTH = struct.Struct("<I")
_MOST_HEADER, _MOST_FILE = 1 << 22, 1 << 30
_HINT = "state files are written by `kilograd train`; copy it again, or train again"


@dataclass(frozen=True)
class Origin:
    """The network that a state belongs to.

    Attributes:
        model: its name.
        model_id: of the compiled program; 32 bits.
        has_own_head: whether it started from the head that the model came with.
        class_names: one for each logit; where normal samples are learned, what these are called.
        label_kind: what a sample's label is.
        value_range: where that is a value, the lowest and the highest that is expected; where
            normal samples are learned, that of an element.
        scheme: what is trained.
        resolution: height and width of its input.
        pixel_range: real values of the darkest and the brightest pixel, of all channels or each.
    """

    model: str
    model_id: int
    has_own_head: bool
    class_names: tuple[str, ...]
    label_kind: LabelKind
    value_range: tuple[float, float]
    scheme: Scheme
    resolution: tuple[int, int]
    pixel_range: tuple[float, ...]

    @property
    def has_label_sets(self) -> bool:
        """Whether a sample may have several labels at once."""
        return self.label_kind is LabelKind.SET

    @property
    def stated_values(self) -> tuple[float, float] | str:
        """The range of values, or that there are none."""
        return self.value_range if self.label_kind is LabelKind.VALUE else "no values"


@dataclass(frozen=True)
class History:
    """The run that made a state.

    Attributes:
        data: name of the dataset.
        data_digest: SHA-256 of its samples.
        limits: most training and most test samples that were asked for; None for all.
        options: how it trained.
        is_stream: whether each sample was seen once, as it came.
        device: name of the device.
        steps: training steps done.
        total: training steps of the whole run.
        counters: what the device counted.
        validation: share of the training samples that were held back to be judged by; None where
            the test samples were.
        augmentation: of training samples, as `Augmentation` reads it; empty for none.
    """

    data: str
    data_digest: str
    limits: tuple[int | None, int | None]
    options: TrainingOptions
    is_stream: bool
    device: str
    steps: int
    total: int
    counters: TrainingCounters
    validation: float | None = None
    augmentation: str = ""


@dataclass(frozen=True)
class SavedState:
    """The contents of a state file.

    Attributes:
        origin: what it belongs to.
        state: everything that was trained, as `Device.read_state` gives it.
        history: how it was trained.
        unfinished: to go on from; None where the run is finished, or was a stream.
        version: of kilograd, which wrote the file.
        threshold: where normal samples are learned, the reconstruction error above which others
            count as anomalies; None where nothing says which.
    """

    origin: Origin
    state: bytes
    history: History
    unfinished: Unfinished | None = None
    version: str = VERSION
    threshold: int | None = None

    def write(self, path: Path) -> None:
        """Write it to a file, whole or not at all.

        Raises:
            UserError: it cannot be written.
        """
        write_atomically(path, self.encode())

    def encode(self) -> bytes:
        """As it stands in a file."""
        parts: dict[str, bytes] = {"state": self.state}
        header: dict[str, Any] = {
            "format": FORMAT,
            "kilograd": self.version,
            "numerics": NUMERICS_VERSION,
            "origin": asdict(self.origin),
            "history": asdict(self.history),
            "unfinished": None,
            "threshold": self.threshold,
        }
        if (left := self.unfinished) is not None:
            watch = asdict(left.watch)
            for name in ("start", "healthy", "latest"):
                parts[name] = watch.pop(name)
            parts["scores"] = np.array(left.scores, "<f8").tobytes()
            parts["losses"] = np.array(left.losses, "<f8").tobytes()
            header["unfinished"] = {
                "watch": watch,
                "counters": asdict(left.counters),
                "before": None if left.before is None else _stated(left.before),
            }
        header["parts"] = {name: len(contents) for name, contents in parts.items()}
        text = json.dumps(header).encode()
        whole = b"".join([MAGIC, _LENGTH.pack(len(text)), text, *parts.values()])
        return whole + _LENGTH.pack(zlib.crc32(whole))


def is_state_file(path: Path) -> bool:
    """Whether a file begins as state files do."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_state_file(path: Path) -> SavedState:
    """What a file says.

    Raises:
        DataError: there is no such file, it is no state file, it is damaged, or another version of
            kilograd wrote it.
    """
    try:
        return _decoded(_sound(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"the state file cannot be read: {reason}", where=str(path)) from error
    except _Damage as error:
        raise DataError(error.what, where=str(path), hint=error.hint) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, DataError) as error:
        what = f"the state file is damaged: {error}"
        raise DataError(what, where=str(path), hint=_HINT) from error


class _Damage(Exception):  # noqa: N818 - becomes a DataError
    """Why a file is no state file that can be used."""

    def __init__(self, what: str, hint: str = _HINT) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def _sound(path: Path) -> bytes:
    """The contents of a whole file, without magic and checksum."""
    if path.stat().st_size > _MOST_FILE:
        raise _Damage("this is no state file of kilograd: it is too large")
    contents = path.read_bytes()
    if not contents.startswith(MAGIC):
        raise _Damage("this is no state file of kilograd")
    if len(contents) < len(MAGIC) + 2 * _LENGTH.size:
        raise _Damage("the state file is cut off")
    whole, (crc,) = contents[: -_LENGTH.size], _LENGTH.unpack(contents[-_LENGTH.size :])
    if zlib.crc32(whole) != crc:
        raise _Damage("the state file is damaged or cut off: its checksum is wrong")
    return whole[len(MAGIC) :]


def _decoded(contents: bytes) -> SavedState:
    (length,) = _LENGTH.unpack_from(contents)
    rest = contents[_LENGTH.size :]
    if length > min(_MOST_HEADER, len(rest)):
        raise _Damage("the state file is damaged: its header is cut off")
    header: dict[str, Any] = json.loads(rest[:length])
    form, numerics = header["format"], header["numerics"]
    if (form, numerics) != (FORMAT, NUMERICS_VERSION):
        raise _Damage(
            f"the state file is of kilograd {header['kilograd']} (format {form}, arithmetic "
            f"{numerics}), and this version reads format {FORMAT}, arithmetic {NUMERICS_VERSION}",
            "train again with this version, or use that one",
        )
    parts = _parts(header["parts"], rest[length:])
    left = header["unfinished"]
    return SavedState(
        _origin(header["origin"]),
        parts["state"],
        _history(header["history"]),
        None if left is None else _unfinished(left, parts),
        str(header["kilograd"]),
        _threshold(header.get("threshold")),
    )


def _parts(sizes: Mapping[str, Any], contents: bytes) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    begin = 0
    for name, size in sizes.items():
        parts[name] = contents[begin : begin + int(size)]
        begin += int(size)
    if begin != len(contents) or min(sizes.values()) < 0:
        msg = f"its parts have {begin} bytes, and {len(contents)} are there"
        raise ValueError(msg)
    return parts


def _origin(stated: Mapping[str, Any]) -> Origin:
    scheme = stated["scheme"]
    height, width = map(int, stated["resolution"])
    pixel_range = tuple(map(float, stated["pixel_range"]))
    if not are_ranges(pixel_range):
        msg = f"its pixels stand for {list(pixel_range)}"
        raise ValueError(msg)
    low, high = map(float, stated["value_range"])
    if not is_value_range(low, high):
        msg = f"its values are from {low} to {high}"
        raise ValueError(msg)
    return Origin(
        str(stated["model"]),
        int(stated["model_id"]),
        bool(stated["has_own_head"]),
        tuple(map(str, stated["class_names"])),
        LabelKind(stated["label_kind"]),
        (low, high),
        Scheme(
            str(scheme["name"]),
            tuple(map(str, scheme["biases"])),
            {str(layer): float(share) for layer, share in scheme["weights"].items()},
        ),
        (height, width),
        pixel_range,
    )


def _history(stated: Mapping[str, Any]) -> History:
    validation = stated["validation"]
    train, test = (None if limit is None else int(limit) for limit in stated["limits"])
    return History(
        str(stated["data"]),
        str(stated["data_digest"]),
        (train, test),
        TrainingOptions(**stated["options"]),
        bool(stated["is_stream"]),
        str(stated["device"]),
        int(stated["steps"]),
        int(stated["total"]),
        TrainingCounters(**stated["counters"]),
        None if validation is None else float(validation),
        str(stated["augmentation"]),
    )


def _stated(evaluation: Evaluation) -> dict[str, Any]:
    estimates = evaluation.estimates
    found: dict[str, Any] = {
        "confusion": evaluation.confusion.tolist(),
        "estimates": None if estimates is None else estimates.tolist(),
    }
    if isinstance(evaluation, Detection):
        found |= {"scores": evaluation.scores.tolist(), "threshold": evaluation.threshold}
    return found


def _threshold(stated: Any) -> int | None:
    return None if stated is None else int(stated)


def _evaluation(stated: Mapping[str, Any]) -> Evaluation:
    confusion, estimates = np.array(stated["confusion"], np.int64), stated["estimates"]
    if "scores" in stated:
        scores = np.array(stated["scores"], np.int64).reshape(-1, 2)
        return Detection(
            np.zeros((0, 0), np.int64), scores=scores, threshold=_threshold(stated["threshold"])
        )
    if estimates is None:
        return Evaluation(confusion)
    rows = np.array(estimates, np.int64).reshape(-1, 2)
    return Evaluation(np.zeros((0, 0), np.int64), rows)


def _unfinished(left: Mapping[str, Any], parts: Mapping[str, bytes]) -> Unfinished:
    watch, before = left["watch"], left["before"]
    scores, losses = (np.frombuffer(parts[name], "<f8").tolist() for name in ("scores", "losses"))
    if len(scores) != len(losses):
        msg = f"it has {len(scores)} answers and {len(losses)} losses"
        raise ValueError(msg)
    return Unfinished(
        parts["state"],
        Watch(
            int(watch["steps"]),
            LearningRate(**watch["rate"]),
            tuple(Divergence(**divergence) for divergence in watch["divergences"]),
            TrainingCounters(**watch["since"]),
            bool(watch["flows"]),
            parts["start"],
            parts["healthy"],
            parts["latest"],
        ),
        scores,
        losses,
        None if before is None else _evaluation(before),
        TrainingCounters(**left["counters"]),
    )
