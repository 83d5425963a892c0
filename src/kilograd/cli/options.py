"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Use this model: a name, or a .tflite, .onnx, .npz or .pkl file."
    ),
]
SchemeOption = Annotated[
    str,
    typer.Option(
        help="Train what this update scheme names: head, bias:K, last:K, full, a published scheme "
        "or a scheme file."
    ),
]
ClassesOption = Annotated[int, typer.Option(help="Give the new head this many classes.", min=2)]
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
        help="Train on this device: reference, host, unicorn, qemu, or the name of a target to "
        "emulate."
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        help="Seed the order of the samples and the stochastic rounding.", min=0, max=2**32 - 1
    ),
]
CalibrationOption = Annotated[
    Path,
    typer.Option(
        help="Take the ranges of the maps from these samples: a folder of images, or an .npz pack."
    ),
]
CalibrationLimitOption = Annotated[
    int, typer.Option(help="Calibrate with at most this many samples.", min=1)
]
ComparedDataOption = Annotated[
    Path | None,
    typer.Option(
        help="Compare the accuracy before and after on the test samples of this dataset. The "
        "default is that of --calibration."
    ),
]
InputRangeOption = Annotated[
    str,
    typer.Option(
        help="Say which two numbers the darkest and the brightest pixel of an image were when the "
        "network was trained, or two for each channel. Where they are not -1,1, the result begins "
        "with a layer that makes them."
    ),
]
OnlineOption = Annotated[
    bool,
    typer.Option(
        "--stream", help="Train online: see each sample once, at a constant learning rate."
    ),
]
NewClassOption = Annotated[
    str | None, typer.Option(help="With --stream, let this class appear only at the change.")
]
DriftOption = Annotated[
    str | None,
    typer.Option(
        help="With --stream, let the samples drift from the change on, such as by "
        "brightness:40 or noise:20, in pixel units."
    ),
]
ChangeAtOption = Annotated[
    float | None,
    typer.Option(
        help="With --stream, let this share of the samples come before the change. The default "
        "is 0.5."
    ),
]
RepeatsOption = Annotated[
    int | None,
    typer.Option(
        help="With --stream, take this many training steps on each sample, which a firmware "
        "then has to keep. The default is 1.",
        min=1,
    ),
]
PrefixOption = Annotated[
    str,
    typer.Option(
        help="Let every file and symbol begin with this word, so that one firmware can hold "
        "several models."
    ),
]
ClassNamesOption = Annotated[
    str | None,
    typer.Option(
        help="Put the names of the classes into the C, separated by commas, in the order of "
        "the labels; --classes is then their number."
    ),
]
