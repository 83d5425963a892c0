"""C that runs any case: one function a case, called through a firmware's API or a program."""

from collections.abc import Sequence

import numpy as np

from fake import MODEL_FRAME, interface_sources, model_header
from kilograd.codegen.sources import kernel_sources
from kilograd.ops.kernel import Argument
from kilograd.ops.spec import Control, Input, KernelCall, Output, Scratch
from kilograd.targets import Target
from operators.cases import OperatorCase

#: Most tensors of one call: inputs, outputs and scratch.
TENSORS = 10
#: Of the network that the cases are.
CLASSES = 2
#: Bytes of the memory that a firmware runs a case in: any of them fits.
MEMORY = 40_000

CASES_H = f"""\
#include "kg_arithmetic.h"
#define TENSORS {TENSORS}
typedef void (*case_function)(const kg_control *, void *const *);
extern const case_function kg_cases[];
"""

# The "sample" says which case, with which control, on tensors at which offsets of the "state".
_INPUT_BYTES = f"7 * 4 + {TENSORS} * 4"

MODEL_C = """\
#include "cases.h"

void kg_run_prefix(int training)
{
    struct { int32_t index; kg_control control; int32_t offsets[TENSORS]; } request;
    void *tensors[TENSORS];
    (void)training;
    memcpy(&request, kg_arena, sizeof request);
    for (int i = 0; i < TENSORS; i++)
        tensors[i] = kg_state_buffer + request.offsets[i];
    kg_cases[request.index](&request.control, tensors);
}
"""

# Reads requests from standard input and writes every tensor back; each has memory of its own,
# not a byte too long, so that the sanitizer sees every step outside it.
MAIN_C = """\
#include <stdio.h>
#include <stdlib.h>
#include "cases.h"

typedef struct {
    int32_t index;
    kg_control control;
    int32_t sizes[TENSORS], owners[TENSORS];
} request;

kg_counters kg_counted;

int main(void)
{
    request r;
    while (fread(&r, sizeof r, 1, stdin) == 1) {
        void *tensors[TENSORS] = {0};
        for (int i = 0; i < TENSORS; i++) {
            if (r.owners[i] != i) {
                tensors[i] = tensors[r.owners[i]];
                continue;
            }
            if (r.sizes[i] == 0)
                continue;
            tensors[i] = malloc((size_t)r.sizes[i]);
            if (fread(tensors[i], 1, (size_t)r.sizes[i], stdin) != (size_t)r.sizes[i])
                return 2;
        }
        kg_counted = (kg_counters){0};
        kg_cases[r.index](&r.control, tensors);
        fwrite(&kg_counted, sizeof kg_counted, 1, stdout);
        for (int i = 0; i < TENSORS; i++)
            if (tensors[i] != NULL && r.owners[i] == i) {
                fwrite(tensors[i], 1, (size_t)r.sizes[i], stdout);
                free(tensors[i]);
            }
    }
    return 0;
}
"""

_CTYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t"}


def case_sources(items: Sequence[OperatorCase], target: Target) -> dict[str, str]:
    """File name -> text of the kernels that a target runs, and of one function a case."""
    calls = [item.call(target.features) for item in items]
    kernels = {
        path for item, call in zip(items, calls, strict=True) for path in call.files(item.spec.room)
    }
    headers = sorted({item.spec.header for item in items})
    lines = ["#include <stddef.h>", '#include "cases.h"']
    lines += (f'#include "{h}"' for h in headers)
    for index, (item, call) in enumerate(zip(items, calls, strict=True)):
        lines += _function(index, item, call)
    table = ", ".join(f"case_{index}" for index in range(len(items)))
    lines.append(f"const case_function kg_cases[] = {{{table}}};\n")
    own = {"cases.h": CASES_H, "cases.c": "\n".join(lines)}
    return {**own, **kernel_sources(own, kernels, target.features)}


def case_header(memory: int = MEMORY) -> str:
    """kg_model.h of a "network" that runs cases in so many bytes."""
    return model_header(input_bytes=_INPUT_BYTES, classes=CLASSES, state_bytes=memory)


def model_sources(
    items: Sequence[OperatorCase], target: Target, memory: int = MEMORY
) -> dict[str, str]:
    """The cases behind the API of a network, for any device that has so many bytes for them."""
    model = {"kg_model.h": case_header(memory), "kg_model.c": MODEL_FRAME + MODEL_C}
    return interface_sources({**case_sources(items, target), **model}, target.features)


def tensor_count(item: OperatorCase) -> int:
    """Inputs and outputs; scratch comes after them."""
    return len(item.case.inputs) + len(item.outputs)


def _function(index: int, item: OperatorCase, call: KernelCall) -> list[str]:
    lines, members = [], []
    for name, contents in call.fields.items():
        if contents is None:
            members.append(f".{name} = NULL")
        elif isinstance(contents, np.ndarray):
            array = f"c{index}_{name}"
            ctype = _CTYPES.get(contents.dtype.name, "int32_t")
            numbers = ", ".join(map(str, contents.ravel().tolist()))
            lines.append(f"static const {ctype} {array}[] = {{{numbers}}};")
            members.append(f".{name} = {array}")
        else:
            members.append(f".{name} = {contents}")
    lines.append(f"static const {call.parameters} p{index} = {{{', '.join(members)}}};")
    arguments = ", ".join([f"&p{index}", *(_argument(a, item) for a in call.arguments)])
    lines += [
        f"static void case_{index}(const kg_control *control, void *const *tensors)",
        "{",
        "    (void)control;",
        f"    {call.function}({arguments});",
        "}",
    ]
    return lines


def _argument(argument: Argument, item: OperatorCase) -> str:
    match argument:
        case Input(name):
            return f"tensors[{item.reads.index(name)}]" if name in item.reads else "NULL"
        case Output(name):
            return f"tensors[{len(item.case.inputs) + item.spec.results.index(name)}]"
        case Control():
            return "control"
        case Scratch():
            return f"tensors[{tensor_count(item)}]"
