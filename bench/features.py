"""Measures what the audio and motion features cost on an emulated Cortex-M.

    python bench/features.py        rewrites bench/results/features.json

A firmware is built around the features of each backbone as around a network: its "prediction"
computes them. Flash and static memory are those of the firmware less those of one without them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from kilograd.device.unicorn import UnicornDevice
from kilograd.features import Features, LogMel, Motion, features_of
from kilograd.models import load_model
from kilograd.targets import TARGETS
from kilograd.toolchain import build_firmware, firmware_sizes

LEDGER = Path(__file__).parent / "results" / "features.json"
BOARDS = ("cortex-m7", "cortex-m4", "cortex-m0plus")

KILOGRAD_H = """\
#ifndef KILOGRAD_H
#define KILOGRAD_H
#include <stdint.h>
typedef struct { int32_t mantissa; int32_t exponent; } kg_learning_rate;
extern const uint32_t kg_input_bytes, kg_class_count, kg_state_bytes, kg_arena_bytes;
void kg_init(uint32_t seed);
int8_t *kg_input(void);
const int32_t *kg_predict(void);
const int32_t *kg_train_step(int32_t label, kg_learning_rate rate);
uint8_t *kg_state(void);
#endif
"""
MODEL_C = """\
#include "kilograd.h"
#include "use.h"

_Alignas(8) uint8_t kg_arena[INPUT_BYTES];
_Alignas(8) uint8_t kg_state_buffer[4];
static const int32_t done = 1;

const uint32_t kg_input_bytes = INPUT_BYTES, kg_class_count = 1;
const uint32_t kg_state_bytes = 4, kg_arena_bytes = INPUT_BYTES;

void kg_init(uint32_t seed) { (void)seed; }
int8_t *kg_input(void) { return (int8_t *)kg_arena; }
uint8_t *kg_state(void) { return kg_state_buffer; }

const int32_t *kg_predict(void)
{
    use((const int16_t *)(const void *)kg_arena);
    return &done;
}

const int32_t *kg_train_step(int32_t label, kg_learning_rate rate)
{
    (void)label;
    (void)rate;
    return kg_predict();
}
"""
UNUSED_H = "static inline void use(const int16_t *samples) { (void)samples; }\n"
LOG_MEL_H = """\
#include "kg_log_mel.h"
static kg_log_mel state;
static kg_log_mel_scratch scratch;
static int8_t frames[KG_LOG_MEL_FRAMES * KG_LOG_MEL_BANDS];
static inline void use(const int16_t *samples)
{
    kg_log_mel_reset(&state);
    kg_log_mel_push(&state, &scratch, samples, INPUT_BYTES / 2, frames);
}
"""
MOTION_H = """\
#include "kg_motion.h"
static int8_t rows[KG_MOTION_LENGTH * KG_MOTION_CHANNELS];
static inline void use(const int16_t *samples)
{
    for (int32_t i = 0; i < KG_MOTION_LENGTH; i++)
        kg_motion_push(samples + i * KG_MOTION_CHANNELS, rows + i * KG_MOTION_CHANNELS);
}
"""


def run(board: str, use: str, samples: Any, sources: dict[str, str]) -> dict[str, int]:
    """Flash, static memory, stack and instructions of a firmware that uses the features once."""
    target = TARGETS[board]
    defined = f"#define INPUT_BYTES {samples.nbytes}\n"
    model = {"kilograd.h": KILOGRAD_H, "use.h": defined + use, "model.c": MODEL_C}
    elf = build_firmware({**sources, **model}, target).path
    sizes = firmware_sizes(elf)
    with UnicornDevice(elf, target) as device:
        device.predict(np.frombuffer(samples.tobytes(), np.int8))
        counters = device.counters()
    return {
        "flash_bytes": sizes.flash_bytes,
        "static_bytes": sizes.data_bss,
        "stack_bytes": counters.stack_bytes or 0,
        "instructions": counters.instructions_last_call or 0,
    }


def cost(features: Features, board: str) -> dict[str, int]:
    """What the features add to a firmware, for one input of the network and for a second."""
    rng = np.random.Generator(np.random.PCG64(0))
    if isinstance(features, LogMel):
        count, rate, use = features.samples, features.rate, LOG_MEL_H
        seconds = features.frames * features.hop / rate
    else:
        assert isinstance(features, Motion)
        count, use = features.length * len(features.channels), MOTION_H
        seconds = features.length / features.rate
    samples = rng.integers(-8000, 8000, count).astype(np.int16)
    full = run(board, use, samples, features.sources())
    empty = run(board, UNUSED_H, samples, {})
    added = {key: full[key] - empty[key] for key in full}
    frames = int(np.prod(features.shape))
    return {
        "flash_bytes": added["flash_bytes"],
        "static_bytes_with_frames": added["static_bytes"],
        "static_bytes": added["static_bytes"] - frames,
        "stack_bytes": full["stack_bytes"],
        "instructions_an_input": added["instructions"],
        "instructions_a_second": round(added["instructions"] / seconds),
    }


def main() -> None:
    """Measure and write."""
    ledger: dict[str, Any] = {}
    for model in ("kilograd-kws", "kilograd-motion"):
        features = features_of(load_model(model))
        assert features is not None
        ledger[model] = {board: cost(features, board) for board in BOARDS}
        print(model, json.dumps(ledger[model], indent=1))
    LEDGER.write_text(json.dumps(ledger, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
