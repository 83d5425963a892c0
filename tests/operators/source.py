"""C that runs any case: one function a case, called through a firmware's API or a program."""

from collections.abc import Sequence

import numpy as np

from kilograd.codegen.sources import kernel_sources
from kilograd.ops.kernel import Argument
from kilograd.ops.spec import Control, Input, KernelCall, Output, Scratch
from kilograd.targets import Target
from operators.cases import OperatorCase

#: Most tensors of one call: inputs, outputs and scratch.
TENSORS = 10
#: Of the network that the cases are.
CLASSES = 2
#: Bytes of the memory that a firmware runs a case in.
MEMORY = 40_000

CASES_H = f"""\
#include "kg_arithmetic.h"
#define TENSORS {TENSORS}
typedef void (*case_function)(const kg_control *, void *const *);
extern const case_function kg_cases[];
"""

# The "sample" says which case, with which control, on tensors at which offsets of the "state".
MODEL_H = """\
#ifndef KILOGRAD_H
#define KILOGRAD_H
#include <stdint.h>
#include "kg_counters.h"
typedef struct { int32_t mantissa; int32_t exponent; uint32_t steps; } kg_learning_rate;
extern const uint32_t kg_input_bytes, kg_class_count, kg_state_bytes, kg_arena_bytes;
void kg_init(uint32_t seed);
int8_t *kg_input(void);
const int32_t *kg_predict(void);
const int32_t *kg_train_step(int32_t label, kg_learning_rate rate);
uint8_t *kg_state(void);
const kg_counters *kg_get_counters(void);
int32_t kg_set_classes(uint32_t classes);
uint32_t kg_get_classes(void);
extern const uint32_t kg_snapshot_bytes;
void kg_prefix(void);
void kg_snapshot_save(uint8_t *to);
void kg_snapshot_restore(const uint8_t *from);
const int32_t *kg_predict_suffix(void);
const int32_t *kg_train_step_suffix(int32_t label, kg_learning_rate rate);
#endif
"""

#: What every firmware has, of a network without a state worth the name.
COUNTERS_C = """\
void kg_init(uint32_t seed)
{
    (void)seed;
    kg_counted = (kg_counters){0};
}

const kg_counters *kg_get_counters(void)
{
    return &kg_counted;
}

int32_t kg_set_classes(uint32_t classes)
{
    return classes == kg_class_count;
}

uint32_t kg_get_classes(void)
{
    return kg_class_count;
}
"""

MODEL_C = f"""\
#include "kilograd.h"
#include "cases.h"

struct {{ int32_t index; kg_control control; int32_t offsets[TENSORS]; }} kg_arena;
_Alignas(8) uint8_t kg_state_buffer[{MEMORY}];
static const int32_t done[2] = {{1, 1}};

const uint32_t kg_input_bytes = sizeof kg_arena, kg_class_count = {CLASSES};
const uint32_t kg_state_bytes = sizeof kg_state_buffer, kg_arena_bytes = sizeof kg_arena;

{COUNTERS_C}
int8_t *kg_input(void) {{ return (int8_t *)&kg_arena; }}
uint8_t *kg_state(void) {{ return kg_state_buffer; }}

const int32_t *kg_predict(void)
{{
    void *tensors[TENSORS];
    for (int i = 0; i < TENSORS; i++)
        tensors[i] = kg_state_buffer + kg_arena.offsets[i];
    kg_cases[kg_arena.index](&kg_arena.control, tensors);
    return done;
}}

const int32_t *kg_train_step(int32_t label, kg_learning_rate rate)
{{
    (void)label;
    (void)rate;
    return kg_predict();
}}

const uint32_t kg_snapshot_bytes = 0;
void kg_prefix(void) {{}}
void kg_snapshot_save(uint8_t *to) {{ (void)to; }}
void kg_snapshot_restore(const uint8_t *from) {{ (void)from; }}
const int32_t *kg_predict_suffix(void) {{ return kg_predict(); }}
const int32_t *kg_train_step_suffix(int32_t l, kg_learning_rate r) {{ return kg_train_step(l, r); }}
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
    lines = ["#include <stddef.h>", '#include "cases.h"', "kg_counters kg_counted;"]
    lines += (f'#include "{h}"' for h in headers)
    for index, (item, call) in enumerate(zip(items, calls, strict=True)):
        lines += _function(index, item, call)
    table = ", ".join(f"case_{index}" for index in range(len(items)))
    lines.append(f"const case_function kg_cases[] = {{{table}}};\n")
    own = {"cases.h": CASES_H, "cases.c": "\n".join(lines)}
    roots = [text.replace('#include "cases.h"', "") for text in own.values()]
    return {**own, **kernel_sources(roots, kernels, target.features)}


def model_sources(items: Sequence[OperatorCase], target: Target) -> dict[str, str]:
    """The cases behind the API of a network, for any device."""
    return {**case_sources(items, target), "kilograd.h": MODEL_H, "model.c": MODEL_C}


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
