"""Tables of searched schemes against others, from the ledgers of search, accuracy and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments import accuracy, memory
from experiments.common.ledgers import Ledger, read_ledger
from experiments.common.markdown import NOTHING, millions, table
from experiments.common.packs import PACKS
from experiments.search.bound import bounds
from experiments.search.front import standing
from experiments.search.wanted import (
    FISHER,
    FRONT_MODEL,
    PUBLISHED,
    SEEDS,
    WITH_WIDE_BIASES,
    Wanted,
    wanted,
)


@dataclass(frozen=True)
class Pair:
    """A published scheme and the one that was found for its SRAM.

    Attributes:
        model: name of the backbone.
        name: of the published scheme.
        sram: bytes that it takes.
        sram_found: bytes that the other takes.
        of_published: its accuracy on each pack in percent, the mean over seeds.
        of_found: the same of the other.
    """

    model: str
    name: str
    sram: int
    sram_found: int
    of_published: tuple[float, ...]
    of_found: tuple[float, ...]

    @property
    def published(self) -> float:
        """Mean accuracy over packs in percent."""
        return float(np.mean(self.of_published))

    @property
    def found(self) -> float:
        """The same of what was found."""
        return float(np.mean(self.of_found))

    @property
    def gain(self) -> str:
        """In points, with the standard error of a mean over packs."""
        gains = np.subtract(self.of_found, self.of_published)
        return f"{_signed(float(gains.mean()))} ± {gains.std(ddof=1) / len(gains) ** 0.5:.2f}"


def found_accuracy(ledger: Ledger, one: Wanted) -> float | None:
    """Mean over packs and seeds in percent; None while any is missing."""
    of_packs = _found_on_packs(ledger, one)
    return None if of_packs is None else float(np.mean(of_packs))


def known_accuracy(model: str, scheme: str) -> float:
    """Of a scheme in the accuracy ledger: mean over packs and seeds in percent."""
    return float(np.mean(_known_on_packs(model, scheme)))


def _found_on_packs(ledger: Ledger, one: Wanted) -> tuple[float, ...] | None:
    rows = ledger.get("accuracy", {})
    keys = [[f"{one.key} | {data} | seed {seed}" for seed in SEEDS] for data in PACKS]
    if any(key not in rows for several in keys for key in several):
        return None
    return _means(rows, keys)


def _known_on_packs(model: str, scheme: str) -> tuple[float, ...]:
    stems = [Path(pack.file).stem for pack in PACKS.values()]
    names = [f"{model} | {stem} | {scheme} | device" for stem in stems]
    keys = [[f"{name} | seed {seed}" for seed in SEEDS] for name in names]
    return _means(read_ledger(accuracy.LEDGER)["cells"], keys)


def _means(rows: Ledger, keys: Sequence[Sequence[str]]) -> tuple[float, ...]:
    return tuple(float(np.mean([100 * rows[key]["accuracy"] for key in few])) for few in keys)


def known_memory(model: str, scheme: str, how: str) -> Ledger:
    """A row of the memory ledger, for 10 classes."""
    return read_ledger(memory.LEDGER)["sram"][f"{model} | {scheme} | {how} | 10"]


def pairs(ledger: Ledger, prefix: str = "as-") -> Iterator[Pair]:
    """Published schemes and what was found for their SRAM, or with ``below-`` for less."""
    for one in wanted():
        of_found = _found_on_packs(ledger, one)
        if one.like is None or not one.name.startswith(prefix) or of_found is None:
            continue
        sram = known_memory(one.model, one.like, "held")["sram_total_bytes"]
        yield Pair(
            one.model,
            one.like,
            sram,
            ledger["schemes"][one.key]["sram_total_bytes"],
            _known_on_packs(one.model, f"{one.model}/{one.like}"),
            of_found,
        )


def published(ledger: Ledger) -> str:
    """At the same SRAM."""
    found = list(pairs(ledger))
    rows = [_row(pair, f"{pair.model}/{pair.name}") for pair in found]
    if len(found) == sum(len(names) for names in PUBLISHED.values()):
        rows.append(_mean("mean of the nine", found))
        rows.append(_mean("mean of the three 49kb", [p for p in found if p.name == "49kb"]))
    header = ["published scheme", "SRAM (B)", "accuracy", "searched: SRAM (B)", "accuracy", "gain"]
    return table(header, rows)


def _row(pair: Pair, name: str) -> list[str]:
    sram, sram_found = f"{pair.sram:,}", f"{pair.sram_found:,}"
    return [name, sram, f"{pair.published:.2f}", sram_found, f"{pair.found:.2f}", pair.gain]


def _mean(name: str, several: Sequence[Pair]) -> list[str]:
    before, after = (
        float(np.mean([getattr(p, w) for p in several])) for w in ("published", "found")
    )
    gain = _signed(after - before)
    return [f"**{name}**", NOTHING, f"{before:.2f}", NOTHING, f"{after:.2f}", gain]


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def below(ledger: Ledger) -> str:
    """For a fifth less than what the published schemes once took."""
    rows = [
        [
            f"{pair.model}/{pair.name}",
            f"{WITH_WIDE_BIASES[pair.name]:,}",
            f"{pair.published:.2f}",
            f"{pair.sram_found:,}",
            f"−{100 * (1 - pair.sram_found / WITH_WIDE_BIASES[pair.name]):.1f}%",
            f"{pair.found:.2f}",
        ]
        for pair in pairs(ledger, "below-")
    ]
    header = ["published scheme", "SRAM with 32-bit biases (B)", "accuracy"]
    return table([*header, "searched: SRAM (B)", "SRAM", "accuracy"], rows)


def front(ledger: Ledger) -> str:
    """For each budget, between the head alone and everything."""
    compared = ledger.get("front", {}).get("schemes", {})
    rows: list[list[str]] = [_end("head", "streamed")]
    for one, sizes in standing(ledger).items():
        learned = found_accuracy(ledger, one)
        if learned is None:
            continue
        found = ledger["schemes"][one.key]
        ends = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else str(sizes[0])
        rows.append(
            [
                f"searched, {ends} KB",
                f"{found['sram_total_bytes']:,}",
                millions(found["instructions_train_step"]),
                f"{100 * compared[str(sizes[0])]['accuracy']:.2f}",
                f"{learned:.2f}",
            ]
        )
    rows.append(_end("full", "held"))
    return table(["scheme", "SRAM (B)", "instructions a step", "held back", "accuracy"], rows)


def _end(scheme: str, how: str) -> list[str]:
    row = known_memory(FRONT_MODEL, scheme, how)
    return [
        f"{scheme}, {how}",
        f"{row['sram_total_bytes']:,}",
        millions(row["instructions_train_step"]),
        NOTHING,
        f"{known_accuracy(FRONT_MODEL, scheme):.2f}",
    ]


def fisher(ledger: Ledger) -> str:
    """Gradients against measured contributions, for the SRAM of one published scheme."""
    ranks = ledger["fisher"][FISHER.model]
    rows = [
        [
            name,
            biases,
            weights,
            f"{pair.sram_found:,}",
            f"{pair.found:.2f}",
            pair.gain,
        ]
        for name, prefix, biases, weights in (
            ("measured", "as-", NOTHING, NOTHING),
            ("fisher", "fisher-", _signed(ranks["biases"]), _signed(ranks["weights"])),
        )
        for pair in pairs(ledger, prefix)
        if (pair.model, pair.name) == (FISHER.model, FISHER.like)
    ]
    header = ["contributions", "rank correlation of biases", "of whole weights", "SRAM (B)"]
    return table([*header, "accuracy", f"gain over {FISHER.model}/{FISHER.like}"], rows)


def bound(ledger: Ledger) -> str:
    """What was found, beside what test samples would have chosen."""
    found = list(pairs(ledger))
    searched = float(np.mean([pair.found - pair.published for pair in found]))
    rows = [["as searched, by training samples", _signed(searched)]]
    rows += [[name, _signed(gain)] for name, gain in bounds(ledger).items()]
    return table(["choice", "mean gain over the nine published schemes"], rows)


def layers(ledger: Ledger) -> str:
    """What the scheme for each published one's SRAM trains."""
    schemes = ledger.get("schemes", {})
    rows = [
        [one.key.replace(" | ", "/"), str(schemes[one.key]["biases"]), schemes[one.key]["weights"]]
        for one in wanted()
        if one.key in schemes
    ]
    return table(["scheme", "biases", "weights"], rows)


TABLES = {
    "search_published": published,
    "search_below": below,
    "search_front": front,
    "search_fisher": fisher,
    "search_bound": bound,
    "search_layers": layers,
}
