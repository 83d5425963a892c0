"""The page: one file that needs nothing else, no script, no font, no network."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from kilograd.errors import UserError
from kilograd.ir import Phase
from kilograd.report.analysis import sram_parts
from kilograd.report.confusion import MATRIX_CLASSES, confusion
from kilograd.report.curves import learning_curve, smoothing_window
from kilograd.report.memory_map import legend, memory_map, peak_table
from kilograd.report.network import layer_table, network
from kilograd.report.online import change_table
from kilograd.report.samples import Sample, thumbnails
from kilograd.report.svg import escape, kibibytes, millions, percent
from kilograd.report.waterfall import waterfall
from kilograd.training.online import WINDOW, OnlineResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kilograd.compiler import Program
    from kilograd.measuring.ablation import Planned
    from kilograd.measuring.firmware import Measurement
    from kilograd.training.loop import TrainingResult

_CHANGE_NOTE = (
    ": at the change, right before and (hollow) right after it. Dotted: had the device been frozen "
    "there."
)


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes:
        title: of the page.
        program: compiled.
        measurement: of its firmware; sections that need it are left out without it.
        result: of a run; likewise.
        class_names: by label.
        facts: shown as they are: seed, rate, digest, compiler version.
        samples: int8 [height, width, channels] with captions.
        sram_budget: bytes, if the firmware was held to any.
        optimizations: the step planned with one part of the compiler more at a time; may be empty.
    """

    title: str
    program: Program
    measurement: Measurement | None
    result: TrainingResult | None
    class_names: tuple[str, ...]
    facts: Mapping[str, str]
    samples: Sequence[Sample] = ()
    sram_budget: int | None = None
    optimizations: Sequence[Planned] = ()


def write_report(path: Path, report: Report) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the HTML file; its folder must exist.
        report: what to show.

    Raises:
        UserError: when the file cannot be written.
    """
    text = render_report(report)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise UserError(
            f"the report cannot be written: {getattr(error, 'strerror', None) or error}",
            where=str(path),
            hint="name a file in a folder that exists and that you may write to",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def render_report(report: Report) -> str:
    """The page's text: HTML that is well-formed XML too."""
    sections = [
        _tiles(report),
        _memory(report),
        *_training(report),
        _scheme(report),
        _layers(report),
        _facts(report),
    ]
    style = files("kilograd.report").joinpath("report.css").read_text(encoding="utf-8")
    title = escape(report.title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1" />\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<header><h1>{title}</h1><p>{_subtitle(report)}</p></header>\n"
        + "\n".join(sections)
        + "\n</main>\n</body>\n</html>\n"
    )


def _subtitle(report: Report) -> str:
    graph, scheme = report.program.graph, report.program.scheme
    parts = [f"model <b>{escape(graph.name)}</b>", f"scheme <b>{escape(scheme.name)}</b>"]
    if report.measurement is not None:
        parts.append(f"target <b>{escape(report.measurement.target)}</b>")
    return " · ".join(parts)


def _section(title: str, note: str, *content: str) -> str:
    paragraph = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{paragraph}{''.join(content)}</section>"


def _figure(drawing: str) -> str:
    return f'<div class="scroll"><div class="drawing">{drawing}</div></div>'


def _tile(name: str, figure: str, below: str, extra: str = "") -> str:
    return (
        f'<div class="tile"><h3>{escape(name)}</h3><p class="figure">{figure}</p>'
        f'{extra}<p class="below">{escape(below)}</p></div>'
    )


def _tiles(report: Report) -> str:
    tiles: list[str] = []
    result, measurement = report.result, report.measurement
    if result is not None:
        change = result.change if isinstance(result, OnlineResult) else None
        start = result.before if change is None else change.after
        before, after = percent(start.accuracy), percent(result.after.accuracy)
        figure = f'<span class="from">{before} → </span>{after}'
        when = "before → after" if change is None else "right after the change → at the end"
        below = f"{when}, {result.after.count:,} samples"
        tiles.append(_tile("Test accuracy", figure, below))
    tiles.append(_sram_tile(report))
    if measurement is not None:
        tiles += [
            _tile(
                "Flash",
                kibibytes(measurement.flash_bytes),
                f"{measurement.flash_bytes:,} bytes: code, constants, initial state",
            ),
            _tile(
                "Instructions, emulated",
                millions(measurement.instructions_train_step),
                "per training step; inference alone "
                + millions(measurement.instructions_inference),
            ),
        ]
    else:
        program = report.program
        macs = program.macs(Phase.INFERENCE) + program.macs(Phase.TRAINING)
        forward = millions(program.macs(Phase.INFERENCE))
        tiles.append(_tile("MACs", millions(macs), f"per training step; inference alone {forward}"))
    if result is not None:
        below = f"one sample each, {result.seconds:.1f} s on this computer"
        tiles.append(_tile("Training steps", f"{result.steps:,}", below))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _sram_tile(report: Report) -> str:
    total = sum(part.size for part in sram_parts(report.program, report.measurement))
    budget = report.sram_budget
    below = f"{total:,} bytes"
    if report.measurement is None:
        below += " planned: arena and trainable"
    meter = ""
    if budget:
        css = "meter over" if total > budget else "meter"
        share = min(100.0, 100 * total / budget)
        meter = f'<div class="{css}"><i style="width:{share:.1f}%"></i></div>'
        below += f", {percent(total / budget)} of {kibibytes(budget)}"
    return _tile("SRAM", kibibytes(total), below, meter)


def _memory(report: Report) -> str:
    program = report.program
    drawing = memory_map(program, report.measurement, report.sram_budget)
    note = (
        "Left: the whole SRAM. Right: its arena during one training step. Each rectangle is one "
        "buffer: as wide as it lives, as high as it is large, at its address. Point at one for "
        "its name."
    )
    tables = f'<div class="pair">{legend(program)}{peak_table(program)}</div>'
    section = _section("Memory over one training step", note, _figure(drawing), tables)
    return section + _saved(report.optimizations)


def _saved(optimizations: Sequence[Planned]) -> str:
    if not optimizations:
        return ""
    key = (
        '<p class="key"><span><i class="swatch p-trainable"></i>trained state</span>'
        '<span><i class="swatch p-arena"></i>arena</span>'
        '<span><i class="swatch w-saved-key"></i>saved by the part</span></p>'
    )
    note = (
        "The same training step, planned with one part of the compiler more a line; bytes without "
        "the stack and other variables. The results are the same bits in every line."
    )
    again = optimizations[-1].recomputed_macs
    if again:
        note += f" For the last line, {millions(again)} multiply-accumulates are done twice."
    return _section("What the compiler saves", note, key, _figure(waterfall(optimizations)))


def _training(report: Report) -> list[str]:
    sections: list[str] = []
    result = report.result
    if result is not None:
        is_stream = isinstance(result, OnlineResult)
        note = (
            f"Loss: mean of the last {smoothing_window(len(result.losses)):,} samples, band from "
            "10% to 90% of them. Accuracy: each training sample is predicted before it is learned "
            f"from, running mean over {WINDOW if is_stream else 50}; dots are the test set"
            f"{_CHANGE_NOTE if is_stream and result.change is not None else '.'}"
        )
        sections.append(_section("Learning curve", note, _figure(learning_curve(result))))
        if is_stream and result.change is not None:
            sections.append(_change(result, report.class_names))
        note = "Colour: share of the true class. Right of it on the diagonal, wrong elsewhere."
        many = len(result.after.confusion) > MATRIX_CLASSES
        sections.append(
            _section("Confusion", "" if many else note, confusion(result, report.class_names))
        )
    if report.samples:
        note = "As the network sees them: int8, at the model's resolution or smaller."
        sections.append(_section("Samples", note, thumbnails(report.samples)))
    return sections


def _change(result: OnlineResult, class_names: Sequence[str]) -> str:
    note = (
        "Accuracy on test samples: right before the change; right after it, with nothing learned "
        "from it yet; after the last step; and after the last step had the device stayed as it "
        "was before the change."
    )
    table = f'<div class="scroll">{change_table(result, class_names)}</div>'
    return _section(f"The change: {result.change}", note, table)


def _scheme(report: Report) -> str:
    program = report.program
    key = (
        '<p class="key"><span><i class="dot-key frozen"></i>frozen</span>'
        '<span><i class="dot-key bias"></i>bias trained</span>'
        '<span><i class="dot-key weights"></i>weights trained, too</span>'
        '<span><i class="swatch w-trained"></i>trained share of the weights</span>'
        '<span><i class="swatch w-frozen"></i>frozen weights</span></p>'
    )
    note = (
        f"Layers in forward order; arcs are residual connections. Scheme "
        f"<b>{escape(program.scheme.name)}</b> trains the biases of "
        f"{len(program.scheme.biases)} layers and weights of {len(program.scheme.weights)}."
    )
    return _section("What is trained", note, key, _figure(network(program)))


def _layers(report: Report) -> str:
    note = (
        "Trained parameters stand in SRAM, all others in flash. Saved activations and masks wait "
        "in the arena for the backward pass."
    )
    table = f'<div class="scroll">{layer_table(report.program)}</div>'
    return _section("Layers", note, table)


def _facts(report: Report) -> str:
    facts = dict(report.facts)
    if report.measurement is not None:
        facts.setdefault("compiler", report.measurement.compiler_version)
    if report.result is not None:
        facts.setdefault("state SHA-256", report.result.state_digest)
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    return _section("Facts", "", f'<dl class="facts">{items}</dl>')


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
