"""How long a board takes, by its own clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kilograd.compiler import Program
from kilograd.device.protocol import DEFAULT_RATE, LearningRate
from kilograd.device.serial import SerialDevice
from kilograd.errors import DeviceError


@dataclass(frozen=True)
class BoardTimes:
    """What a board measured.

    Attributes:
        inference_seconds: of a prediction, without the sample on the line.
        train_step_seconds: of a training step, likewise.
    """

    inference_seconds: float
    train_step_seconds: float


def measure_board(program: Program, name: str) -> BoardTimes:
    """Times one prediction and one step on a board; what it has learned is put back.

    With samples in rows, what runs while rows arrive is not in the times.

    Args:
        program: that the board's firmware holds.
        name: of the device, as ``serial:PORT``.

    Raises:
        DeviceError: no board answers, it holds another program, or it has no clock.
    """
    sample = np.zeros(program.graph.inputs[0].type.shape, np.int8)
    rate = LearningRate.from_float(DEFAULT_RATE)
    with SerialDevice.open(name, program) as board:
        learned = board.read_state()
        board.predict(sample)
        inference = _seconds(board)
        try:
            board.train_step(sample, 0, rate)
            step = _seconds(board)
        finally:
            board.write_state(learned)
    return BoardTimes(inference, step)


def _seconds(board: SerialDevice) -> float:
    seconds = board.seconds_last_call()
    if seconds is None:
        raise DeviceError(
            "the firmware has no clock",
            where=board.name,
            hint="name ticks and ticks_per_second in its kg_serial_port",
        )
    return seconds
