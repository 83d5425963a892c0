"""The buffers of a program by kind, and the parts of its SRAM."""

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from report_cases import compiled, measured, reported, section

from kilograd.report.analysis import (
    BufferKind,
    live_bytes,
    loss_index,
    placed_buffers,
    row_group,
    shown_name,
    sram_parts,
)
from kilograd.report.memory_map import memory_map


@pytest.mark.parametrize("streamed", [False, True])
def test_rows_are_a_kind_of_their_own(graph, streamed):
    nodes = [node.name for node in graph.nodes if node.name not in ("pool", "head")]
    program = compiled(graph, "head", row_input=streamed)
    groups = program.graph.row_groups
    assert groups
    rows = [placed for placed in placed_buffers(program) if placed.kind is BufferKind.ROWS]
    assert len(rows) == len(groups)
    for placed, group in zip(rows, groups, strict=True):
        assert row_group(placed.buffer, program.graph) == group
        name = shown_name(placed.buffer, program.graph)
        assert name.startswith(f"rows of {group.nodes[0]}")
        assert name.endswith(group.nodes[-1])
        assert set(group.nodes) <= set(nodes)
        root = ET.fromstring(memory_map(program, None, None))
        assert any((title.text or "").startswith(f"{name}: rows\n") for title in root.iter("title"))


def test_kinds_of_buffers(program):
    kinds = {placed.buffer.name: placed.kind for placed in placed_buffers(program)}
    graph = program.graph
    loss = loss_index(graph)
    assert graph.nodes[loss].layer == "loss"
    assert kinds["input"] is BufferKind.SAMPLE
    assert kinds["pool"] is BufferKind.SAVED  # the head's weight update reads it
    assert kinds["head"] is BufferKind.ACTIVATION
    assert kinds["loss.gradient"] is BufferKind.GRADIENT
    for placed in placed_buffers(program):
        buffer = placed.buffer
        if placed.kind is BufferKind.SAVED:
            assert buffer.first <= loss < buffer.last
        if placed.kind is BufferKind.SCRATCH:
            is_weight = bool(buffer.values)  # summed before its one reader
            in_rows = buffer.scratch_of in program.plan.groups
            assert (buffer.last > buffer.first) == (is_weight or in_rows)
            assert placed.layer
    if program.scheme.name == "full":
        rows = {BufferKind.ROWS} if program.graph.row_groups else set()
        assert set(kinds.values()) | {BufferKind.ROWS} == set(BufferKind)
        assert set(kinds.values()) >= rows


def test_live_bytes_agree_with_the_plan(program):
    plan, nodes = program.plan, len(program.graph.nodes)
    live = live_bytes(placed_buffers(program), nodes)
    for index in range(nodes):
        total = sum(live[kind][index] for kind in BufferKind)
        assert total == sum(buffer.size for buffer in plan.live_at(index))


def test_sram_parts(program):
    parts = sram_parts(program, measured(program))
    assert sum(part.size for part in parts) == measured(program).sram_total_bytes
    planned = sram_parts(program, None)
    assert [part.key for part in planned] == ["arena", "trainable"]


def test_graph_without_loss_or_buffers():
    assert loss_index(SimpleNamespace(nodes=())) == 0


def test_tables_below_the_map_have_the_same_total(program):
    root = section(reported(program), "Memory over one training step")
    plan = program.plan
    live = plan.live_at(min(plan.peak_index, len(program.graph.nodes) - 1))
    kinds, peak = root.iter("table")
    for table in (kinds, peak):
        foot = [cell.text for cell in table.find("tfoot/tr")]
        assert foot == ["total", None, f"{sum(buffer.size for buffer in live):,}"]
    sizes = [row[-1].text for row in peak.findall("tbody/tr")]
    assert sizes[:8] == [f"{buffer.size:,}" for buffer in live[:8]]
    assert len(sizes) == min(len(live), 9)
