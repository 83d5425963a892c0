"""Tables of what packs are made of, from their recipes."""

from __future__ import annotations

from experiments.common.markdown import table
from experiments.packs.recipes import Recipe, recipes

#: Digits of a digest that a page shows; all of them are in `recorded/`.
_DIGITS = 16
_HOW = {
    "copy": "the JPEG files as they are",
    "crop": "short side to 128, centre, JPEG of quality 90",
    "squash": "to 128×128, JPEG of quality 90",
    "encode": "JPEG of quality 90",
    "resample": "to 8 kHz, one second, mu-law",
    "mulaw": "mu-law",
    "windows": "float16",
}


def sources() -> str:
    """Where packs come from, and how they are prepared."""
    rows = [
        [
            recipe.name,
            f"{len(recipe.recorded.rows):,}",
            ", ".join(_link(recipe)),
            _HOW[recipe.preparation],
            recipe.split,
            recipe.note,
        ]
        for recipe in recipes().values()
    ]
    header = ["pack", "samples", "source", "preparation", "split", "remarks"]
    return table(header, rows, holds_text=True)


def licences() -> str:
    """Under what licences the sources stand, and whether packs may be passed on."""
    rows = [
        [
            recipe.name,
            recipe.licence,
            "yes" if recipe.licence_read else "no",
            recipe.redistribution,
        ]
        for recipe in recipes().values()
    ]
    return table(["pack", "licence", "stands in the source", "passed on"], rows, holds_text=True)


def digests() -> str:
    """SHA-256 of the listing of each pack and of its samples."""
    rows = [
        [
            recipe.name,
            f"`{recipe.recorded.listing[:_DIGITS]}`",
            ", ".join(
                f"{name} `{recipe.recorded.arrays[name]['sha256'][:_DIGITS]}`"
                for name in ("jpeg", "mulaw", "x")
                if name in recipe.recorded.arrays
            ),
        ]
        for recipe in recipes().values()
    ]
    return table(["pack", "listing", "samples"], rows, holds_text=True)


def _link(recipe: Recipe) -> list[str]:
    return [
        f"[{source}](https://github.com/{source.repository}/tree/{source.commit})"
        for source in recipe.sources
    ]


TABLES = {"pack_sources": sources, "pack_licences": licences, "pack_digests": digests}
