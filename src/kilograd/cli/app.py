"""The command line: one subcommand for each stage, without any logic.

Every command prints for people on standard error, and with ``--json`` one JSON object on standard
output. The exit code is 0 when the command is done, 2 when the input is wrong or cannot fit, and 1
after a fault of kilograd itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from kilograd import __version__
from kilograd.cli.options import (
    CalibrationLimitOption,
    CalibrationOption,
    ChangeAtOption,
    ClassesOption,
    ClassNamesOption,
    ComparedDataOption,
    CompilerOption,
    DeviceOption,
    DriftOption,
    FlashOption,
    InputRangeOption,
    JsonOption,
    KeepHeadOption,
    ModelArgument,
    NewClassOption,
    OnlineOption,
    ParetoOption,
    PrefixOption,
    RecomputeOption,
    RepeatsOption,
    ReportOption,
    RowInputOption,
    SchemeOption,
    SeedOption,
    SramOption,
    TargetOption,
)
from kilograd.cli.sizes import Budgets
from kilograd.errors import KilogradError

app = typer.Typer(
    name="kilograd",
    help="Train int8 networks inside a microcontroller.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
console = Console(stderr=True)


def _print_json(contents: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(contents) + "\n")


def _version(value: bool) -> None:  # noqa: FBT001 - typer's callback
    if value:
        sys.stdout.write(f"kilograd {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command()
def demo(
    *,
    output: Annotated[Path, typer.Option(help="Write the report to this file.")] = Path(
        "report.html"
    ),
    epochs: Annotated[int, typer.Option(help="Pass over the crops this many times.", min=1)] = 3,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Teach an emulated Cortex-M7 to tell faces from everything else."""
    from kilograd.cli.demo import run_demo  # noqa: PLC0415 - commands start fast

    result = run_demo(console, report=output, epochs=epochs, seed=seed)
    if as_json:
        _print_json(result)


@app.command()
def inspect(
    model: ModelArgument,
    *,
    classes: Annotated[
        int | None, typer.Option(help="Show a new head with this many classes.", min=2)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List a model's layers with their shapes, parameters and multiply-accumulates."""
    from kilograd.cli.inspect import inspect_model  # noqa: PLC0415 - commands start fast

    result = inspect_model(console, model, classes)
    if as_json:
        _print_json(result)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Download the published checkpoint of this name.")],
    *,
    destination: Annotated[
        Path | None, typer.Option(help="Store it in this folder. The default is the cache.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Download a published checkpoint and check its SHA-256."""
    from kilograd.frontend.fetch import fetch_model  # noqa: PLC0415 - commands start fast

    path = fetch_model(name, destination)
    console.print(f"{name}: {path}", markup=False, highlight=False)
    if as_json:
        _print_json({"name": name, "path": str(path)})


@app.command()
def quantize(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Quantize this float network, an .onnx file.")
    ],
    *,
    calibration: CalibrationOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the int8 network to this .onnx file.")
    ],
    data: ComparedDataOption = None,
    input_range: InputRangeOption = "-1,1",
    limit: CalibrationLimitOption = 200,
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
        _print_json(result)


@app.command(name="compile")
def compile_command(
    model: ModelArgument,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the C to this folder.")],
    scheme: SchemeOption = "head",
    classes: ClassesOption = 10,
    keep_head: KeepHeadOption = False,
    row_input: RowInputOption = False,
    recompute: RecomputeOption = 5,
    target: TargetOption = "portable",
    prefix: PrefixOption = "kg",
    class_names: ClassNamesOption = None,
    sram: SramOption = None,
    flash: FlashOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a training step as self-contained C, with an example, a README and a build file."""
    from kilograd.cli.compile import NamedModel, Output, write_sources  # noqa: PLC0415 - commands start fast

    chosen = Output(output, prefix, class_names)
    count = None if keep_head else classes if class_names is None else len(chosen.names())
    named = NamedModel(model, scheme, count, row_input, recompute / 100)
    result = write_sources(console, named, target, chosen, Budgets.parse(sram, flash))
    if as_json:
        _print_json(result)


@app.command()
def verify(
    model: ModelArgument,
    *,
    scheme: SchemeOption = "head",
    classes: ClassesOption = 10,
    keep_head: KeepHeadOption = False,
    row_input: RowInputOption = False,
    recompute: RecomputeOption = 5,
    steps: Annotated[int, typer.Option(help="Compare this many training steps.", min=1)] = 5,
    devices: Annotated[
        str, typer.Option(help="Compare these devices, separated by commas.")
    ] = "reference,host,unicorn",
    target: TargetOption = "cortex-m7",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train the same steps on several devices and compare every bit."""
    from kilograd.cli.compile import NamedModel  # noqa: PLC0415 - commands start fast
    from kilograd.cli.verify import verify_model  # noqa: PLC0415 - commands start fast

    named = NamedModel(model, scheme, None if keep_head else classes, row_input, recompute / 100)
    result = verify_model(console, named, steps, devices, target, seed)
    if as_json:
        _print_json(result)
    if not result["identical"]:
        raise KilogradError(
            f"the devices differ from step {result['first_difference']} on; please report it"
        )


@app.command()
def measure(
    model: ModelArgument,
    *,
    scheme: SchemeOption = "head",
    classes: ClassesOption = 10,
    keep_head: KeepHeadOption = False,
    row_input: RowInputOption = False,
    recompute: RecomputeOption = 5,
    target: TargetOption = "cortex-m7",
    compiler: CompilerOption = "zig",
    sram: SramOption = None,
    flash: FlashOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the SRAM, flash and instructions of an emulated inference and training step."""
    from kilograd.cli.compile import NamedModel  # noqa: PLC0415 - commands start fast
    from kilograd.cli.measure import measure_model  # noqa: PLC0415 - commands start fast

    named = NamedModel(model, scheme, None if keep_head else classes, row_input, recompute / 100)
    result = measure_model(console, named, target, compiler, Budgets.parse(sram, flash))
    if as_json:
        _print_json(result)


@app.command()
def search(
    model: ModelArgument,
    *,
    data: Annotated[
        list[Path],
        typer.Option(
            help="Choose for this folder of images or WAV files, or this .npz pack. Name several "
            "for one scheme that suits all of them."
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
    seed: SeedOption = 0,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find which weights should learn: the best scheme within a budget, for your data."""
    from kilograd.cli.search import SearchRequest, search_model  # noqa: PLC0415 - commands start fast

    result = search_model(
        console,
        SearchRequest(
            model=model,
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
        ),
    )
    if as_json:
        _print_json(result)


@app.command()
def train(
    model: ModelArgument,
    *,
    data: Annotated[
        Path,
        typer.Option(help="Learn from a folder of images or WAV files, or from an .npz pack."),
    ],
    scheme: SchemeOption = "head",
    device: DeviceOption = "host",
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Pass over the training samples this many times. The default is 1.", min=1
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
    seed: SeedOption = 0,
    limit: Annotated[
        int | None,
        typer.Option(help="Use at most this many training and this many test samples.", min=1),
    ] = None,
    test_limit: Annotated[
        int | None, typer.Option(help="Use at most this many test samples.", min=1)
    ] = None,
    target: TargetOption = "cortex-m7",
    sram: SramOption = None,
    report: ReportOption = None,
    save: Annotated[Path | None, typer.Option(help="Write the trained state to this file.")] = None,
    stream: OnlineOption = False,
    new_class: NewClassOption = None,
    drift: DriftOption = None,
    change_at: ChangeAtOption = None,
    repeats: RepeatsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on a device and show what was learned."""
    from kilograd.cli.online import OnlineRequest  # noqa: PLC0415 - commands start fast
    from kilograd.cli.train import TrainRequest, train_model  # noqa: PLC0415 - starts fast
    from kilograd.training.loop import DEFAULT_RATE, TrainingOptions  # noqa: PLC0415 - commands start fast

    request = TrainRequest(
        model=model,
        scheme=scheme,
        data=data,
        device=device,
        options=TrainingOptions(
            1 if epochs is None else epochs,
            DEFAULT_RATE if lr is None else lr,
            "cosine" if schedule is None else schedule,
            seed,
        ),
        has_rate=lr is not None,
        limit=limit,
        test_limit=limit if test_limit is None else test_limit,
        target=target,
        budgets=Budgets.parse(sram),
        report=report,
        save=save,
        stream=OnlineRequest(stream, new_class, drift, change_at, repeats, epochs, schedule),
    )
    result = train_model(console, request)
    if as_json:
        _print_json(result)
