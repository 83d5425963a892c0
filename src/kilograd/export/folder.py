"""Writes a program's C with all that a stranger needs to take it into a firmware."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from kilograd.codegen import model_header
from kilograd.codegen.c import array
from kilograd.codegen.model_header import SAVED_HEADER_BYTES, has_row_input
from kilograd.codegen.sources import RUNTIME, read_c
from kilograd.codegen.templating import render
from kilograd.compiler import Program
from kilograd.errors import BudgetError, ToolchainError
from kilograd.export.deployment import Deployment, deployment_of
from kilograd.export.prefix import DEFAULT_PREFIX, check_prefix, renamed
from kilograd.features import features_of
from kilograd.files import write_folder
from kilograd.measuring.firmware import Measurement, measure
from kilograd.ops.spec import VARIANTS
from kilograd.version import VERSION

_PACKAGE = "kilograd.export"

#: What firmwares for measurements and emulated devices do without.
_ONLY_IN_FOLDERS = (
    *("kg_selftest.c", "kg_flash.h", "kg_storage.h", "kg_storage.c"),
    *("kg_serial.h", "kg_serial.c"),
)


def export_c(
    program: Program,
    folder: Path,
    *,
    prefix: str = DEFAULT_PREFIX,
    class_names: Sequence[str] = (),
) -> list[str]:
    """Write the sources of a program, a README, an example and a build file for CMake.

    A folder that was written by this before, and not changed since, is replaced.

    Args:
        program: the compiled model.
        folder: where to; it is made.
        prefix: what every name begins with that the linker or the preprocessor sees; another one
            for each model of a firmware.
        class_names: one for each logit; none for "class 0", "class 1", …

    Returns:
        The files, relative to the folder.

    Raises:
        UserError: the prefix, the class names or the folder will not do.
    """
    check_prefix(prefix)
    measurement = _measured(program)
    deployment = deployment_of(program, measurement, class_names)
    texts = renamed(_files(program, deployment, measurement), prefix)
    write_folder(folder, texts, written_by=f"kilograd {VERSION}")
    return sorted(texts)


def _measured(program: Program) -> Measurement | None:
    """What the firmware needs; None where there is no firmware, or none that fits the target."""
    if not program.target.memory:
        return None
    try:
        return measure(program)
    except (BudgetError, ToolchainError):
        return None


def _files(
    program: Program, deployment: Deployment, measurement: Measurement | None
) -> dict[str, str]:
    header = model_header(
        program.graph, program.plan, program.scheme.name, program.model_id, deployment
    )
    sources = {
        **program.sources,
        "kg_model.h": header,
        **{name: read_c(RUNTIME / name) for name in _ONLY_IN_FOLDERS},
    }
    if deployment.pixels is not None and deployment.pixels.offset is None:
        table = array("kg_pixel_table", np.array(deployment.pixels.table, np.int8))
        table = table.removeprefix("static ")
        sources["kg_pixels.c"] = f'#include "kg_model.h"\n\n{table}'
    view = {
        "version": VERSION,
        "program": program,
        "deployment": deployment,
        "measurement": measurement,
        "features": features_of(program.graph),
        "files": sorted(name for name in sources if PurePosixPath(name).suffix == ".c"),
        "shape": program.graph.inputs[0].type.shape,
        "sample_bytes": program.graph.inputs[0].type.nbytes,
        "scale": program.graph.inputs[0].type.scale,
        "zero_point": program.graph.inputs[0].type.zero_point,
        "row_input": has_row_input(program.graph),
        "label_sets": program.graph.has_label_sets,
        "saved_bytes": program.plan.state_bytes + SAVED_HEADER_BYTES,
        "is_host": program.target.is_host,
        "kernel_features": sorted(
            feature
            for feature in program.target.features
            if any(feature in v.needs for v in VARIANTS)
        ),
    }
    return {
        **sources,
        **{
            name: render(_PACKAGE, name.rsplit("/", maxsplit=1)[-1], **view)
            for name in ("README.md", "LICENSE", "CMakeLists.txt", "example/example_main.c")
        },
    }
