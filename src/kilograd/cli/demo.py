"""kilograd demo does the main job with the data and the backbone that come with it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from kilograd.cli.train import check_writable, run_training
from kilograd.compiler import compile_model
from kilograd.data import Dataset, InputSpec, Samples
from kilograd.errors import DataError
from kilograd.frontend.open import EMBEDDED, input_spec, load_model
from kilograd.report import terminal_memory_map
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.loop import TrainingOptions, default_rate

#: The reference part: an STM32F746 has 256 KB of SRAM beside its 64 KB of tightly coupled memory.
SRAM_BUDGET = 256 * 1024

#: What the demo trains.
SCHEME = f"{EMBEDDED}/demo"

_CROPS = 200


def faces_dataset(spec: InputSpec, seed: int = 0) -> Dataset:
    """Face or no face: 100 + 100 crops that come with scikit-image, half of each to test on.

    Args:
        spec: of the samples; the grey 25×25 crops are scaled up (bilinear) and repeated over the
            channels.
        seed: of the split.

    Raises:
        DataError: when scikit-image, or its data, is not installed.
    """
    try:
        source = files("skimage") / "data" / "lfw_subset.npy"
        with source.open("rb") as file:
            crops: NDArray[np.float64] = np.load(file, allow_pickle=False)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise DataError(
            "the demo's crops come with scikit-image, which is not installed",
            hint="pip install 'kilograd[demo]'",
        ) from error
    inputs = np.stack([_sample(crop, spec) for crop in crops])
    labels = np.repeat(np.array([1, 0], np.int32), _CROPS // 2)
    generator = np.random.Generator(np.random.PCG64(seed))
    parts: list[NDArray[np.int64]] = []
    for label in (0, 1):
        chosen = generator.permutation(np.flatnonzero(labels == label))
        parts.append(chosen.reshape(2, -1))
    train, test = (np.concatenate([part[half] for part in parts]) for half in (0, 1))
    return Dataset(
        "faces (LFW subset)",
        Samples(inputs[train], labels[train]),
        Samples(inputs[test], labels[test]),
        ("no face", "face"),
    )


def _sample(crop: NDArray[np.float64], spec: InputSpec) -> NDArray[np.int8]:
    grey = Image.fromarray(np.rint(crop * 255).astype(np.uint8))
    scaled = grey.resize((spec.width, spec.height), Image.Resampling.BILINEAR)
    pixels = np.asarray(scaled).astype(np.float64)[..., None] / 127.5 - 1
    return np.repeat(spec.quantize(pixels), spec.channels, axis=2)


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
    summary, measurement = run_training(
        console,
        program,
        dataset,
        device=device,
        options=TrainingOptions(epochs=epochs, rate=default_rate(program), seed=seed),
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
