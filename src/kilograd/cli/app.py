"""The command line: one subcommand for each stage, without any logic.

A query's answer goes to standard output, as text or with ``--json`` as one JSON object; so does
what other commands say with ``--json``. Progress, and what is told of work that is done, goes to
standard error. The exit code is 0 when the command is done, 2 when the input is wrong or cannot
fit, and 1 after a fault of kilograd itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kilograd.cli.learned_commands import evaluate, export, predict
from kilograd.cli.options import (
    ClassesOption,
    CompilerOption,
    FlashOption,
    InputRangeOption,
    JsonOption,
    KeepHeadOption,
    LabelSetsOption,
    MemoryOption,
    ModelArgument,
    RecomputeOption,
    ResolutionOption,
    RowInputOption,
    SchemeOption,
    SeedOption,
    SramOption,
    StateOption,
    TargetOption,
    ValuesOption,
)
from kilograd.cli.quantize_command import quantize
from kilograd.cli.root import app, console, print_json, progress, results
from kilograd.cli.search_command import search
from kilograd.cli.sizes import Budgets
from kilograd.cli.train_command import train
from kilograd.errors import KilogradError


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
        print_json(result)


@app.command()
def inspect(
    model: ModelArgument,
    *,
    classes: Annotated[
        int | None, typer.Option(help="Show a new head with this many classes.", min=2)
    ] = None,
    resolution: ResolutionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a model's layers, which of them can be trained, and what that costs."""
    from kilograd.cli.inspect import inspect_model  # noqa: PLC0415 - commands start fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast

    source = ModelSource(model, resolution=resolution)
    result = inspect_model(results(as_json=as_json), source, classes)
    if as_json:
        print_json(result)


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
        print_json({"name": name, "path": str(path)})


@app.command()
def cache(
    *,
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove everything that is made again when needed.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Remove checkpoints, searches' runs and what experiments keep as well."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what kilograd keeps on this computer, and clear it."""
    from kilograd.cli.cache import show_cache  # noqa: PLC0415 - commands start fast

    result = show_cache(console, results(as_json=as_json), clear=clear, everything=everything)
    if as_json:
        print_json(result)


@app.command(name="compile")
def compile_command(
    model: ModelArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the C to this folder, or .zip file.")
    ],
    is_archive: Annotated[
        bool,
        typer.Option("--zip", help="Write a .zip file, as Arduino's IDE takes libraries."),
    ] = False,
    state: StateOption = None,
    scheme: SchemeOption = None,
    classes: ClassesOption = None,
    keep_head: KeepHeadOption = False,
    row_input: RowInputOption = False,
    recompute: RecomputeOption = 5,
    label_sets: LabelSetsOption = False,
    values: ValuesOption = None,
    target: TargetOption = "portable",
    prefix: Annotated[
        str,
        typer.Option(
            help="Let every file and symbol begin with this word, so that one firmware can hold "
            "several models."
        ),
    ] = "kg",
    input_range: InputRangeOption = None,
    resolution: ResolutionOption = None,
    class_names: Annotated[
        str | None,
        typer.Option(
            help="Put the names of the classes into the C, separated by commas, in the order of "
            "the labels; --classes is then their number."
        ),
    ] = None,
    sram: SramOption = None,
    flash: FlashOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a training step as self-contained C: a library for boards, with examples."""
    from kilograd.cli.compile import LearnedModel, NamedModel, Output, write_sources  # noqa: PLC0415 - commands start fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast

    chosen = Output(output, prefix, class_names, is_archive)
    named_count = classes if class_names is None else len(chosen.names())
    source = ModelSource(model, input_range, resolution).with_labels(values, are_sets=label_sets)
    count = source.classes(named_count, keeps_head=keep_head)
    named = NamedModel(source, scheme, count, row_input, recompute / 100)
    if state is not None:
        named = LearnedModel(source, state, row_input, recompute / 100)
        origin = named.saved.origin
        named.refuse(
            ("--scheme", scheme, None, origin.scheme.name),
            ("--classes", classes, None, len(origin.class_names)),
            ("--keep-head", keep_head, False, origin.has_own_head),
            ("--label-sets", label_sets, False, origin.has_label_sets),
            ("--values", values and source.value_range, None, origin.stated_values),
        )
    result = write_sources(console, named, target, chosen, Budgets.parse(sram, flash))
    if as_json:
        print_json(result)


@app.command()
def verify(
    model: ModelArgument,
    *,
    scheme: SchemeOption = None,
    classes: ClassesOption = None,
    keep_head: KeepHeadOption = False,
    resolution: ResolutionOption = None,
    row_input: RowInputOption = False,
    recompute: RecomputeOption = 5,
    label_sets: LabelSetsOption = False,
    values: ValuesOption = None,
    steps: Annotated[int, typer.Option(help="Compare this many training steps.", min=1)] = 5,
    devices: Annotated[
        str | None,
        typer.Option(
            help="Compare these devices, separated by commas: names as for train's --device. "
            "The default is reference,host,unicorn.",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare this one with the reference and the host, or with --devices, such as "
            "serial:PORT[@BAUD] for a board; may be given several times."
        ),
    ] = None,
    target: TargetOption = "cortex-m7",
    memory: MemoryOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train the same steps on several devices and compare every bit."""
    from kilograd.cli.compile import NamedModel  # noqa: PLC0415 - commands start fast
    from kilograd.cli.memory import MemoryRequest  # noqa: PLC0415 - commands start fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast
    from kilograd.cli.verify import verify_model  # noqa: PLC0415 - commands start fast

    source = ModelSource(model, resolution=resolution).with_labels(values, are_sets=label_sets)
    count = source.classes(classes, keeps_head=keep_head)
    kept = MemoryRequest.parse(memory)
    named = NamedModel(source, scheme, count, row_input, recompute / 100, kept)
    shown = progress(as_json=as_json), results(as_json=as_json)
    result = verify_model(*shown, named, steps, devices, device or [], target, seed)
    if as_json:
        print_json(result)
    if not result["identical"]:
        raise KilogradError(
            f"the devices differ from step {result['first_difference']} on; please report it"
        )


@app.command()
def measure(
    model: ModelArgument,
    *,
    scheme: SchemeOption = None,
    classes: ClassesOption = None,
    keep_head: KeepHeadOption = False,
    resolution: ResolutionOption = None,
    row_input: RowInputOption = False,
    recompute: RecomputeOption = 5,
    label_sets: LabelSetsOption = False,
    values: ValuesOption = None,
    target: TargetOption = "cortex-m7",
    compiler: CompilerOption = "zig",
    sram: SramOption = None,
    flash: FlashOption = None,
    memory: MemoryOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Time an inference and a training step on this board as well, by its own clock: "
            "serial:PORT[@BAUD]. What it has learned is put back."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the SRAM, flash and instructions of an emulated inference and training step."""
    from kilograd.cli.compile import NamedModel  # noqa: PLC0415 - commands start fast
    from kilograd.cli.measure import measure_model  # noqa: PLC0415 - commands start fast
    from kilograd.cli.memory import MemoryRequest  # noqa: PLC0415 - commands start fast
    from kilograd.cli.source import ModelSource  # noqa: PLC0415 - commands start fast

    source = ModelSource(model, resolution=resolution).with_labels(values, are_sets=label_sets)
    count = source.classes(classes, keeps_head=keep_head)
    kept = MemoryRequest.parse(memory)
    named = NamedModel(source, scheme, count, row_input, recompute / 100, kept)
    result = measure_model(
        results(as_json=as_json), named, target, compiler, Budgets.parse(sram, flash), device
    )
    if as_json:
        print_json(result)


@app.command()
def targets(*, as_json: JsonOption = False) -> None:
    """List the machines that kilograd writes C for."""
    from kilograd.cli.targets import list_targets  # noqa: PLC0415 - commands start fast

    result = list_targets(results(as_json=as_json))
    if as_json:
        print_json(result)


app.command()(evaluate)
app.command()(export)
app.command()(predict)
app.command()(quantize)
app.command()(search)
app.command()(train)
