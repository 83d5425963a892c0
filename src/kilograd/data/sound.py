"""Reads a sound file: WAV, FLAC or OGG, of any width, rate and number of channels."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kilograd.data.broken import UnreadableError
from kilograd.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_SAMPLES = 100_000_000
MAX_RATE = 384_000

_FULL_SCALE = 32768
_FORMATS = ("WAV", "WAVEX", "FLAC", "OGG", "RF64")


@dataclass(frozen=True, eq=False)
class Sound:
    """One recording.

    Attributes:
        samples: int16 [n], the mean of its channels.
        rate: samples a second.
        is_clipped: whether it went beyond full scale, as real numbers can.
    """

    samples: NDArray[np.int16]
    rate: int
    is_clipped: bool = False


def read_sound(path: Path) -> Sound:
    """Reads a recording.

    16-bit samples are taken as they are; others are rounded to 16 bits.

    Raises:
        UnreadableError: not a sound file that can be read, empty, too long, or with values that are
            no numbers.
        DataError: the library that reads sound does not work here.
    """
    library = _library()
    try:
        with library.SoundFile(str(path)) as file:
            return _read(path, file)
    except (library.SoundFileError, OSError, RuntimeError, ValueError) as error:
        raise _unreadable(
            path,
            f"this is no {path.suffix[1:].upper()} file that can be read: {_reason(error)}",
            reason="cannot be read",
            hint="read are WAV, FLAC and OGG; save it again as one of these",
        ) from error


def _read(path: Path, file: Any) -> Sound:
    frames, channels, rate = int(file.frames), int(file.channels), int(file.samplerate)
    if file.format not in _FORMATS:
        raise _unreadable(
            path,
            f"the recording is in {file.format}, which is not read, whatever its name says",
            reason=f"{file.format}: convert it to WAV or FLAC",
            hint="convert it to WAV or FLAC",
        )
    if frames * channels > MAX_SAMPLES:
        what = f"the recording has more than {MAX_SAMPLES:,} samples"
        raise _unreadable(path, what, reason=f"over {MAX_SAMPLES:,} samples", hint="cut it up")
    if not 0 < rate <= MAX_RATE:
        what = f"the recording has {rate} Hz"
        hint = f"rates of 1 to {MAX_RATE:,} Hz are read"
        raise _unreadable(path, what, reason=f"{rate} Hz", hint=hint)
    is_exact = file.subtype == "PCM_16"
    read: NDArray[Any] = file.read(dtype="int16" if is_exact else "float32", always_2d=True)
    if not read.size:
        raise _unreadable(
            path,
            "the recording is empty",
            reason="is empty",
            hint="record it again, or take it out",
        )
    if not np.isfinite(read).all():
        what = "the recording holds NaN or infinity"
        raise _unreadable(path, what, reason="NaN or infinity", hint="save it again as PCM")
    mono = read.mean(axis=1, dtype=np.float64) * (1 if is_exact else _FULL_SCALE)
    samples = np.rint(mono).clip(-32768, 32767).astype(np.int16)
    return Sound(samples, rate, bool((np.abs(mono) > _FULL_SCALE).any()))


def _unreadable(path: Path, what: str, *, reason: str, hint: str) -> UnreadableError:
    return UnreadableError(what, reason=reason, where=str(path), hint=hint)


def _reason(error: Exception) -> str:
    """What the library says, without the path."""
    return str(getattr(error, "error_string", error)).rstrip(".")


def _library() -> ModuleType:
    try:
        import soundfile  # noqa: PLC0415 - it loads a library that images do not need
    except (ImportError, OSError) as error:
        raise DataError(
            f"the library soundfile, which reads sound, does not work here: {error}",
            hint="pip install --force-reinstall soundfile, or install libsndfile",
        ) from error
    return soundfile
