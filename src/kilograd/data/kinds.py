"""Kinds of samples in folders: how their files are named, and which of them cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_JPEG = "convert it to JPEG; telephones can also be set to take JPEG"
_WAV = "convert it to WAV or FLAC"


@dataclass(frozen=True)
class Kind:
    """Samples of one kind, a file each.

    Attributes:
        noun: what they are, in the plural.
        suffixes: of the names of their files, in lower case.
        foreign: suffixes of such samples in formats that are not read, with the format's name.
        way_out: what to do with those.
    """

    noun: str
    suffixes: frozenset[str]
    foreign: Mapping[str, str] = field(default_factory=dict[str, str])
    way_out: str = ""

    @property
    def layout(self) -> str:
        """How folders are laid out, for hints."""
        each = f"one folder of {self.noun} per class"
        return f"{each}; or train and test (or val), each with one per class"

    @property
    def endings(self) -> str:
        """The suffixes, for hints."""
        return ", ".join(sorted(self.suffixes))


IMAGES = Kind(
    "images",
    frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".tif", ".tiff"}),
    {
        ".heic": "HEIC",
        ".heif": "HEIF",
        ".avif": "AVIF",
        ".jxl": "JPEG XL",
        ".jp2": "JPEG 2000",
        ".svg": "SVG",
        ".dng": "a raw format",
        ".cr2": "a raw format",
        ".nef": "a raw format",
        ".arw": "a raw format",
    },
    _JPEG,
)
RECORDINGS = Kind(
    "recordings",
    frozenset({".wav", ".flac", ".ogg"}),
    {
        ".mp3": "MP3",
        ".m4a": "M4A",
        ".aac": "AAC",
        ".wma": "WMA",
        ".opus": "Opus",
        ".amr": "AMR",
        ".aif": "AIFF",
        ".aiff": "AIFF",
        ".webm": "WebM",
    },
    _WAV,
)
MOTION = Kind(
    "recordings of motion",
    frozenset({".csv"}),
    {".xls": "Excel", ".xlsx": "Excel", ".tsv": "tabs", ".json": "JSON"},
    "save it as CSV: a header line that names the columns, then numbers",
)
