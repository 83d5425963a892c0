"""What `kilograd train` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kilograd.cli.online import OnlineRequest
from kilograd.cli.sizes import Budgets
from kilograd.cli.source import ModelSource
from kilograd.errors import UserError
from kilograd.training.loop import TrainingOptions


@dataclass(frozen=True)
class Keeping:
    """Where what was learned is kept, and where it comes from.

    Attributes:
        save: the file that it is written to; None for none.
        resume: of an unfinished run that is gone on with; None for a new run.
        may_replace: whether ``save`` may be a file of another kind.
    """

    save: Path | None = None
    resume: Path | None = None
    may_replace: bool = False

    @property
    def path(self) -> Path | None:
        """Where it is kept: a resumed run's file again, unless another is named."""
        return self.resume if self.save is None else self.save


@dataclass(frozen=True)
class Judging:
    """Which samples a run is judged by; the test samples where nothing is said.

    Attributes:
        validation: this share of the training samples; they are held back.
        folds: each of so many parts of the training samples in turn.
    """

    validation: float | None = None
    folds: int | None = None

    @property
    def uses_test_samples(self) -> bool:
        """Whether the test samples are looked at."""
        return self.validation is None and self.folds is None


@dataclass(frozen=True)
class TrainRequest:
    """What to train on what; see the command's options.

    Attributes:
        source: of the model.
        scheme: what is trained; None for the head, or for what a resumed run trained.
        data: a folder or a pack.
        has_fresh_head: whether the model's own head is replaced in any case.
        device: name of a device.
        epochs: None for the default; so are ``lr``, ``schedule`` and ``seed``.
        lr: highest learning rate.
        schedule: of the learning rate.
        seed: of everything random.
        limit: most training samples.
        test_limit: most test samples.
        target: name of a target.
        budgets: that its firmware keeps within.
        report: an HTML file.
        keeping: of what was learned.
        stream: what the stream is like.
        skips_broken: whether samples that cannot be read are left out.
        shows_data: whether the user is told what is used of each class.
        judging: which samples it is judged by.
        augment: what is done to training samples; None for nothing.
        log: a file that gets a line a step.
    """

    source: ModelSource
    scheme: str | None
    data: Path
    has_fresh_head: bool
    device: str
    epochs: int | None
    lr: float | None
    schedule: str | None
    seed: int | None
    limit: int | None
    test_limit: int | None
    target: str
    budgets: Budgets
    report: Path | None
    keeping: Keeping
    stream: OnlineRequest
    skips_broken: bool = False
    shows_data: bool = True
    judging: Judging = Judging()
    augment: str | None = None
    log: Path | None = None

    def check(self, *, has_test_limit: bool) -> None:
        """Refuse options that do not go together.

        Args:
            has_test_limit: whether the number of test samples was limited by itself.

        Raises:
            UserError: which do not, and why.
        """
        if self.stream.is_asked_for and self.augment is not None:
            raise UserError(
                "a stream's samples are learned as they come",
                where="--augment",
                hint="leave out --augment or --stream",
            )
        if has_test_limit and not self.judging.uses_test_samples:
            option = "--folds" if self.judging.validation is None else "--validation"
            raise UserError(
                f"with {option} no test sample is looked at",
                where="--test-limit",
                hint="leave out --test-limit; --limit bounds the training samples",
            )
        if self.judging.folds is None:
            return
        given = {
            "--validation": self.judging.validation,
            "--stream": self.stream.is_asked_for or None,
            "--save": self.keeping.save,
            "--resume": self.keeping.resume,
            "--log": self.log,
            "--report": self.report,
        }
        for option, value in given.items():
            if value is not None:
                raise UserError(
                    "folds are several runs, of which none is kept or shown by itself",
                    where=option,
                    hint=f"leave out {option} or --folds",
                )

    def options(self, rate: float) -> TrainingOptions:
        """How a new run trains.

        Args:
            rate: where none was asked for.
        """
        return TrainingOptions(
            1 if self.epochs is None else self.epochs,
            rate if self.lr is None else self.lr,
            "cosine" if self.schedule is None else self.schedule,
            self.seed or 0,
        )
