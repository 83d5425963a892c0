"""The commands that use what was learned: `kilograd predict`, `evaluate` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilograd.cli.options import (
    DeviceOption,
    InputRangeOption,
    JsonOption,
    ModelArgument,
    ResolutionOption,
    SkipBrokenOption,
    TargetOption,
)
from kilograd.cli.root import print_json, progress, results

LearnedOption = Annotated[
    Path | None,
    typer.Option(
        help="Use what was learned in this state file (.kgs); without it, the model as it came."
    ),
]


def evaluate(
    model: ModelArgument,
    *,
    state: Annotated[Path, typer.Option(help="Use what was learned in this state file (.kgs).")],
    data: Annotated[
        Path, typer.Option(help="Test on the test samples of this folder or .npz pack.")
    ],
    uses_all: Annotated[
        bool, typer.Option("--all", help="Test on the training samples as well.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Use at most this many samples.", min=1)] = None,
    skip_broken: SkipBrokenOption = False,
    device: DeviceOption = "host",
    target: TargetOption = "cortex-m7",
    input_range: InputRangeOption = None,
    resolution: ResolutionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test what was learned on labelled samples."""
    from kilograd.cli.evaluate import EvaluateRequest, evaluate_model  # noqa: PLC0415 - starts fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast

    source = ModelSource(model, input_range, resolution)
    request = EvaluateRequest(source, state, data, device, limit, uses_all, target, skip_broken)
    result = evaluate_model(progress(as_json=as_json), results(as_json=as_json), request)
    if as_json:
        print_json(result)


def predict(
    model: ModelArgument,
    files: Annotated[
        list[Path],
        typer.Argument(help="Predict these images or recordings; folders are searched for them."),
    ],
    *,
    state: LearnedOption = None,
    top: Annotated[int, typer.Option(help="Show this many of the likeliest classes.", min=1)] = 3,
    device: DeviceOption = "host",
    target: TargetOption = "cortex-m7",
    input_range: InputRangeOption = None,
    resolution: ResolutionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what images or recordings show."""
    from kilograd.cli.predict import PredictRequest, predict_files  # noqa: PLC0415 - starts fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast

    source = ModelSource(model, input_range, resolution)
    request = PredictRequest(source, tuple(files), state, top, device, target)
    result = predict_files(progress(as_json=as_json), results(as_json=as_json), request)
    if as_json:
        print_json(result)


def export(
    model: ModelArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the weights to this .npz file.")
    ],
    state: LearnedOption = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace the output even where it holds no weights of kilograd."
        ),
    ] = False,
    input_range: InputRangeOption = None,
    resolution: ResolutionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model's weights to a file that NumPy and PyTorch read."""
    from kilograd.cli.export import ExportRequest, export_network  # noqa: PLC0415 - starts fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast

    source = ModelSource(model, input_range, resolution)
    result = export_network(results(as_json=as_json), ExportRequest(source, state, output, force))
    if as_json:
        print_json(result)
