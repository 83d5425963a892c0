"""A board at a serial line whose labels are sets or values, or which learns without labels."""

import sys

import numpy as np
import pytest

from autoencoders import autoencoder
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.device.open import open_device
from kilograd.device.protocol import LearningRate
from kilograd.frontend.open import load_model
from kilograd.ir import LabelKind
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model
from serial_line.wires import Board, Clock, board_library

if sys.platform != "win32":
    from serial_line.ptys import Port

RATE = LearningRate.from_float(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals")
@pytest.mark.parametrize("kind", [LabelKind.SET, LabelKind.VALUE, LabelKind.ANOMALY])
def test_a_board_says_what_labels_are(kind, tmp_path):
    if kind is LabelKind.ANOMALY:
        graph = autoencoder()
    else:
        model = native_model(classes=4).write(tmp_path / "tiny.npz")
        graph = load_model(str(model), 1 if kind is LabelKind.VALUE else 4, label_kind=kind)
    program = compile_model(graph, load_scheme("last:2", graph), get_target("portable"))
    export_c(program, tmp_path / "c")
    board = Board(board_library(tmp_path / "c"), Clock(), is_bare=True)

    def answer(data):
        board.write(data)
        return board.read(0)

    sample = np.full(graph.inputs[0].type.shape, 3, np.int8)
    labels = {LabelKind.SET: (5, 8), LabelKind.VALUE: (5, -70_000), LabelKind.ANOMALY: (0, 0)}
    with Port(answer) as port, open_device(program, port.name) as device:
        assert device.label_kind is kind
        with open_device(program, "host") as host:
            for label in labels[kind]:
                logits = device.train_step(sample, label, RATE)
                assert np.array_equal(logits, host.train_step(sample, label, RATE))
            assert device.read_state() == host.read_state()
