"""What `kilograd train` learned goes to a state file, also when it is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from kilograd.cli.request import Keeping
from kilograd.cli.setup import Setup
from kilograd.data import pack_digest
from kilograd.errors import UserError
from kilograd.ir import LabelKind
from kilograd.ops.spec import TrainingCounters
from kilograd.training.anomalies import Detection
from kilograd.training.run import TrainingRun
from kilograd.training.run_log import is_run_log
from kilograd.training.state_file import History, Origin, SavedState, is_state_file
from kilograd.training.unfinished import Interrupted

#: Said of a run that could have been kept.
HOW_TO_KEEP = "--save FILE keeps it"


def check_replaceable(keeping: Keeping) -> None:
    """Refuse to write a state over a file that is none.

    Raises:
        UserError: there is such a file.
    """
    if keeping.path is not None and not keeping.may_replace:
        refuse_foreign(keeping.path, is_state_file, "state file")


def refuse_foreign(path: Path, is_own: Callable[[Path], bool], kind: str) -> None:
    """Refuse to write over a file of another kind.

    Args:
        path: of the file that will be written.
        is_own: whether a file that is there is of the kind.
        kind: of the file, for the message.

    Raises:
        UserError: there is a file, and it is of another kind.
    """
    if not path.exists() or is_own(path):
        return
    raise UserError(
        f"this file exists and is no {kind} of kilograd",
        where=str(path),
        hint="name a new file, or replace it with --force",
    )


def check_log(path: Path | None, *, may_replace: bool) -> None:
    """Refuse to write a log over a file that is none.

    Raises:
        UserError: there is such a file.
    """
    if path is not None and not may_replace:
        refuse_foreign(path, is_run_log, "run log")


@dataclass(frozen=True)
class Keeper:
    """Writes what a run learned.

    Attributes:
        path: the file.
        setup: of the run.
        device: its name.
    """

    path: Path
    setup: Setup
    device: str

    def finished(self, console: Console, run: TrainingRun) -> None:
        """After a whole run."""
        result = run.result
        after = result.after
        threshold = after.threshold if isinstance(after, Detection) else None
        counters = run.counters.training
        self._write(result.state, result.steps, result.steps, counters, None, threshold)
        console.print(f"state: {self.path}", markup=False, highlight=False, soft_wrap=True)

    def interrupted(self, console: Console, run: Interrupted) -> None:
        """After a part of one."""
        left = run.unfinished
        counters = TrainingCounters() if left is None else left.counters
        self._write(run.state, run.steps, run.total, counters, run)
        text = f"what was learned is in {self.path}"
        if left is not None:
            text += f"; the same command with --resume {self.path} goes on"
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _write(
        self,
        state: bytes,
        steps: int,
        total: int,
        counters: TrainingCounters,
        interrupted: Interrupted | None,
        threshold: int | None = None,
    ) -> None:
        setup = self.setup
        program, dataset = setup.program, setup.dataset
        graph = program.request.graph
        is_anomaly = graph.label_kind is LabelKind.ANOMALY
        height, width, _ = graph.inputs[0].type.shape
        origin = Origin(
            graph.name,
            program.model_id,
            setup.has_own_head,
            # Kinds of anomalies are nothing that a network knows.
            dataset.class_names[:1] if is_anomaly else dataset.class_names,
            graph.label_kind,
            graph.value_range,
            program.scheme,
            (height, width),
            graph.pixel_range,
        )
        history = History(
            dataset.name,
            pack_digest(dataset),
            setup.limits,
            setup.options,
            setup.stream is not None,
            self.device,
            steps,
            total,
            counters,
            setup.validation,
            str(setup.augmentation or ""),
        )
        left = None if interrupted is None else interrupted.unfinished
        SavedState(origin, state, history, left, threshold=threshold).write(self.path)


def say_interrupted(
    console: Console, run: Interrupted, keeper: Keeper | None, how_to_keep: str
) -> None:
    """Tell how far a run came, and keep what it learned if that was asked for.

    Args:
        console: to tell it on.
        run: that stopped.
        keeper: writes what was learned; None to let it go.
        how_to_keep: said where nothing is kept; empty where nothing can be.
    """
    console.print(
        f"The training was interrupted after {run.steps} of {run.total} steps.",
        style="yellow",
        markup=False,
        highlight=False,
    )
    if keeper is not None:
        keeper.interrupted(console, run)
    else:
        hint = f"; {how_to_keep}" if how_to_keep else ""
        console.print(f"Nothing of it was kept{hint}.", markup=False)
