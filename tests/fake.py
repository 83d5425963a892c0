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


def model_header(*, input_bytes: str | int, classes: int, state_bytes: int) -> str:
    """kg_model.h of a network whose arena is the sample and, behind it, the logits."""
    return f"""\
#ifndef KG_MODEL_H
#define KG_MODEL_H
#define KG_MODEL_ID 1
#define KG_INPUT_HEIGHT 1
#define KG_ROW_BYTES ({input_bytes})
#define KG_INPUT_BYTES KG_ROW_BYTES
#define KG_CLASS_COUNT {classes}
#define KG_ARENA_BYTES (KG_INPUT_BYTES + {classes} * 4)
#define KG_STATE_BYTES {state_bytes}
#define KG_INPUT_OFFSET 0
#define KG_LOGITS_OFFSET KG_INPUT_BYTES
#define KG_BOUNDARY_BYTES 0u
#define KG_STATE_SEED 0
#define KG_STATE_STEPS 4
#define KG_STATE_CLASSES 8
#endif
"""


#: Of kg_model.c, all but what it computes: the function ``kg_run_prefix``.
MODEL_FRAME = """\
#include <string.h>
#include "kg_network.h"
#include "kg_boundary.h"

KG_ALIGNED uint8_t kg_arena[KG_ARENA_BYTES];
KG_ALIGNED uint8_t kg_state_buffer[KG_STATE_BYTES];
const kg_region kg_boundary_regions[] = {{0, 0}};
const uint32_t kg_boundary_region_count = 0;

void kg_initialize_state(void) {}

void kg_run_suffix(int training)
{
    (void)training;
}
"""

FAKE_MODEL = interface_sources(
    {path.name: path.read_text(encoding="utf-8") for path in sorted(_FOLDER.iterdir())}
)
