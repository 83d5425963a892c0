"""The rules of a valid graph."""

from __future__ import annotations

import numpy as np

from kilograd.errors import KilogradError
from kilograd.ir import Graph, Kind, Node, Phase, Value
from kilograd.ops import REGISTRY
from kilograd.rowwise import row_rule, whole_reads


class InvalidGraphError(KilogradError):
    """A graph that breaks a rule: a fault of the pass that made it, or of a text that was read."""


def verify(graph: Graph, after: str) -> None:
    """Check every rule.

    1. Values and node names are unique and consistent with their keys.
    2. Contents match the type; constants and states have contents, activations have none.
    3. Operators exist; each node's output types are what its operator infers.
    4. Every value read is an input, a constant, a state, or made by an earlier node; each is
       made once. A node that runs in inference reads nothing that only training makes.
    5. A node that updates a state is named in ``updates``, and no later node reads the state.
    6. Nodes of a row group are neighbours of one phase that can run by rows, each in one group;
       none of them reads whole what the group makes, and only the group that alone reads the
       sample is streamed.
    7. Pixels have one range, or one for each channel of the sample.

    Raises:
        InvalidGraphError: names the node or value, the rule and the pass.
    """
    ranges, channels = len(graph.pixel_range) // 2, graph.inputs[0].type.shape[-1]
    _check(ranges in (1, channels), after, f"{ranges} ranges of pixels and {channels} channels")
    for name, value in graph.values.items():
        _check(name == value.name, after, f"value %{value.name} is filed under %{name}")
        _check_contents(value, after)
    available = {name for name, value in graph.values.items() if value.kind is not Kind.ACTIVATION}
    replaced: dict[str, str] = {}
    trained_only: set[str] = set()
    names: set[str] = set()
    for node in graph.nodes:
        _check(node.name not in names, after, f"two nodes are named {node.name}")
        names.add(node.name)
        for read in node.inputs:
            _check(read in graph.values, after, f"{node.name} reads %{read}, which does not exist")
            _check(read in available, after, f"{node.name} reads %{read} before it is made")
            _check(read not in replaced, after, f"{node.name} reads %{read} after its update")
        if node.phase is Phase.TRAINING:
            trained_only.update(node.outputs)
        late = trained_only.intersection(node.inputs)
        _check(
            node.phase is Phase.TRAINING or not late,
            after,
            f"{node.name} runs in inference but reads %{', %'.join(sorted(late))}, which only "
            "training makes",
        )
        _check_types(node, graph, after)
        overwritten = REGISTRY[node.operator].overwritten(node)
        for output in node.outputs:
            _check(output not in available, after, f"%{output} is made twice, by {node.name}")
            available.add(output)
            state = overwritten.get(output)
            if state is not None:
                replaced[state] = output
                _check(
                    graph.values[state].kind is Kind.STATE,
                    after,
                    f"{node.name} updates %{state}, which is no state",
                )
    _check(
        dict(graph.updates) == replaced,
        after,
        f"declared updates {dict(graph.updates)} differ from the nodes' {replaced}",
    )
    for output in graph.outputs:
        _check(output in available, after, f"output %{output} is never made")
    _check_groups(graph, after)


def _check_groups(graph: Graph, after: str) -> None:
    index = {node.name: position for position, node in enumerate(graph.nodes)}
    grouped: set[str] = set()
    for group in graph.row_groups:
        names = ", ".join(group.nodes)
        places = [index.get(name, -1) for name in group.nodes]
        neighbours = list(range(places[0], places[0] + len(places)))
        _check(places == neighbours and places[0] >= 0, after, f"{names} are not neighbours")
        for name in group.nodes:
            _check(name not in grouped, after, f"{name} is in two groups")
            rule = row_rule(graph.nodes[index[name]], graph)
            _check(rule is not None, after, f"{name} cannot run a row at a time")
            phases = {graph.nodes[place].phase for place in places}
            _check(len(phases) == 1, after, f"{names} do not run in the same calls")
        made = {name for place in places for name in graph.nodes[place].outputs}
        for place in places:
            _check(
                not made.intersection(whole_reads(graph.nodes[place], graph)),
                after,
                f"{graph.nodes[place].name} reads whole what its group makes a row at a time",
            )
        grouped.update(group.nodes)
        sample = graph.inputs[0].name
        readers = {node.name for node in graph.nodes if sample in node.inputs}
        _check(
            not group.row_input or (bool(readers) and readers <= set(group.nodes)),
            after,
            f"the sample is streamed into {names}, but others read it",
        )


def _check_contents(value: Value, after: str) -> None:
    needs_contents = value.kind in (Kind.CONSTANT, Kind.STATE)
    _check(
        needs_contents == (value.data is not None),
        after,
        f"%{value.name} ({value.kind.value}) {'lacks' if needs_contents else 'has'} contents",
    )
    if value.data is not None:
        fits = value.data.shape == value.type.shape and value.data.dtype == value.type.dtype.numpy
        _check(
            fits,
            after,
            f"%{value.name} is {value.type.dtype.value}{list(value.type.shape)} but holds "
            f"{np.dtype(value.data.dtype).name}{list(value.data.shape)}",
        )


def _check_types(node: Node, graph: Graph, after: str) -> None:
    _check(node.operator in REGISTRY, after, f"{node.name}: no operator named {node.operator}")
    spec = REGISTRY[node.operator]
    _check(
        isinstance(node.attributes, spec.attributes_type),
        after,
        f"{node.name}: attributes must be {spec.attributes_type.__name__}",
    )
    try:
        inferred = spec.infer(node.attributes, graph.types(node.inputs))
    except (ValueError, IndexError) as error:
        msg = f"after {after}: {node.name} ({node.operator}): {error}"
        raise InvalidGraphError(msg) from error
    missing = [output for output in node.outputs if output not in graph.values]
    _check(not missing, after, f"{node.name} makes %{', %'.join(missing)}, which has no type")
    declared = graph.types(node.outputs)
    _check(
        inferred == declared,
        after,
        f"{node.name}: outputs are {declared}, but {node.operator} makes {inferred}",
    )


def _check(condition: bool, after: str, message: str) -> None:  # noqa: FBT001 - an assertion
    if not condition:
        msg = f"after {after}: {message}"
        raise InvalidGraphError(msg)
