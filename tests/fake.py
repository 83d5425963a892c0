"""The sources of a network that is nothing but the interface, a filter and a dense layer."""

from pathlib import Path

from kilograd.codegen.sources import RUNTIME, kernel_sources, read_c

_FOLDER = Path(__file__).parent / "fake_model"


def interface_sources(own: dict[str, str], features=frozenset()) -> dict[str, str]:
    """Sources of a model, with the calls of kilograd.h around it and all that they include."""
    calls = {name: read_c(RUNTIME / name) for name in ("kg_api.c", "kg_sample_held.c")}
    snapshots = {name: read_c(RUNTIME / name) for name in ("kg_snapshot.c", "kg_snapshot.h")}
    sources = {**own, **calls, **snapshots}
    return {**sources, **kernel_sources(sources, [], features)}


FAKE_MODEL = interface_sources(
    {path.name: path.read_text(encoding="utf-8") for path in sorted(_FOLDER.iterdir())}
)
