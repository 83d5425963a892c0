"""Tells a diverging run by the device's counters, and goes back (docs/numerics.md, section 9)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Protocol

from kilograd.device.protocol import Device, LearningRate
from kilograd.memory.state_layout import StateHeader
from kilograd.ops.spec import TrainingCounters

#: Training steps from one look at the counters to the next.
CHECK_STEPS = 20

#: So many loss spikes between two looks are divergence. Healthy runs had none.
SPIKES = 5

#: So is one in so many gradient tensors vanished though the loss had a gradient, once gradients
#: got through: behind a fresh head none does until its weights round to more than zero.
VANISHED_SHARE = 4

#: A run that diverges again this soon went back to a state that was not healthy after all.
RELAPSE_STEPS = 100

#: The learning rate is divided by 2 to this power.
_LOG2_DIVISOR = 2

_LOWEST_EXPONENT = -1100


@dataclass(frozen=True)
class Divergence:
    """What a monitor did once.

    Attributes:
        step: training steps that the run had done when it was noticed.
        rate: learning rate from then on, its highest where it has a schedule.
    """

    step: int
    rate: float


class Listener(Protocol):
    """Told of each divergence."""

    def __call__(self, divergence: Divergence) -> None:
        """Called once the device is back in a healthy state."""
        ...


@dataclass(frozen=True)
class Watch:
    """What a monitor knows, to go on with later.

    Attributes:
        steps: training steps that it has seen.
        rate: of the run.
        divergences: so far.
        since: counted since its last look.
        flows: whether gradients got through.
        start: the state that the run began with.
        healthy: the last state that is known to be healthy.
        latest: the state of the last look.
    """

    steps: int
    rate: LearningRate
    divergences: tuple[Divergence, ...]
    since: TrainingCounters
    flows: bool
    start: bytes
    healthy: bytes
    latest: bytes


class DivergenceMonitor:
    """Watches a run, one call a step, and is the same on every device.

    Every `CHECK_STEPS` it looks at the counters. Loss spikes (the network was sure of a wrong
    class) and vanished gradients (its activations are stuck where they are clamped) both say that
    the run has diverged: the last healthy state is put back, but for its header, so that the step
    counter (and with it the schedule and the random numbers) goes on and no class gets lost; and
    the rate is divided by 4. A state counts as healthy once the steps after it were;
    if the run diverges again soon, it goes back to its start.

    Args:
        device: as it starts the run; that state counts as healthy.
        rate: of the run.
        listener: told of each divergence.
    """

    def __init__(
        self, device: Device, rate: LearningRate, listener: Listener | None = None
    ) -> None:
        self.rate = rate
        self.divergences: list[Divergence] = []
        self._device = device
        self._listener = listener
        self._steps = 0
        self._counted = device.counters().training
        self._flows = False
        self._start = self._healthy = self._latest = device.read_state()

    @property
    def watch(self) -> Watch:
        """What it knows now."""
        since = _difference(self._device.counters().training, self._counted)
        return Watch(
            self._steps,
            self.rate,
            tuple(self.divergences),
            since,
            self._flows,
            self._start,
            self._healthy,
            self._latest,
        )

    def resume(self, watch: Watch) -> None:
        """Go on from what another monitor knew, on a device with the same state.

        The device has counted nothing yet, or not since this monitor was made.
        """
        self.rate = watch.rate
        self.divergences = list(watch.divergences)
        self._steps = watch.steps
        self._counted = _difference(self._counted, watch.since)
        self._flows = watch.flows
        self._start, self._healthy, self._latest = watch.start, watch.healthy, watch.latest

    def after_step(self) -> None:
        """To be called after each training step; may change the device's state and `rate`."""
        self._steps += 1
        if self._steps % CHECK_STEPS:
            return
        counted = self._device.counters().training
        since = _difference(counted, self._counted)
        self._counted = counted
        state = self._device.read_state()
        if has_diverged(since, flows=self._flows):
            self._go_back(state)
        elif since.losses_vanished < since.steps:  # else nothing was learned, so nothing is known
            self._healthy, self._latest = self._latest, state
            self._flows = self._flows or not _gradients_vanish(since)

    def overshot(self) -> None:
        """The rate is too high, whatever the counters say: go back to the start of the run."""
        self._counted = self._device.counters().training
        self._healthy = self._start
        self._go_back(self._device.read_state())

    def _go_back(self, state: bytes) -> None:
        if self.divergences and self._steps - self.divergences[-1].step <= RELAPSE_STEPS:
            self._healthy = self._start
        header, learned = state[: StateHeader.BYTES], self._healthy[StateHeader.BYTES :]
        self._device.write_state(header + learned)
        self._latest = self._healthy
        self._flows = self._flows and self._healthy is not self._start
        exponent = max(self.rate.exponent - _LOG2_DIVISOR, _LOWEST_EXPONENT)
        self.rate = replace(self.rate, exponent=exponent)
        divergence = Divergence(self._steps, self.rate.value)
        self.divergences.append(divergence)
        if self._listener is not None:
            self._listener(divergence)


def has_diverged(since: TrainingCounters, *, flows: bool = True) -> bool:
    """Whether training diverged while these counts were made, of about `CHECK_STEPS` steps.

    Args:
        since: the counts.
        flows: whether gradients got through before.
    """
    return since.loss_spikes >= SPIKES or (flows and _gradients_vanish(since))


def _gradients_vanish(since: TrainingCounters) -> bool:
    each_step = since.gradients // max(since.steps, 1)
    vanished = since.gradients_vanished - each_step * since.losses_vanished
    rest = each_step * (since.steps - since.losses_vanished)
    return rest > 0 and vanished * VANISHED_SHARE >= rest


def _difference(now: TrainingCounters, before: TrainingCounters) -> TrainingCounters:
    earlier = asdict(before)
    counts = {name: (count - earlier[name]) & 0xFFFFFFFF for name, count in asdict(now).items()}
    return TrainingCounters(**counts)
