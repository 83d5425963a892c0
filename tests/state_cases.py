"""Runs that are interrupted, and what is kept of them."""

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.frontend.open import load_model
from kilograd.ops.spec import TrainingCounters
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.loop import TrainingOptions, train
from kilograd.training.state_file import History, Origin, SavedState
from kilograd.training.unfinished import Interrupted
from networks import blobs

OPTIONS = TrainingOptions(3, 0.05, seed=7)
#: So high that runs diverge, and monitors have something to remember.
WILD = TrainingOptions(4, 8.0, seed=3)


def stop_after(asked):
    """Stops a run when it has asked so often."""
    left = iter(range(asked))
    return lambda: next(left, None) is None


def interrupted(program, dataset, options, asked, *, device="host", **more):
    with open_device(program, device) as opened, pytest.raises(Interrupted) as caught:
        train(opened, dataset, options, should_stop=stop_after(asked), **more)
    return caught.value


def whole(program, dataset, options, *, unfinished=None, device="host"):
    with open_device(program, device) as opened:
        return train(opened, dataset, options, unfinished=unfinished)


def saved(program, state, unfinished=None):
    graph = program.request.graph
    origin = Origin(
        graph.name, program.model_id, False, ("left", "right"), graph.label_kind,
        graph.value_range, program.scheme, (16, 16), graph.pixel_range,
    )  # fmt: skip
    history = History(
        "blobs", "0" * 64, (None, 5), OPTIONS, False, "host", 40, 120, TrainingCounters(40, 3)
    )
    return SavedState(origin, state, history, unfinished)


def tiny_program(model):
    """A small network that trains the last three layers."""
    graph = load_model(str(model), 2)
    return compile_model(graph, load_scheme("last:3", graph), get_target("cortex-m7"))


def blobs_pack(path, program, count):
    """A pack of samples that the network learns, a quarter of them to test on."""
    inputs, labels = blobs(program.request.graph, count)
    split = (np.arange(count) % 4 == 3).astype(np.int8)
    np.savez(path, inputs=inputs, labels=labels, split=split, class_names=["left", "right"])
    return path
