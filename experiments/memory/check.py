"""What cannot be wrong in experiments/memory/results.json."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.common.ledgers import Ledger
from experiments.common.packs import PACKS
from experiments.common.paths import BACKBONES
from experiments.memory.run import SEEDS, SMALL, rows
from experiments.memory.tables import SMALL_BYTES, Name
from kilograd.compiler import Optimization
from kilograd.scheme import published_schemes

_PARTS = ("arena", "trainable", "data_bss", "stack")
#: Bytes that a part may cost where all others are used: in slices, 49kb's weights keep a saved
#: activation waiting for their step.
_COSTS = {("mcunet-5fps/49kb", Optimization.SLICES.value): 516}
#: What rows and recomputation may cost of instructions, and save of SRAM at least.
_MORE_WORK, _TWICE, _LESS_SRAM = 1.1, 0.05, 0.7
#: Points that the small scheme is better than the head alone, on average.
_BETTER = 0.02
_MORE_TRAINED = 4


def complaints(ledger: Ledger) -> Iterator[str]:
    """The ledger is whole, its sums are right, and what the page says of it holds."""
    if set(ledger["sram"]) != {row.key for row in rows()}:
        yield "sram: the rows are not those of the table"
        return
    yield from _sums(ledger)
    yield from _streamed(ledger)
    yield from _small(ledger)
    yield from _optimizations(ledger)
    yield from _work(ledger)


def _sums(ledger: Ledger) -> Iterator[str]:
    for key, row in ledger["sram"].items():
        if row["sram_total_bytes"] != sum(row[part] for part in _PARTS):
            yield f"{key}: the parts of its SRAM do not add up"
        if row["lower_bound_bytes"] > row["arena"]:
            yield f"{key}: the arena is below its lower bound"


def _streamed(ledger: Ledger) -> Iterator[str]:
    for key, row in ledger["sram"].items():
        if Name.of(key).how != "streamed":
            continue
        held = ledger["sram"][key.replace("streamed", "held")]
        if row["sources"] == held["sources"]:
            yield f"{key}: the C is that of a held sample"
        if row["sram_total_bytes"] >= held["sram_total_bytes"]:
            yield f"{key}: takes no less than with the sample held"


def _small(ledger: Ledger) -> Iterator[str]:
    """Weights are trained within 64 KB, and teach more than the head alone."""
    model, _, scheme = SMALL.partition("/")
    row, head = (ledger["sram"][f"{model} | {name} | streamed | 10"] for name in (scheme, "head"))
    if row["sram_total_bytes"] > SMALL_BYTES:
        yield f"{SMALL}: takes more than {SMALL_BYTES:,} bytes"
    if row["trainable"] <= _MORE_TRAINED * head["trainable"]:
        yield f"{SMALL}: trains hardly more than the head"
    learned: dict[str, list[float]] = {SMALL: [], "head": []}
    for key, found in ledger["accuracy"].items():
        learned[key.split(" | ")[2]].append(found["accuracy"])
    counts = {len(found) for found in learned.values()}
    if counts != {len(PACKS) * len(SEEDS)}:
        yield "accuracy: cells are missing"
    elif sum(learned[SMALL]) <= sum(learned["head"]) + _BETTER * len(learned["head"]):
        yield f"{SMALL}: learns hardly more than the head"


def _optimizations(ledger: Ledger) -> Iterator[str]:
    """Every part is there, and none costs memory where all others are used."""
    for scheme, found in ledger["optimizations"].items():
        added, left_out = ([row["name"] for row in found[how]] for how in ("added", "left_out"))
        if added != ["none", *Optimization] or left_out != [*Optimization]:
            yield f"{scheme}: the parts are not those of the compiler"
        full = found["added"][-1]["arena"]
        for row in found["left_out"]:
            if row["arena"] < full - _COSTS.get((scheme, row["name"]), 0):
                yield f"{scheme}: {row['name']} costs memory"


def _work(ledger: Ledger) -> Iterator[str]:
    """Beside the same step with every layer whole and run once."""
    if set(ledger["work"]) != {s for s in published_schemes() if s.split("/")[0] in BACKBONES}:
        yield "work: the schemes are not the published ones"
    for name, whole in ledger["work"].items():
        model, _, scheme = name.partition("/")
        if whole["macs_recomputed"] > _TWICE * whole["macs"]:
            yield f"{name}: more is done twice than may be"
        for how in ("held", "streamed"):
            row = ledger["sram"][f"{model} | {scheme} | {how} | 10"]
            if row["instructions_train_step"] > _MORE_WORK * whole["instructions_train_step"]:
                yield f"{name} {how}: the work grows by more than a tenth"
            if row["sram_total_bytes"] >= _LESS_SRAM * whole["sram_total_bytes"]:
                yield f"{name} {how}: rows and recomputation save little"
