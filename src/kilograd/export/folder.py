"""Writes a program's C with all that a stranger needs to take it into a firmware."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from kilograd.codegen import model_header
from kilograd.codegen.boundary import has_sample_memory
from kilograd.codegen.c import array
from kilograd.codegen.model_header import SAVED_HEADER_BYTES, has_row_input
from kilograd.codegen.sources import RUNTIME, kernel_sources, read_c
from kilograd.codegen.templating import render
from kilograd.compiler import Program
from kilograd.errors import BudgetError, ToolchainError, UserError
from kilograd.export.boards import boards_for
from kilograd.export.deployment import Deployment, deployment_of
from kilograd.export.library import library_files, library_name
from kilograd.export.prefix import DEFAULT_PREFIX, check_prefix, renamed
from kilograd.features import features_of
from kilograd.files import write_folder, write_zip
from kilograd.ir import LabelKind
from kilograd.measuring.firmware import Measurement, measure
from kilograd.ops.spec import VARIANTS
from kilograd.targets import Target
from kilograd.version import VERSION

_PACKAGE = "kilograd.export"
_WRITER = f"kilograd {VERSION}"

#: Samples that are learned from again, in RAM and in flash.
_SAMPLE_MEMORY = (
    *("kg_memory.c", "kg_memory_ram.c", "kg_memory_flash.c"),
    *("kg_serial_memory.h", "kg_serial_memory.c"),
)

#: What firmwares for measurements and emulated devices do without.
_ONLY_IN_FOLDERS = (
    *("kg_selftest.c", "kg_flash.h", "kg_storage.h", "kg_storage.c"),
    *("kg_serial.h", "kg_serial.c"),
)


def export_c(
    program: Program,
    folder: str | Path,
    *,
    prefix: str = DEFAULT_PREFIX,
    class_names: Sequence[str] = (),
    threshold: int | None = None,
) -> list[str]:
    """Write the sources of a program as a library, with a README and examples.

    The folder is a library for Arduino, PlatformIO, CMake, ESP-IDF, Zephyr and CMSIS-Pack at once.
    One that was written by this before, and not changed since, is replaced.

    Args:
        program: the compiled model.
        folder: where to; it is made.
        prefix: what every name begins with that the linker or the preprocessor sees; another one
            for each model of a firmware.
        class_names: one for each logit; none for "class 0", "class 1", …
        threshold: where normal samples are learned, the error above which others are anomalies.

    Returns:
        The files, relative to the folder.

    Raises:
        UserError: the prefix, the class names or the folder will not do.
    """
    _, texts = _library(program, prefix, class_names, threshold)
    write_folder(Path(folder), texts, written_by=_WRITER)
    return sorted(texts)


def export_zip(
    program: Program,
    path: str | Path,
    *,
    prefix: str = DEFAULT_PREFIX,
    class_names: Sequence[str] = (),
    threshold: int | None = None,
) -> list[str]:
    """Write what `export_c` writes as a .zip archive, as Arduino's IDE takes libraries.

    Its one folder is named like the library. The same program makes the same bytes.

    Args:
        program: the compiled model, for a target that is no PC.
        path: of the archive; one that kilograd wrote is replaced.
        prefix: as of `export_c`.
        class_names: as of `export_c`.
        threshold: likewise.

    Returns:
        The files, relative to the folder in the archive.

    Raises:
        UserError: the target, the prefix, the class names or the path will not do.
    """
    check_archivable(program.target)
    library, texts = _library(program, prefix, class_names, threshold)
    write_zip(Path(path), library, texts, written_by=_WRITER)
    return sorted(texts)


def check_archivable(target: Target) -> None:
    """Refuse a target whose C no board runs: an archive is what IDEs for boards take.

    Raises:
        UserError: the kernels are for PCs.
    """
    if boards_for(target.features) is None:
        raise UserError(
            f"the kernels for {target.name} run on PCs, and an archive is for boards",
            hint="take another target, such as portable",
        )


def _library(
    program: Program, prefix: str, class_names: Sequence[str], threshold: int | None
) -> tuple[str, dict[str, str]]:
    """The name of a program's library, and its files."""
    check_prefix(prefix)
    measurement = _measured(program)
    deployment = deployment_of(program, measurement, class_names, threshold)
    library = library_name(program.graph.name, prefix)
    return library, renamed(_files(program, deployment, measurement, library), prefix)


def _measured(program: Program) -> Measurement | None:
    """What the firmware needs; None where there is no firmware, or none that fits the target."""
    if not program.target.memory:
        return None
    try:
        return measure(program)
    except (BudgetError, ToolchainError):
        return None


def _files(
    program: Program, deployment: Deployment, measurement: Measurement | None, library: str
) -> dict[str, str]:
    header = model_header(
        program.graph, program.plan, program.scheme.name, program.model_id, deployment
    )
    sources = {
        **program.sources,
        "kg_model.h": header,
        **{name: read_c(RUNTIME / name) for name in _ONLY_IN_FOLDERS},
    }
    if program.graph.label_kind is LabelKind.ANOMALY:
        sources["kg_threshold.h"] = read_c(RUNTIME / "kg_threshold.h")
    if has_sample_memory(program.graph):
        memory = {name: read_c(RUNTIME / name) for name in _SAMPLE_MEMORY}
        sources |= {**memory, **kernel_sources({**sources, **memory}, (), program.target.features)}
    if deployment.pixels is not None and deployment.pixels.offset is None:
        table = array("kg_pixel_table", np.array(deployment.pixels.tables, np.int8).ravel())
        table = table.removeprefix("static ")
        sources["kg_pixels.c"] = f'#include "kg_model.h"\n\n{table}'
    boards = boards_for(program.target.features)
    view = {
        "version": VERSION,
        "program": program,
        "deployment": deployment,
        "measurement": measurement,
        "features": features_of(program.graph),
        "library": library,
        "description": _description(program),
        "boards": boards,
        "files": sorted(name for name in sources if PurePosixPath(name).suffix == ".c"),
        "public_headers": [
            "kilograd.h",
            *(["kg_features.h"] if "kg_features.h" in sources else []),
        ],
        "headers": sorted(name for name in sources if PurePosixPath(name).suffix == ".h"),
        "shape": program.graph.inputs[0].type.shape,
        "sample_bytes": program.graph.inputs[0].type.nbytes,
        "scale": program.graph.inputs[0].type.scale,
        "zero_point": program.graph.inputs[0].type.zero_point,
        "row_input": has_row_input(program.graph),
        "label_sets": program.graph.label_kind is LabelKind.SET,
        "values": program.graph.label_kind is LabelKind.VALUE,
        "learns_normal": program.graph.label_kind is LabelKind.ANOMALY,
        "value_range": program.graph.value_range,
        "saved_bytes": program.plan.state_bytes + SAVED_HEADER_BYTES,
        "is_host": program.target.is_host,
        "kernel_features": sorted(
            feature
            for feature in program.target.features
            if any(feature in v.needs for v in VARIANTS)
        ),
    }
    described = library_files(library, boards).items()
    return {**sources, **{name: render(_PACKAGE, file, **view) for name, file in described}}


def _description(program: Program) -> str:
    """In one line, since that is all that some formats take."""
    network, trained = program.graph.name, program.scheme.name
    text = f"The int8 network {network} predicts and learns on the device (trained is {trained})."
    return "".join(letter if letter.isprintable() else " " for letter in text)
