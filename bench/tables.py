"""Writes the tables of README.md and docs/measurements.md from bench/results/foundation.json.

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

ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "bench" / "results" / "foundation.json"
PAGES = (ROOT / "README.md", ROOT / "docs" / "measurements.md")

#: Tiny Training Engine (47bb283) with tiny-training (7bf8e05), measured the same way: gcc 12.2.1
#: -Ofast, emulated Cortex-M7, .data + .bss + training stack.
ANCHOR = {"sram": 253344, "flash": 662692, "inference": 65.03e6, "step": 106.36e6}

Ledger = dict[str, Any]


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are right-aligned."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def millions(count: float) -> str:
    """Instructions as 12.3 M."""
    return f"{count / 1e6:.1f} M"


def alternatives(ledger: Ledger) -> str:
    """One training step against the system that this one starts from."""
    ours = ledger["memory"]["mcunet-5fps/49kb"]
    return table(
        ["", "kilograd", "Tiny Training Engine (measured)"],
        [
            ["whole SRAM", f"**{ours['sram_total_bytes']:,} B**", f"{ANCHOR['sram']:,} B"],
            ["flash", f"**{ours['flash_bytes']:,} B**", f"{ANCHOR['flash']:,} B"],
            [
                "instructions, training step",
                f"**{millions(ours['instructions_train_step'])}**",
                millions(ANCHOR["step"]),
            ],
            [
                "instructions, inference",
                f"**{millions(ours['instructions_inference'])}**",
                millions(ANCHOR["inference"]),
            ],
            ["backward arithmetic", "int8", "float32"],
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


def imported(ledger: Ledger) -> str:
    """Top-1 of the published checkpoints as imported."""
    rows = [[name, f"{value:.1f}%"] for name, value in ledger["import"].items()]
    return table(["checkpoint", "top-1 on 500 validation images of 10 classes, 1000-way"], rows)


def demo(ledger: Ledger) -> str:
    """What `make demo` printed."""
    return "\n".join(["```", *ledger["demo"]["transcript"], "```"])


TABLES: dict[str, Callable[[Ledger], str]] = {
    "alternatives": alternatives,
    "memory": memory,
    "parts": parts,
    "learning": learning,
    "speed": speed,
    "import": imported,
    "demo": demo,
}


def render(text: str, ledger: Ledger) -> str:
    """The page with every marked table filled in."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- table: {name} -->\n{TABLES[name](ledger)}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


def main(arguments: list[str]) -> int:
    """Rewrite or check the pages."""
    ledger = json.loads(LEDGER.read_text())
    stale: list[Path] = []
    for page in PAGES:
        text = page.read_text()
        new = render(text, ledger)
        if new != text:
            stale.append(page)
            if "--check" not in arguments:
                page.write_text(new)
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'stale' if '--check' in arguments else 'rewritten'}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
