"""Trains with other rules for the exponents of gradients, and measures what they cut off.

    python -m experiments.exponents.run [accuracy] [slopes] [--only TEXT]

Writes experiments/exponents/results.json, in about an hour on two cores. Runs that are there are
kept. Nothing is chosen by test samples but whether to keep the rule that ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.packs import PACKS, load_pack, pack_path
from experiments.common.parts import Part, run_parts
from experiments.common.paths import checkpoint
from experiments.common.programs import compiled, open_cached
from experiments.exponents import LEDGER
from experiments.exponents.rules import RULES, Rule
from kilograd.compiler import Program
from kilograd.data import Dataset
from kilograd.device.reference import ReferenceDevice
from kilograd.ops.arithmetic import stochastic_round
from kilograd.ops.gradient_scale import emit
from kilograd.ops.gradient_scale.op import AdaptExponent
from kilograd.training.loop import TrainingOptions, train
from kilograd.training.rate import default_rate

MODEL, SCHEME = "mcunet-5fps", "mcunet-5fps/99kb"
SEEDS = (0, 1, 2)
#: Packs and steps, behind the first quarter of a run, that slopes are measured on.
SLOPES, STEPS = ("flowers5", "person_scene"), 150


def _program(data: str) -> tuple[Dataset, Program, TrainingOptions]:
    dataset = load_pack(pack_path(data), checkpoint(MODEL))
    program = compiled(checkpoint(MODEL), SCHEME, len(dataset.class_names))
    return dataset, program, TrainingOptions(PACKS[data].epochs, default_rate(program))


def measure_accuracy(ledger: Ledger, only: str) -> None:
    """Every rule on every pack, with every seed."""
    rows = ledger.setdefault("accuracy", {})
    for name, data in product(RULES, PACKS):
        keys = {seed: f"{name} | {data} | seed {seed}" for seed in SEEDS}
        left = [seed for seed, key in keys.items() if key not in rows and only in key]
        if not left:
            continue
        dataset, program, options = _program(data)
        with open_cached(RULES[name].program(program)) as device:
            for seed in left:
                chosen = TrainingOptions(options.epochs, options.rate, seed=seed)
                rows[keys[seed]] = round(train(device, dataset, chosen).after.accuracy, 6)
                write_ledger(LEDGER, ledger)
                print(f"{keys[seed]}: {rows[keys[seed]]:.4f}", flush=True)


def measure_slopes(ledger: Ledger, only: str) -> None:
    """What is left of gradients of which the largest elements are cut off."""
    rows = ledger.setdefault("slopes", {})
    for name, data in product(RULES, SLOPES):
        key = f"{name} | {data}"
        if key in rows or only not in key:
            continue
        rows[key] = _slopes(RULES[name], *_program(data))
        write_ledger(LEDGER, ledger)
        print(key, rows[key], flush=True)


def _slopes(rule: Rule, dataset: Dataset, program: Program, options: TrainingOptions) -> Row:
    """Σ ⟨cut g, g⟩ / Σ ⟨g, g⟩ of every gradient tensor over some steps of a run.

    That is the slope of what is handed on over what was found, in units of the tensor.
    """
    count = len(dataset.train)
    rate = options.learning_rate(options.epochs * count)
    order = np.random.Generator(np.random.PCG64(0)).permutation(count)
    start = options.epochs * count // 4

    def sample(step: int) -> tuple[NDArray[np.int8], int]:
        index = int(order[step % count])
        return dataset.train.inputs[index], int(dataset.train.labels[index])

    with open_cached(rule.program(program)) as device:
        device.initialize(0)
        for step in range(start):
            device.train_step(*sample(step), rate)
        state = device.read_state()
    reference = ReferenceDevice(program)
    reference.initialize(0)
    reference.write_state(state)
    steps: list[list[tuple[int, int]]] = []

    def rounded(products: NDArray[np.int64], shift: int, bits: NDArray[Any]) -> NDArray[np.int64]:
        whole = np.asarray(stochastic_round(products, shift, bits), np.int64)
        g = np.clip(whole, -32767, 32767)
        steps[-1].append((int((np.clip(g, -127, 127) * g).sum()), int((g * g).sum())))
        return whole

    def adapted(_: object, __: object, ___: object, arrays: Sequence[Any], ____: object) -> Any:
        exponent, magnitude = arrays
        return rule.adapted(int(exponent[0]), int(magnitude[0]))

    with (
        patch.object(emit, "stochastic_round", rounded),
        patch.object(AdaptExponent, "reference", adapted),
    ):
        for step in range(start, start + STEPS):
            steps.append([])
            reference.train_step(*sample(step), rate)
    cut, whole = np.moveaxis(np.array(steps), 2, 0)
    slopes = cut.sum(0) / np.maximum(whole.sum(0), 1)
    return {
        "tensors": len(slopes),
        "mean": round(float(slopes.mean()), 5),
        "least": round(float(slopes.min()), 5),
        "product": round(float(slopes.prod()), 5),
        "saturated": round(float((cut < whole).mean()), 5),
    }


PARTS: dict[str, Part] = {"accuracy": measure_accuracy, "slopes": measure_slopes}


if __name__ == "__main__":
    run_parts(__doc__, LEDGER, PARTS)
