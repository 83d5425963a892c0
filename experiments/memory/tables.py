"""Tables of what training takes of SRAM, from experiments/memory/results.json and order.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from experiments.common.ledgers import Ledger, Row
from experiments.common.markdown import NOTHING, millions, spread, table

#: Peaks published with MCUNetV3, KB: for MCUNet one a scheme, else one a backbone.
PUBLISHED: Mapping[str, Mapping[str, int]] = {
    "mcunet-5fps": {"49kb": 134, "99kb": 160, "148kb": 173},
    "mbv2-w0.35": {"49kb": 141, "99kb": 141, "138kb": 141},
    "proxyless-w0.3": {"49kb": 135, "98kb": 135, "148kb": 135},
}
#: Tiny Training Engine (47bb283) with tiny-training (7bf8e05) on the MCUNet 49kb scheme, 10
#: classes, measured the same way: gcc 12.2.1 -Ofast, emulated Cortex-M7, .data + .bss + stack.
TINY_ENGINE = {"sram": 253_344, "flash": 662_692, "inference": 65.03e6, "step": 106.36e6}
#: What the small schemes must fit; at most so many bytes are bold.
SMALL_BYTES = 64 << 10
_CLASSES = 10


@dataclass(frozen=True)
class Name:
    """A row's name, taken apart."""

    model: str
    scheme: str
    how: str
    classes: int

    @classmethod
    def of(cls, key: str) -> Name:
        """From the ledger's key."""
        model, scheme, how, classes = key.split(" | ")
        return cls(model, scheme, how, int(classes))


def _rows(ledger: Ledger) -> dict[tuple[str, str, str, int], Row]:
    names = {key: Name.of(key) for key in ledger["sram"]}
    return {
        (name.model, name.scheme, name.how, name.classes): ledger["sram"][key]
        for key, name in names.items()
    }


def _schemes(ledger: Ledger) -> list[tuple[str, str]]:
    """(model, scheme), by model and the bytes that are trained."""
    rows = {name: row for name, row in _rows(ledger).items() if name[2:] == ("held", _CLASSES)}
    return [name[:2] for name in sorted(rows, key=lambda n: (n[0], rows[n]["trainable"]))]


def _bytes(row: Row | None) -> str:
    if row is None:
        return NOTHING
    total = row["sram_total_bytes"]
    shown = f"{total:,}" if row["fits"] else f"{total:,} *"
    return f"**{shown}**" if total <= SMALL_BYTES else shown


def sram(ledger: Ledger) -> str:
    """Whole SRAM and its parts, 10 classes."""
    rows, body = _rows(ledger), list[list[str]]()
    for model, scheme in _schemes(ledger):
        for how in ("held", "streamed"):
            row = rows.get((model, scheme, how, _CLASSES))
            if row is None:
                continue
            parts = ("arena", "lower_bound_bytes", "trainable", "data_bss", "stack", "flash_bytes")
            steps = ("instructions_inference", "instructions_train_step")
            body.append(
                [
                    f"{model}/{scheme}",
                    how,
                    _bytes(row),
                    *(f"{row[part]:,}" for part in parts),
                    *(millions(row[step]) for step in steps),
                ]
            )
    header = [
        "what is trained",
        "sample",
        "whole SRAM (B)",
        "arena",
        "its lower bound",
        "trainable",
    ]
    header += ["data + bss", "stack", "flash (B)", "instructions, inference", "training step"]
    return table(header, body)


def classes(ledger: Ledger) -> str:
    """Whole SRAM by the number of classes."""
    rows = _rows(ledger)
    columns = [(how, count) for how in ("held", "streamed") for count in (2, 10, 100)]
    body = [
        [f"{model}/{scheme}", *(_bytes(rows.get((model, scheme, *column))) for column in columns)]
        for model, scheme in _schemes(ledger)
    ]
    return table(["what is trained", *(f"{how}, {count}" for how, count in columns)], body)


def published(ledger: Ledger) -> str:
    """Beside what was published, and what was measured of the same system."""
    rows, body = _rows(ledger), list[list[str]]()
    for model, peaks in PUBLISHED.items():
        for scheme, peak in peaks.items():
            found = [rows[model, scheme, how, _CLASSES] for how in ("held", "streamed")]
            totals = [row["sram_total_bytes"] for row in found]
            is_measured = (model, scheme) == ("mcunet-5fps", "49kb")
            body.append(
                [
                    f"{model}/{scheme}",
                    *(_bytes(row) for row in found),
                    f"{peak} KB",
                    " / ".join(f"{1000 * peak / total:.2f}" for total in totals),
                    f"{TINY_ENGINE['sram']:,}" if is_measured else "",
                    " / ".join(f"{TINY_ENGINE['sram'] / total:.2f}" for total in totals)
                    if is_measured
                    else "",
                ]
            )
    over = "over kilograd, held / streamed"
    header = ["what is trained", "kilograd, held (B)", "kilograd, streamed (B)", "published peak"]
    header += [over, "Tiny Training Engine, measured (B)", over]
    return table(header, body)


def pytorch(ledger: Ledger) -> str:
    """Resident memory of PyTorch for the step of MCUNet's 49kb scheme."""
    cold, warm = ledger["pytorch"]["cold"], ledger["pytorch"]["warm"]
    ours = _rows(ledger)["mcunet-5fps", "49kb", "streamed", _CLASSES]["sram_total_bytes"]
    kinds = {
        "network and step alone: torch imported, and a network of one weight trained before": (
            warm["growth"]
        ),
        "network, step, and what torch loads on its first step: torch imported before": (
            cold["growth"]
        ),
        "all of it: the import of torch too": cold["growth_with_import"],
    }
    body = [
        [name, f"{grown:,}", f"{grown / 1e6:.1f} MB", f"{grown / ours:,.0f}"]
        for name, grown in kinds.items()
    ]
    header = [
        "what is counted of PyTorch's process",
        "growth (B)",
        "",
        f"over kilograd's {ours:,} B",
    ]
    return table(header, body)


def small(ledger: Ledger) -> str:
    """Accuracy within 64 KB."""
    found: dict[str, dict[str, list[float]]] = {}
    for key, row in ledger["accuracy"].items():
        _, data, scheme, _, _ = key.split(" | ")
        found.setdefault(data, {}).setdefault(scheme, []).append(100 * row["accuracy"])
    schemes = sorted({scheme for row in found.values() for scheme in row})
    body = [
        [data, *(spread(found[data].get(scheme, [])) for scheme in schemes)]
        for data in sorted(found)
    ]
    whole = [row for row in found.values() if all(scheme in row for scheme in schemes)]
    means = [float(np.mean([np.mean(row[scheme]) for row in whole])) for scheme in schemes]
    body.append(["**mean**", *(f"**{mean:.1f}**" for mean in means)])
    rows = _rows(ledger)
    model = next(iter(ledger["accuracy"])).split(" | ")[0]
    names = [scheme.rpartition("/")[2] for scheme in schemes]
    streamed = (rows.get((model, name, "streamed", _CLASSES)) for name in names)
    body.append(["SRAM, streamed, 10 classes (B)", *(_bytes(row) for row in streamed)])
    return table(["pack", *(name if "/" in name else f"{model}/{name}" for name in schemes)], body)


def optimizations(ledger: Ledger) -> str:
    """Planned bytes, one part of the compiler after the other."""
    body: list[list[str]] = []
    for scheme, found in ledger["optimizations"].items():
        full = _planned(found["added"][-1])
        alone = {row["name"]: _planned(row) - full for row in found["left_out"]}
        before = 0
        for row in found["added"]:
            total = _planned(row)
            name = row["name"]
            body.append(
                [
                    scheme,
                    "none of them" if name == "none" else f"and {name}",
                    f"{total:,}",
                    f"{row['arena']:,}",
                    f"{total - before:+,}" if before else "",
                    f"{alone[name]:+,}" if name in alone else "",
                ]
            )
            before = total
    header = ["scheme", "with", "planned (B)", "arena", "change", "all but this one, over all"]
    return table(header, body)


def work(ledger: Ledger) -> str:
    """Instructions beside those of a step of which every layer runs once and whole."""
    rows, body = _rows(ledger), list[list[str]]()
    for name, whole in ledger["work"].items():
        model, _, scheme = name.partition("/")
        before = whole["instructions_train_step"]
        found = [rows[model, scheme, how, _CLASSES] for how in ("held", "streamed")]
        more = [row["instructions_train_step"] / before - 1 for row in found]
        body.append(
            [
                name,
                _bytes(whole),
                millions(before),
                *(f"{share:+.1%}" for share in more),
                f"{whole['macs_recomputed'] / whole['macs']:.1%}",
            ]
        )
    header = ["scheme", "whole and once: SRAM (B)", "instructions of a step", "held", "streamed"]
    return table([*header, "MACs done twice, streamed"], body)


def order(ledger: Ledger) -> str:
    """How far list scheduling and first fit are from the proven optimum."""
    rows: list[list[str]] = []
    for name, row in sorted(ledger.items()):
        heuristic, arena, bound = (
            row[figure] for figure in ("heuristic_bytes", "arena_bytes", "lower_bound_bytes")
        )
        proven = "yes" if row["proven"] else "no"
        rows.append(
            [name, f"{heuristic:,}", f"{arena:,}", f"{bound:,}", f"{heuristic - bound:,}", proven]
        )
    header = ["scheme, sample", "heuristic (B)", "arena (B)", "lower bound (B)"]
    return table([*header, "heuristic over bound", "proven"], rows)


def alternatives(ledger: Ledger) -> str:
    """One training step against the system that this one starts from."""
    ours = [ledger["sram"][f"mcunet-5fps | 49kb | {how} | 10"] for how in ("held", "streamed")]
    steps = {"training step": "train_step", "inference": "inference"}
    return table(
        ["", "kilograd", "kilograd, image in rows", "Tiny Training Engine (measured)"],
        [
            [
                "whole SRAM",
                *(f"**{row['sram_total_bytes']:,} B**" for row in ours),
                f"{TINY_ENGINE['sram']:,} B",
            ],
            [
                "flash",
                *(f"**{row['flash_bytes']:,} B**" for row in ours),
                f"{TINY_ENGINE['flash']:,} B",
            ],
            *(
                [
                    f"instructions, {name}",
                    *(f"**{millions(row[f'instructions_{figure}'])}**" for row in ours),
                    millions(TINY_ENGINE[name.rpartition(" ")[2]]),
                ]
                for name, figure in steps.items()
            ),
            ["backward arithmetic", "int8", "int8", "float32"],
        ],
    )


def _planned(row: Row) -> int:
    return row["arena"] + row["trainable"]


TABLES = {
    "alternatives": alternatives,
    "sram": sram,
    "sram_classes": classes,
    "sram_published": published,
    "sram_pytorch": pytorch,
    "sram_small": small,
    "sram_work": work,
    "sram_optimizations": optimizations,
}
ORDER_TABLES = {"sram_order": order}
