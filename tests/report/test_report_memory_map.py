"""The memory map shows every buffer of the plan, the peak and the budget."""

import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

from report_cases import BUDGET, measured

from kilograd.report.analysis import shown_name
from kilograd.report.memory_map import memory_map


def test_every_buffer_is_in_the_map(program):
    root = ET.fromstring(memory_map(program, measured(program), BUDGET))
    titles = [title.text for rect in root.iter("rect") for title in rect.iter("title")]
    first_lines = [title.partition("\n")[0] for title in titles if re.search(r"\nnodes? \d", title)]
    assert len(first_lines) == len(program.plan.buffers)
    shown = {line.rpartition(": ")[0] for line in first_lines}
    assert shown == {shown_name(b, program.graph) for b in program.plan.buffers}


def test_rectangles_of_buffers_live_at_once_do_not_overlap(program):
    root = ET.fromstring(memory_map(program, None, None))
    boxes = []
    for rect in root.iter("rect"):
        if (rect.get("class") or "").startswith("k-") and float(rect.get("height")) > 0.75:
            x, y, w, h = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
            boxes.append((x, y, x + w, y + h))
    assert len(boxes) > 3
    slack = 0.05
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            wide = min(a[2], b[2]) - max(a[0], b[0])
            high = min(a[3], b[3]) - max(a[1], b[1])
            assert wide < slack or high < slack


def test_peak_and_bound_are_named(program):
    root = ET.fromstring(memory_map(program, measured(program), BUDGET))
    written = [node.text for node in root.iter("text")]
    plan = program.plan
    index = min(plan.peak_index, len(program.graph.nodes) - 1)
    live = sum(buffer.size for buffer in plan.live_at(index))
    assert f"peak {live:,} bytes at {program.graph.nodes[index].name}" in written
    (limits,) = [text for text in written if text.startswith("Upper edge")]
    assert f"arena of {plan.arena_bytes:,} bytes" in limits
    assert "lower bound" in limits
    assert {"forward", "loss", "backward and update", "SRAM"} <= set(written)
    assert {"arena", "trainable", "data + bss", "stack", "free"} <= set(written)
    assert "budget 12\xa0KiB" in written


def test_arena_above_its_lower_bound(program):
    plan = replace(program.plan, lower_bound_bytes=program.plan.arena_bytes - 100)
    drawn = memory_map(replace(program, plan=plan), None, None)
    assert f"Dashed line: lower bound of {plan.lower_bound_bytes:,} bytes, 100 less" in drawn
    assert 'class="bound"' in drawn


def test_labels_beside_the_bar_keep_their_distance(program):
    total = measured(program).sram_total_bytes
    for budget in (None, 100, total // 2, total - 1, total, total + 1, BUDGET):
        root = ET.fromstring(memory_map(program, measured(program), budget))
        names = [t for t in root.iter("text") if (t.get("class") or "").startswith("part ")]
        heights = sorted(float(name.get("y")) for name in names)
        assert all(b - a >= 29.9 for a, b in itertools.pairwise(heights))
        is_over = budget is not None and budget < total
        assert ("budget" in [name.text for name in names]) == is_over
