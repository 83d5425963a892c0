"""The command `kilograd train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilograd.cli.options import (
    DeviceOption,
    FreshHeadOption,
    InputRangeOption,
    JsonOption,
    ModelArgument,
    ReportOption,
    ResolutionOption,
    SchemeOption,
    SkipBrokenOption,
    SramOption,
    TargetOption,
)
from kilograd.cli.root import console, print_json
from kilograd.cli.sizes import Budgets


def train(
    model: ModelArgument,
    *,
    data: Annotated[
        Path,
        typer.Option(
            help="Learn from a folder of images, sound or motion, or from an .npz pack; see "
            "docs/own-data.md."
        ),
    ],
    scheme: SchemeOption = None,
    device: DeviceOption = "host",
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Pass over the training samples this many times. The default is 1, or 30 where "
            "the classes have 20 samples or fewer.",
            min=1,
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(help="Set the highest learning rate. The default depends on the scheme."),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Let the learning rate follow a cosine or stay constant. The default is cosine."
        ),
    ] = None,
    fresh_head: FreshHeadOption = False,
    input_range: InputRangeOption = None,
    resolution: ResolutionOption = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Set the seed of everything random. The default is 0.", min=0, max=2**32 - 1
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Use at most this many training and this many test samples.", min=1),
    ] = None,
    test_limit: Annotated[
        int | None, typer.Option(help="Use at most this many test samples.", min=1)
    ] = None,
    target: TargetOption = "cortex-m7",
    sram: SramOption = None,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Hold back this share of the training samples and be judged by them; the test "
            "samples are not looked at."
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Train this many times, each time judged by another part of the training samples "
            "(k-fold cross-validation).",
            min=2,
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Change images before each step, such as by flip,shift:4,brightness:30: mirrored, "
            "moved by at most 4 pixels, up to 30 of 255 brighter or darker."
        ),
    ] = None,
    report: ReportOption = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Write loss, accuracy, rate and counters of each step to this file."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Keep what was learned in this state file (.kgs), also when Ctrl-C interrupts."
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with the interrupted run that this state file is of."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Let --save and --log replace a file of another kind."),
    ] = False,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream", help="Train online: see each sample once, at a constant learning rate."
        ),
    ] = False,
    new_class: Annotated[
        str | None, typer.Option(help="With --stream, let this class appear only at the change.")
    ] = None,
    drift: Annotated[
        str | None,
        typer.Option(
            help="With --stream, let the samples drift from the change on, such as by "
            "brightness:40 or noise:20, in pixel units."
        ),
    ] = None,
    change_at: Annotated[
        float | None,
        typer.Option(
            help="With --stream, let this share of the samples come before the change. The default "
            "is 0.5."
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            help="With --stream, take this many training steps on each sample, which a firmware "
            "then has to keep. The default is 1.",
            min=1,
        ),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            help="With --stream, let samples come shuffled (the default) or sorted: class after "
            "class, as people show things to a device."
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="With --stream, keep samples and learn from them again: as many as 64KB of SRAM "
            "hold, 20/class, or 64KB,20/class."
        ),
    ] = None,
    consolidate: Annotated[
        int | None,
        typer.Option(
            help="With --memory, take this many steps from kept samples at the end. The default is "
            "one for each sample that came.",
            min=0,
        ),
    ] = None,
    skip_broken: SkipBrokenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train on a device and show what was learned."""
    from kilograd.cli.folds import train_folds  # noqa: PLC0415 - commands start fast
    from kilograd.cli.online import OnlineRequest  # noqa: PLC0415 - commands start fast
    from kilograd.cli.request import Judging, Keeping, TrainRequest  # noqa: PLC0415 - commands start fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast
    from kilograd.cli.train import train_model  # noqa: PLC0415 - starts fast

    request = TrainRequest(
        source=ModelSource(model, input_range, resolution),
        scheme=scheme,
        data=data,
        has_fresh_head=fresh_head,
        device=device,
        epochs=epochs,
        lr=lr,
        schedule=schedule,
        seed=seed,
        limit=limit,
        test_limit=limit if test_limit is None else test_limit,
        target=target,
        budgets=Budgets.parse(sram),
        report=report,
        keeping=Keeping(save, resume, force),
        stream=OnlineRequest(
            stream,
            new_class=new_class,
            drift=drift,
            change_at=change_at,
            repeats=repeats,
            epochs=epochs,
            schedule=schedule,
            order=order,
            memory=memory,
            consolidate=consolidate,
        ),
        skips_broken=skip_broken,
        shows_data=not as_json,
        judging=Judging(validation, folds),
        augment=augment,
        log=log,
    )
    request.check(has_test_limit=test_limit is not None)
    result = train_model(console, request) if folds is None else train_folds(console, request)
    if as_json:
        print_json(result)
