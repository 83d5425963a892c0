"""A network, its C with the port in front of it, and what it must learn."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.frontend.native import load_native
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model
from serial_line.wires import board_library

RATE = LearningRate.from_float(0.01)
STEPS = 200
CLASSES = 70  # more than an answer holds logits of


@dataclass(frozen=True)
class Case:
    """By whether samples come in rows: programs, folders of C, libraries. And what is learned.

    Attributes:
        lessons: samples and labels.
        digests: of the host, after each number of steps.
    """

    programs: dict[bool, Any]
    folders: dict[bool, Path]
    libraries: dict[bool, Path]
    lessons: tuple
    digests: list[str]


def make_case(folder):
    """Made in an empty folder."""
    graph = load_native(native_model(classes=CLASSES).write(folder / "tiny.npz"))
    scheme = load_scheme("last:3", graph)
    programs = {
        rows: compile_model(graph, scheme, get_target("portable"), row_input=rows)
        for rows in (False, True)
    }
    folders = {rows: folder / str(rows) for rows in programs}
    for rows, program in programs.items():
        export_c(program, folders[rows])
    libraries = {rows: board_library(path) for rows, path in folders.items()}
    rng = np.random.default_rng(3)
    inputs = rng.integers(-128, 128, (STEPS, *graph.inputs[0].type.shape)).astype(np.int8)
    lessons = inputs, rng.integers(0, CLASSES, STEPS).tolist()
    with open_device(programs[False], "host") as host:
        digests = learn(host, lessons, STEPS)
    return Case(programs, folders, libraries, lessons, digests)


def learn(device, lessons, steps, *, seed=4):
    """SHA-256 of all logits and the state, after each step."""
    device.initialize(seed)
    hasher, found = hashlib.sha256(), []
    for sample, label in zip(*(part[:steps] for part in lessons), strict=True):
        hasher.update(device.train_step(sample, label, RATE).astype("<i4").tobytes())
        found.append(hashlib.sha256(hasher.digest() + device.read_state()).hexdigest())
    return found


def repeat_sessions(monkeypatch):
    """Sessions begin at the same numbers; the first one soon wraps around."""
    numbers = iter((0xFFFF_FF80, *range(1000, 1_000_000_000, 1_000_000)))
    monkeypatch.setattr("kilograd.device.serial_link.secrets.randbits", lambda bits: next(numbers))
