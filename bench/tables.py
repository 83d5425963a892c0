"""Writes the tables and pictures of README.md and docs/ from the ledgers in bench/results.

python bench/tables.py          rewrites them
python bench/tables.py --check  exits 1 when they differ from the ledger
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accuracy_tables
import memory_chart
import memory_tables
import personalization_chart
import personalization_tables
import stream_tables
from markdown import table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
_DOCS = ("measurements", "memory", "accuracy", "personalization", "features", "stream")
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{page}.md" for page in _DOCS))

#: Tiny Training Engine (47bb283) with tiny-training (7bf8e05), measured the same way: gcc 12.2.1
#: -Ofast, emulated Cortex-M7, .data + .bss + training stack.
ANCHOR = {"sram": 253344, "flash": 662692, "inference": 65.03e6, "step": 106.36e6}

Ledger = dict[str, Any]


def millions(count: float) -> str:
    """Instructions as 12.3 M."""
    return f"{count / 1e6:.1f} M"


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
                f"{ANCHOR['sram']:,} B",
            ],
            ["flash", *(f"**{row['flash_bytes']:,} B**" for row in ours), f"{ANCHOR['flash']:,} B"],
            *(
                [
                    f"instructions, {name}",
                    *(f"**{millions(row[f'instructions_{figure}'])}**" for row in ours),
                    millions(ANCHOR[name.rpartition(" ")[2]]),
                ]
                for name, figure in steps.items()
            ),
            ["backward arithmetic", "int8", "int8", "float32"],
        ],
    )


def memory(ledger: Ledger) -> str:
    """SRAM and instructions by scheme."""
    rows = [
        [
            name,
            f"{row['sram_total_bytes']:,}",
            f"{row['arena']:,}",
            f"{row['trainable']:,}",
            f"{row['stack']:,}",
            f"{row['flash_bytes']:,}",
            millions(row["instructions_train_step"]),
        ]
        if "does_not_fit" not in row
        else [name, f"{row['planned']:,} and the stack: over 320 KB", *[""] * 5]
        for name, row in sorted(ledger["memory"].items())
    ]
    header = ["scheme", "SRAM, all of it (B)", "arena", "trainable", "stack", "flash (B)"]
    return table([*header, "instructions a step"], rows)


def parts(ledger: Ledger) -> str:
    """Everything that was measured of each scheme."""
    rows = [
        [
            name,
            f"{row['data_bss']:,}",
            f"{row['lower_bound_bytes']:,}",
            millions(row["instructions_inference"]),
            millions(row["macs_forward"]),
            millions(row["macs_backward"]),
            f"{row['compile_seconds']:.1f} s",
        ]
        for name, row in sorted(ledger["memory"].items())
        if "does_not_fit" not in row
    ]
    header = ["scheme", "data + bss (B)", "arena's lower bound (B)", "instructions, inference"]
    return table([*header, "MACs forward", "MACs backward", "model to C"], rows)


def learning(ledger: Ledger) -> str:
    """Accuracy before and after."""
    rows = [
        [name, f"{row['before']:.1%}", f"{row['after']:.1%}", f"{row['steps']:,}"]
        for name, row in ledger["learning"]["runs"].items()
    ]
    return table(["what is trained", "before", "after", "steps"], rows)


def speed(ledger: Ledger) -> str:
    """Steps a second on the PC."""
    rows = [[k, f"{v:.0f}"] for k, v in ledger["speed"]["steps_per_second"].items()]
    return table(["scheme", "steps/s on 2 cores, prefix kept"], rows)


def pytorch(ledger: Ledger) -> str:
    """Speed of the PC build over PyTorch's, as ratios of one run."""
    kinds = {
        "one step after the other, the frozen prefix kept": "prefix kept",
        "whole steps": "whole step",
    }
    rows = [
        [
            label,
            *(
                f"{ratio['ratio']:.2f} ({ratio['lowest']:.2f} … {ratio['highest']:.2f})"
                for ratio in ledger[kind]["kilograd_over_pytorch"].values()
            ),
        ]
        for label, kind in kinds.items()
    ]
    header = [f"against {batch}" for batch in ledger["prefix kept"]["kilograd_over_pytorch"]]
    return table(["samples a second, kilograd (batch 1) over PyTorch", *header], rows)


def imported(ledger: Ledger) -> str:
    """Top-1 of the published checkpoints as imported."""
    rows = [[name, f"{value:.1f}%"] for name, value in ledger["import"].items()]
    return table(["checkpoint", "top-1 on 500 validation images of 10 classes, 1000-way"], rows)


def demo(ledger: Ledger) -> str:
    """What `make demo` printed."""
    return "\n".join(["```", *ledger["demo"]["transcript"], "```"])


#: Name -> the ledger that it is made from, and how.
TABLES: dict[str, tuple[str, Callable[[Ledger], str]]] = {
    "alternatives": ("memory", alternatives),
    "memory": ("foundation", memory),
    "parts": ("foundation", parts),
    "learning": ("foundation", learning),
    "speed": ("foundation", speed),
    "pytorch": ("torch_speed", pytorch),
    "import": ("foundation", imported),
    "demo": ("foundation", demo),
    "sram": ("memory", memory_tables.sram),
    "sram_classes": ("memory", memory_tables.classes),
    "sram_published": ("memory", memory_tables.published),
    "sram_pytorch": ("memory", memory_tables.pytorch),
    "sram_small": ("memory", memory_tables.small),
    "sram_work": ("memory", memory_tables.work),
    "sram_optimizations": ("memory", memory_tables.optimizations),
    "sram_order": ("order", memory_tables.order),
    "accuracy": ("accuracy", accuracy_tables.accuracy_mcunet),
    "accuracy_others": ("accuracy", accuracy_tables.accuracy_others),
    "comparisons": ("accuracy", accuracy_tables.accuracy_comparisons),
    "rates": ("accuracy", accuracy_tables.rates),
    "ablation": ("ablation", accuracy_tables.ablation),
    "qas": ("qas", accuracy_tables.qas),
    "stream_plain": ("stream", stream_tables.plain),
    "stream_new_class": ("stream", stream_tables.new_class),
    "stream_drift": ("stream", stream_tables.drift),
    "stream_repeats": ("stream", stream_tables.repeats),
    "personalization": ("personalization", personalization_tables.personalization),
    "personalization_brief": ("personalization", personalization_tables.brief),
    "personalization_memory": ("personalization", personalization_tables.memory),
    "features": ("features", personalization_tables.features),
}

#: Picture -> the ledger that it is drawn from, and how.
PICTURES: dict[Path, tuple[str, Callable[[Ledger], str]]] = {
    ROOT / "docs" / "memory.svg": ("memory", memory_chart.optimizations),
    ROOT / "docs" / "stream.svg": ("stream", stream_tables.picture),
    ROOT / "docs/personalization.svg": ("personalization", personalization_chart.personalization),
}


def read_ledgers() -> dict[str, Ledger]:
    """Every ledger that a table or a picture is made from, by name."""
    names = {ledger for ledger, _ in (*TABLES.values(), *PICTURES.values())}
    return {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in sorted(names)}


def render(text: str, ledgers: dict[str, Ledger]) -> str:
    """The page with every marked table filled in."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        ledger, make = TABLES[name]
        return f"<!-- table: {name} -->\n{make(ledgers[ledger])}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


def main(arguments: list[str]) -> int:
    """Rewrite or check the pages and pictures."""
    ledgers = read_ledgers()
    wanted = {page: render(page.read_text(), ledgers) for page in PAGES}
    wanted |= {picture: draw(ledgers[name]) for picture, (name, draw) in PICTURES.items()}
    stale: list[Path] = []
    for page, new in wanted.items():
        if not page.is_file() or page.read_text() != new:
            stale.append(page)
            if "--check" not in arguments:
                page.write_text(new)
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'stale' if '--check' in arguments else 'rewritten'}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
