"""kilograd demo does the main job with the data and the backbone that come with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from kilograd.cli.setup import Setup
from kilograd.cli.train import check_writable, train_and_show
from kilograd.compiler import compile_model
from kilograd.data.faces import faces_dataset
from kilograd.frontend.open import EMBEDDED, input_spec, load_model
from kilograd.report import terminal_memory_map
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.loop import TrainingOptions
from kilograd.training.rate import default_rate

#: The reference part: an STM32F746 has 256 KB of SRAM beside its 64 KB of tightly coupled memory.
SRAM_BUDGET = 256 * 1024

#: What the demo trains.
SCHEME = f"{EMBEDDED}/demo"


def run_demo(
    console: Console, *, report: Path, epochs: int, seed: int, device: str = "unicorn"
) -> dict[str, Any]:
    """Train the embedded backbone on the emulated Cortex-M7; show and return the outcome."""
    check_writable(report)
    dataset = faces_dataset(input_spec(load_model(EMBEDDED)), seed)
    graph = load_model(EMBEDDED, len(dataset.class_names))
    program = compile_model(graph, load_scheme(SCHEME, graph), get_target("cortex-m7"))
    height, width, channels = graph.inputs[0].type.shape
    console.print(
        f"kilograd: {graph.name} ({height}×{width}×{channels}) learns face / no face from "
        f"{len(dataset.train)} crops,\none at a time, on an emulated Cortex-M7.",
        markup=False,
        highlight=False,
    )
    options = TrainingOptions(epochs=epochs, rate=default_rate(program), seed=seed)
    summary, measurement = train_and_show(
        console,
        Setup(program, dataset, options),
        device=device,
        budget=SRAM_BUDGET,
        report=report,
        title="kilograd learns faces inside a Cortex-M7",
    )
    if measurement is not None:
        console.print(terminal_memory_map(program, measurement, SRAM_BUDGET))
        console.print(
            f"{measurement.instructions_train_step:,} instructions a training step, "
            f"{measurement.instructions_inference:,} an inference, emulated",
            markup=False,
            highlight=False,
        )
    return summary
