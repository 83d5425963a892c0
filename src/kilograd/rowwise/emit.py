"""C for the nodes of a group that run a row at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kilograd.ops.spec import Input, KernelCall, Output, Scratch
from kilograd.rowwise.plan import MOST_MAPS, RowPlan, RowStage


class GroupNames(NamedTuple):
    """C identifiers of a group: its description, two tables of that, and its function."""

    group: str
    values: str
    stages: str
    run: str


def tables(names: GroupNames, plan: RowPlan, offset: int, wholes: Mapping[str, int]) -> str:
    """What ``kg_rowwise.c`` has to know of a group: its values and stages.

    Args:
        names: of the group.
        plan: of the group.
        offset: of the group's memory in the arena.
        wholes: offsets in the arena of the values that are whole.
    """
    values: list[str] = []
    for index, v in enumerate(plan.values):
        given = v.height if index < plan.outside and v.whole else 0
        at = wholes[v.name] if v.whole else offset + v.offset
        values.append(f"    {{{v.height}, {v.row_bytes}, {given}, {int(v.whole)}, {at}}}")
    stages = [f"    {_stage(stage)}" for stage in plan.stages]
    counts = f"{len(values)}, {len(stages)}"
    members = f"{names.values}, {names.stages}, {counts}, kg_arena, {offset}"
    return (
        f"static const kg_rowwise_value {names.values}[] = {{\n{_lines(values)}}};\n"
        f"static const kg_rowwise_stage {names.stages}[] = {{\n{_lines(stages)}}};\n"
        f"static const kg_rowwise {names.group} = {{{members}}};\n"
    )


def _lines(items: list[str]) -> str:
    return ",\n".join(items)


def _stage(stage: RowStage) -> str:
    missing = MOST_MAPS - len(stage.inputs)
    inputs = ", ".join(map(str, (*stage.inputs, *([-1] * missing))))
    rule = stage.rule
    window = f"{rule.height}, {rule.stride}, {rule.top}"
    return f"{{{{{inputs}}}, {stage.output}, {window}}}"


def run(names: GroupNames, cases: list[list[str]]) -> list[str]:
    """The function that makes every row that can be made, of the lines for each node."""
    body: list[str] = []
    for index, case in enumerate(cases):
        body += [f"        case {index}: {{", *(f"            {line}" for line in case)]
        body += ["            break;", "        }"]
    return [
        f"static void {names.run}(void)",
        "{",
        "    int32_t stage;",
        f"    while ((stage = kg_rowwise_next(&{names.group})) >= 0) {{",
        f"        const kg_rowwise_row row = kg_rowwise_begin_row(&{names.group}, stage);",
        "        switch (stage) {",
        *body,
        "        }",
        f"        kg_rowwise_end_row(&{names.group}, stage);",
        "        KG_YIELD_POINT();",
        "    }",
        "}",
        "",
    ]


def stage_call(
    stage: RowStage, parameters: str, constants: Mapping[str, str], scratch: str
) -> list[str]:
    """The lines that make one row of a node.

    Args:
        stage: the node.
        parameters: name of its constant struct for a row with all rows under it.
        constants: addresses of the inputs that are no maps, by operand.
        scratch: address of the scratch.
    """
    call: KernelCall = stage.call
    maps = {name: f"row.input[{place}]" for place, name in enumerate(stage.rule.inputs)}
    arguments: list[str] = []
    for argument in call.arguments:
        match argument:
            case Input(name):
                arguments.append(maps.get(name) or constants.get(name, "NULL"))
            case Output():
                arguments.append("row.output")
            case Scratch():
                arguments.append(scratch if call.scratch_bytes else "NULL")
            case _:
                arguments.append("NULL")
    if stage.rule.present is None:
        return [f"{call.function}({', '.join([f'&{parameters}', *arguments])});"]
    return [
        f"{call.parameters} p = {parameters};",
        f"p.{stage.rule.present} = row.present;",
        f"p.{stage.rule.above} = row.above;",
        f"{call.function}({', '.join(['&p', *arguments])});",
    ]
