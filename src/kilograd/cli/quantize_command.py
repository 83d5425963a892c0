"""The command `kilograd quantize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilograd.cli.options import JsonOption
from kilograd.cli.root import console, print_json


def quantize(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Quantize this float network, an .onnx file.")
    ],
    *,
    calibration: Annotated[
        Path,
        typer.Option(
            help="Take the ranges of the maps from these samples: a folder of images, or an .npz "
            "pack."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the int8 network to this .onnx file.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Compare the accuracy before and after on the test samples of this dataset. The "
            "default is that of --calibration."
        ),
    ] = None,
    input_range: Annotated[
        str | None,
        typer.Option(
            help="Say which two numbers the darkest and the brightest pixel of an image were when "
            "the network was trained, or two for each channel. The default is -1,1."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(help="Calibrate with at most this many samples.", min=1)
    ] = 200,
    test_limit: Annotated[
        int, typer.Option(help="Compare on at most this many samples.", min=1)
    ] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Make an int8 network of a float ONNX network."""
    from kilograd.cli.quantize import QuantizeRequest, quantize_model  # noqa: PLC0415 - commands start fast

    request = QuantizeRequest(model, calibration, output, data, input_range, limit, test_limit)
    result = quantize_model(console, request)
    if as_json:
        print_json(result)
