"""Whether a program fits its memories; what is at the peak, and what would lower it."""

from __future__ import annotations

from kilograd.compiler import Program
from kilograd.errors import BudgetError
from kilograd.ir import Graph, Phase, Value
from kilograd.liveness import Buffer
from kilograd.ops import REGISTRY


def check_planned(
    program: Program, *, sram_budget: int | None = None, flash_budget: int | None = None
) -> None:
    """Refuse a program of which the plan alone tells that it cannot fit.

    Arena and trained state are compared with the budget, and with what the target's memories hold
    beside the stack; constants with the budget of flash and with the target's flash. Code and other
    variables come on top: ``measure`` counts those.

    Args:
        program: the compiled model.
        sram_budget: bytes; None for all that the target has.
        flash_budget: likewise.

    Raises:
        BudgetError: names the peak, what is live there, and what would lower it.
    """
    target, plan = program.target, program.plan
    budgets = [budget for budget in (sram_budget,) if budget is not None]
    flash_budgets = [budget for budget in (flash_budget,) if budget is not None]
    if target.memory:
        budgets.append(target.data_bytes)
        flash_budgets.append(target.code_region.length)
    if budgets:
        check_sram(program, plan.arena_bytes + plan.state_bytes, min(budgets))
    if flash_budgets:
        constants = sum(value.type.nbytes for value in program.graph.constants)
        check_flash(program, constants, min(flash_budgets))


def check_flash(program: Program, needed: int, budget: int) -> None:
    """BudgetError when ``needed`` bytes of flash pass the budget."""
    if needed > budget:
        raise BudgetError(
            f"needs {needed:,} bytes of flash, budget {budget:,}",
            where=program.graph.name,
            hint="a narrower model, or fewer trained biases (each keeps a scale in flash)",
        )


def check_sram(program: Program, needed: int, budget: int) -> None:
    """BudgetError when ``needed`` bytes pass the budget."""
    if needed > budget:
        raise BudgetError(
            f"needs {needed:,} bytes of SRAM, budget {budget:,}; {describe_peak(program)}",
            where=program.graph.name,
            hint=_what_would_help(program, needed - budget),
        )


def describe_peak(program: Program) -> str:
    """The operator at the arena's peak and the tensors live there, largest first."""
    plan = program.plan
    index = min(plan.peak_index, len(program.graph.nodes) - 1)
    node = program.graph.nodes[index]
    live = plan.live_at(index)
    shown = ", ".join(f"{_describe(b, program)} {b.size:,}" for b in live[:5])
    rest = sum(b.size for b in live[5:])
    tail = f", {len(live) - 5} more {rest:,}" if rest else ""
    return f"the peak of {sum(b.size for b in live):,} is at {node.name}: {shown}{tail}"


def _describe(buffer: Buffer, program: Program) -> str:
    for group in program.graph.row_groups:
        if buffer.scratch_of == group.nodes[0]:
            return f"rows of {group.nodes[0]} to {group.nodes[-1]}"
    return buffer.name


def _what_would_help(program: Program, excess: int) -> str:
    """The cheapest single changes that free the excess, by what they free."""
    plan, graph = program.plan, program.graph
    index = min(plan.peak_index, len(graph.nodes) - 1)
    savings: list[tuple[int, str]] = []
    last = next(node.layer for node in graph.nodes if graph.outputs[0] in node.outputs)
    for layer in program.scheme.weights:
        weight = next((s for s in trained_states(graph, layer) if not _is_bias(s)), None)
        readers = [n for n in graph.nodes if weight and weight.name in n.inputs]
        saved = {name for node in readers for name in node.inputs}
        held = sum(
            b.size for b in plan.live_at(index) if b.first < index and saved.intersection(b.values)
        )
        if weight is not None:
            # Without the weights of its last layer a network learns no new class.
            frozen = f"freezing the weights of {layer} frees"
            change = "fewer classes free up to" if layer == last else frozen
            savings.append((weight.type.nbytes + held, change))
    biases = sum(s.type.nbytes for s in graph.states if _is_bias(s))
    savings.append((biases, "freezing all biases frees"))
    enough = [saving for saving in sorted(savings) if saving[0] >= excess]
    best = enough[0] if enough else max(savings)
    verb = "is enough" if enough else "is the most that one change frees"
    options = f"{best[1]} {best[0]:,} bytes, which {verb}"
    if not enough:
        node = graph.nodes[index]
        options += f"; the peak itself is set by {node.name}: a smaller input or a narrower model"
        sample = _sample_in_the_way(program, index)
        if sample:
            options += f"; streamed in rows, the sample of {sample:,} bytes is never whole"
    return options


def _sample_in_the_way(program: Program, index: int) -> int:
    """Bytes of the sample where it is whole at the peak but could be streamed; else 0."""
    graph = program.graph
    sample = graph.inputs[0]
    readers = graph.readers()[sample.name]
    is_read_again = any(node.phase is Phase.TRAINING for node in readers)
    is_live = any(sample.name in buffer.values for buffer in program.plan.live_at(index))
    return sample.type.nbytes if is_live and not is_read_again and not graph.features else 0


def trained_states(graph: Graph, layer: str) -> list[Value]:
    """What training changes of a layer: its bias, and its weight or the delta that moves it."""
    overwritten = [
        graph.values[state]
        for node in graph.nodes
        if node.layer == layer
        for state in REGISTRY[node.operator].overwritten(node).values()
    ]
    return [state for state in overwritten if state.type.quantization is not None]


def _is_bias(state: Value) -> bool:
    """Biases are the only trained vectors; exponents have no scale."""
    return len(state.type.shape) == 1 and state.type.quantization is not None
