"""What any choice among the schemes that are known could gain, were test samples allowed to choose.

For each published scheme, all schemes with accuracies that take no more SRAM, samples held: those
that were searched for, published ones, and those that train the last layers or all biases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments import accuracy, memory
from experiments.common.ledgers import Ledger, read_ledger
from experiments.common.packs import PACKS
from experiments.search.wanted import CLASSES, PUBLISHED, SEEDS, wanted

#: Accuracies in percent, [packs, seeds].
Accuracies = NDArray[np.float64]


def _accuracies(rows: Ledger, name: str) -> Accuracies | None:
    """Of a scheme, from rows by pack and seed; None while any is missing."""
    names = [name.format(pack=key, stem=Path(pack.file).stem) for key, pack in PACKS.items()]
    keys = [[f"{one} | seed {seed}" for seed in SEEDS] for one in names]
    if any(key not in rows for several in keys for key in several):
        return None
    return np.array([[100 * rows[key]["accuracy"] for key in several] for several in keys])


def _candidates(ledger: Ledger, model: str) -> Iterator[tuple[str, int, Accuracies]]:
    """Name, SRAM and accuracies of each scheme of a backbone, samples held."""
    sizes, cells = (read_ledger(path) for path in (memory.LEDGER, accuracy.LEDGER))
    for one in wanted():
        found = _accuracies(ledger["accuracy"], f"{one.key} | {{pack}}")
        if one.model == model and not one.streamed and found is not None:
            yield one.name, ledger["schemes"][one.key]["sram_total_bytes"], found
    for key, row in sizes["sram"].items():
        name, scheme, how, classes = key.split(" | ")
        if (name, how, classes) == (model, "held", str(CLASSES)):
            if scheme in PUBLISHED[model]:
                scheme = f"{model}/{scheme}"
            found = _accuracies(cells["cells"], f"{model} | {{stem}} | {scheme} | device")
            if found is not None:
                yield scheme, row["sram_total_bytes"], found


def best_gains(ledger: Ledger) -> Iterator[tuple[float, float]]:
    """For each published scheme, what two choices gain over it in points.

    Yields:
        Of the one scheme that has most test samples right, over all packs and seeds; and of the one
        for each pack that has most of those of two seeds right, judged by the third, in the mean of
        the three.
    """
    for model, names in PUBLISHED.items():
        known = {name: (size, found) for name, size, found in _candidates(ledger, model)}
        for name in names:
            size, published = known[f"{model}/{name}"]
            fitting = np.stack([found for taken, found in known.values() if taken <= size])
            yield (
                float(fitting.mean(axis=(1, 2)).max() - published.mean()),
                for_each_pack(fitting, published),
            )


def for_each_pack(fitting: NDArray[np.float64], published: Accuracies) -> float:
    """The mean gain of the scheme that two seeds choose for each pack, by the third.

    Args:
        fitting: accuracies of schemes, [schemes, packs, seeds].
        published: those that gains are over.
    """
    gains: list[float] = []
    for place in range(len(SEEDS)):
        chosen = np.delete(fitting, place, axis=2).mean(axis=2).argmax(axis=0)
        judged = fitting[chosen, np.arange(len(chosen)), place]
        gains.append(float((judged - published[:, place]).mean()))
    return float(np.mean(gains))


def bounds(ledger: Ledger) -> Mapping[str, float]:
    """Mean gains over all published schemes, by what chooses."""
    one, each = np.mean(list(best_gains(ledger)), axis=0).tolist()
    return {
        "one scheme for all packs, by the test samples": one,
        "one for each pack, by the test samples of two seeds and judged by the third": each,
    }
