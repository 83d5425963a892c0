"""Tables of what README.md claims, from experiments/foundation/results.json."""

from __future__ import annotations

from experiments.common.ledgers import Ledger
from experiments.common.markdown import millions, table


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


TABLES = {
    "memory": memory,
    "parts": parts,
    "learning": learning,
    "speed": speed,
    "import": imported,
    "demo": demo,
}
