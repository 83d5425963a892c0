"""The command `kilograd search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilograd.cli.options import (
    InputRangeOption,
    JsonOption,
    ModelArgument,
    ParetoOption,
    RecomputeOption,
    ReportOption,
    ResolutionOption,
    RowInputOption,
    SeedOption,
    SkipBrokenOption,
    TargetOption,
)
from kilograd.cli.root import console, print_json


def search(
    model: ModelArgument,
    *,
    data: Annotated[
        list[Path],
        typer.Option(
            help="Choose for this folder of images, sound or motion, or this .npz pack. Name "
            "several for one scheme that suits all of them."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Write the scheme to this file; with --pareto, to this folder."
        ),
    ],
    sram: Annotated[
        str | None,
        typer.Option(
            help="Find a scheme that takes at most this much SRAM, such as 128KB. The default is "
            "all that the target has."
        ),
    ] = None,
    pareto: ParetoOption = None,
    instructions: Annotated[
        str | None,
        typer.Option(help="Let a training step take at most this many instructions, such as 60M."),
    ] = None,
    flash: Annotated[
        str | None, typer.Option(help="Let the firmware take at most this much flash.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="Tell what each part of the network is worth by many short training runs "
            "(measured), or in a minute from its gradients (fisher)."
        ),
    ] = "measured",
    row_input: RowInputOption = False,
    recompute: RecomputeOption = 5,
    target: TargetOption = "cortex-m7",
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Make the runs on this cluster, dask://host:port or ray://host:port. The default "
            "is this computer, on all cores."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Use at most this many training samples.", min=1)
    ] = None,
    skip_broken: SkipBrokenOption = False,
    input_range: InputRangeOption = None,
    resolution: ResolutionOption = None,
    seed: SeedOption = 0,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find which weights should learn: the best scheme within a budget, for your data."""
    from kilograd.cli.search import SearchRequest, search_model  # noqa: PLC0415 - commands start fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast

    result = search_model(
        console,
        SearchRequest(
            source=ModelSource(model, input_range, resolution),
            data=data,
            output=output,
            sram=sram,
            flash=flash,
            instructions=instructions,
            pareto=pareto,
            row_input=row_input,
            recompute=recompute / 100,
            target=target,
            method=method,
            cluster=cluster,
            seed=seed,
            limit=limit,
            report=report,
            skips_broken=skip_broken,
        ),
    )
    if as_json:
        print_json(result)
