"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Use this model: a name, a .tflite, .onnx, .npz or .pkl file, or C source that holds "
        "a .tflite file.",
    ),
]
SchemeOption = Annotated[
    str | None,
    typer.Option(
        help="Train what this update scheme names: head (the default; full for an untrained "
        "autoencoder), bias:K, last:K, full, a published scheme or a scheme file."
    ),
]
ClassesOption = Annotated[
    int | None,
    typer.Option(
        help="Give the new head this many classes. The default is 10; a model that makes its "
        "samples again keeps its own.",
        min=2,
    ),
]
RecomputeOption = Annotated[
    float,
    typer.Option(
        help="Do at most this percentage of a training step's multiply-accumulates twice to lower "
        "the peak of memory.",
        min=0,
        max=100,
    ),
]
RowInputOption = Annotated[
    bool,
    typer.Option("--stream-input", help="Take images in rows, so that none is ever whole in SRAM."),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        help="Keep samples and learn from them again: as many as 64KB of SRAM hold, 20/class, or "
        "64KB,20/class."
    ),
]
KeepHeadOption = Annotated[
    bool, typer.Option("--keep-head", help="Start from the model's own head instead of a new one.")
]
TargetOption = Annotated[
    str,
    typer.Option(help="Compile for this target: a name, or the path of a target's .toml file."),
]
CompilerOption = Annotated[
    str, typer.Option(help="Build with zig, which comes with kilograd, or with gcc.")
]
ParetoOption = Annotated[
    str | None,
    typer.Option(help="Find a scheme for each of several budgets, such as 48KB..256KB."),
]
InputRangeOption = Annotated[
    str | None,
    typer.Option(
        "--input-range",
        help="Let the darkest and the brightest pixel stand for these numbers, such as 0,1 or "
        "-1,1; give two for each channel where they differ. The default is what the model says, or "
        "the ends of what its input can hold.",
    ),
]
ResolutionOption = Annotated[
    str | None,
    typer.Option(
        help="Read samples of this height and width, such as 96 or 96x128; networks that end in an "
        "average over the whole map can. The default is what the model was made for."
    ),
]
FreshHeadOption = Annotated[
    bool,
    typer.Option(
        "--fresh-head",
        help="Start with a new last layer even where the model's own has as many classes.",
    ),
]
LabelSetsOption = Annotated[
    bool,
    typer.Option(
        "--label-sets",
        help="Let a sample have several classes at once, or none; a label is then a set of them.",
    ),
]
ValuesOption = Annotated[
    str | None,
    typer.Option(
        help="Let a new last layer estimate a value; give the lowest and the highest that is "
        "expected, such as 0,100."
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        help="Begin with what was learned in this state file, with its scheme and its classes."
    ),
]
SkipBrokenOption = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out samples that cannot be read.")
]
ReportOption = Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output.")
]
SramOption = Annotated[
    str | None,
    typer.Option(
        help="Refuse what needs more SRAM than this, such as 256KB or 262144. The default is all "
        "that the target has."
    ),
]
FlashOption = Annotated[
    str | None,
    typer.Option(
        help="Refuse what needs more flash than this. The default is all that the target has."
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="Train on this device: reference, host, unicorn, qemu, the name of a target to "
        "emulate, or serial:PORT[@BAUD] for a board."
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        help="Seed the order of the samples and the stochastic rounding.", min=0, max=2**32 - 1
    ),
]
