"""Measures what a training step takes of SRAM and writes it to experiments/memory/results.json.

    python -m experiments.memory.run [sram] [work] [optimizations] [pytorch] [accuracy]

Without arguments everything, in about 15 minutes on two cores. Rows whose C sources and compiler
are those of the ledger are kept, so it can be stopped at any time. Needs the published
checkpoints and data packs in ../shared, and for ``pytorch`` torch
(``pip install 'kilograd[baselines]'``).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product

from experiments import accuracy
from experiments.common.cells import Cell, recipe, run_cell
from experiments.common.ledgers import Ledger, chosen_parts, read_ledger, write_ledger
from experiments.common.packs import PACKS, pack_path
from experiments.common.paths import BACKBONES, ROOT, checkpoint, require_shared
from experiments.common.programs import BOARD, compiled, measure_anywhere
from experiments.memory import LEDGER
from experiments.memory.optimizations import optimizations
from kilograd.codegen import emit, model_id
from kilograd.codegen.model_header import has_row_input
from kilograd.compiler import Optimization, Program, Request, plan_step
from kilograd.frontend.open import load_model
from kilograd.ir import Graph, Phase
from kilograd.scheme import Scheme, load_scheme, published_schemes
from kilograd.targets import get_target

CLASSES = (10, 2, 100)
FIGURES = (
    "sram_total_bytes",
    "arena",
    "trainable",
    "data_bss",
    "stack",
    "lower_bound_bytes",
    "flash_bytes",
    "instructions_inference",
    "instructions_train_step",
)
#: What trains within 64 KB; the head alone is run beside it.
SMALL = "proxyless-w0.3/64kb"
SEEDS = (0, 1, 2)
OPTIMIZED = ("mcunet-5fps/49kb", "mcunet-5fps/99kb")


@dataclass(frozen=True)
class Row:
    """One network, what of it is trained, and how its sample comes.

    Attributes:
        model: name of a published checkpoint.
        scheme: as ``load_scheme`` reads it.
        streamed: whether the sample comes row by row.
        classes: of the head.
    """

    model: str
    scheme: str
    streamed: bool
    classes: int

    @property
    def key(self) -> str:
        """Name in the ledger."""
        how = "streamed" if self.streamed else "held"
        return f"{self.model} | {self.scheme.rpartition('/')[2]} | {how} | {self.classes}"

    def program(self) -> Program:
        """It, compiled."""
        model = checkpoint(self.model)
        program = compiled(model, self.scheme, self.classes, target=BOARD, row_input=self.streamed)
        assert has_row_input(program.graph) == self.streamed, f"{self.key}: not what was asked for"
        return program


def rows() -> Iterator[Row]:
    """The whole table, what matters most first."""
    for classes, model in product(CLASSES, BACKBONES):
        own = [scheme for scheme in published_schemes() if scheme.startswith(f"{model}/")]
        for scheme, streamed in product((*own, "head"), (True, False)):
            yield Row(model, scheme, streamed, classes)
        # Its first layer is trained and reads the sample again, which cannot be streamed then.
        yield Row(model, "full", streamed=False, classes=classes)


def measure_row(row: Row, known: Ledger | None = None) -> Ledger:
    """Figures of a row; ``known`` itself where it was measured on the same sources."""
    program = row.program()
    texts = [
        version("ziglang"),
        *(part for pair in sorted(program.sources.items()) for part in pair),
    ]
    sources = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    if known and known["sources"] == sources:
        return known
    result, fits = measure_anywhere(program)
    figures = {figure: getattr(result, figure) for figure in FIGURES}
    return {**figures, "fits": fits, "sources": sources}


def measure_sram(ledger: Ledger) -> None:
    """Every row; those that the table no longer has are dropped."""
    before = ledger.get("sram", {})
    wanted = list(rows())
    ledger["sram"] = {row.key: before[row.key] for row in wanted if row.key in before}
    for row in wanted:
        found = measure_row(row, before.get(row.key))
        if found is not before.get(row.key):
            print(f"{row.key}: {found['sram_total_bytes']:,} B", flush=True)
        ledger["sram"][row.key] = found
        write_ledger(LEDGER, ledger)


def measure_work(ledger: Ledger) -> None:
    """Instructions of each published scheme where every layer runs once and whole."""
    ledger["work"] = {}
    for name in published_schemes():
        model = name.split("/")[0]
        if model not in BACKBONES:
            continue
        graph = load_model(checkpoint(model), CLASSES[0])
        program = unfused(graph, load_scheme(name, graph))
        result, fits = measure_anywhere(program)
        streamed = Row(model, name, streamed=True, classes=CLASSES[0]).program()
        ledger["work"][name] = {
            "sram_total_bytes": result.sram_total_bytes,
            "instructions_train_step": result.instructions_train_step,
            "fits": fits,
            "macs": sum(program.macs(phase) for phase in Phase),
            "macs_recomputed": streamed.recomputed_macs,
        }
        print(f"{name}: {result.instructions_train_step:,} instructions unfused", flush=True)


def unfused(graph: Graph, scheme: Scheme) -> Program:
    """A training step of which no layer runs in rows, and none twice."""
    board = get_target(BOARD)
    parts = {Optimization.IN_PLACE, Optimization.REORDERED, Optimization.SLICES}
    trained, plan = plan_step(graph, scheme, board, parts)
    sources = emit(trained, plan, has_snapshots=False)
    request = Request(graph, row_input=False, recompute=0)
    identity = model_id(graph, trained, plan)
    return Program(trained, plan, sources, scheme, board, request, identity)


def measure_optimizations(ledger: Ledger) -> None:
    """What each part of the compiler saves."""
    ledger["optimizations"] = {}
    for scheme in OPTIMIZED:
        graph = load_model(checkpoint(scheme.split("/")[0]), CLASSES[0])
        ledger["optimizations"][scheme] = optimizations(
            graph, load_scheme(scheme, graph), get_target(BOARD)
        )
        for step in ledger["optimizations"][scheme]["added"]:
            print(f"{scheme}: {step['name']}: {step['arena'] + step['trainable']:,} B", flush=True)


def measure_pytorch(ledger: Ledger) -> None:
    """Resident memory of the same step, each in a process of its own."""
    module = "experiments.memory.pytorch"
    ledger["pytorch"] = {}
    for name, options in {"cold": [], "warm": ["--warm"]}.items():
        command = [sys.executable, "-m", module, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode:
            sys.exit(f"{module}: {done.stderr}")
        ledger["pytorch"][name] = json.loads(done.stdout)
        print(f"PyTorch, {name}: {done.stdout}", end="", flush=True)


def measure_accuracy(ledger: Ledger) -> None:
    """What is learned within 64 KB, and by the head alone, on every pack."""
    before, found, others = (
        ledger.get("accuracy", {}),
        {},
        read_ledger(accuracy.LEDGER).get("cells", {}),
    )
    for seed, data, scheme in product(SEEDS, PACKS, (SMALL, "head")):
        model = checkpoint(SMALL.split("/", maxsplit=1)[0])
        cell = Cell(model, pack_path(data), scheme, "device")
        key, made = cell.key(seed), _how(cell)
        found[key] = before.get(key, {})
        if found[key].get("made") != made:
            row = others.get(key, {}) if scheme == "head" else {}
            if row.get("recipe") != recipe(cell):
                (row,) = run_cell(cell, (seed,))
            found[key] = {"accuracy": row["accuracy"], "before": row["before"], "made": made}
            print(f"{key}: {row['accuracy']:.1%}", flush=True)
        ledger["accuracy"] = {**before, **found}
        write_ledger(LEDGER, ledger)
    ledger["accuracy"] = found


def _how(cell: Cell) -> str:
    """Digest of the samples' use and of what is trained: other rows do not count."""
    scheme = load_scheme(cell.scheme, load_model(cell.model, CLASSES[0]))
    what = [recipe(cell), scheme.biases, list(scheme.weights.items())]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]


PARTS: dict[str, Callable[[Ledger], None]] = {
    "sram": measure_sram,
    "work": measure_work,
    "optimizations": measure_optimizations,
    "pytorch": measure_pytorch,
    "accuracy": measure_accuracy,
}


def main(chosen: list[str]) -> None:
    """Measure the chosen parts, or all."""
    parts = chosen_parts(chosen, PARTS)
    require_shared()
    ledger = read_ledger(LEDGER)
    for part in parts:
        PARTS[part](ledger)
        write_ledger(LEDGER, ledger)


if __name__ == "__main__":
    main(sys.argv[1:])
