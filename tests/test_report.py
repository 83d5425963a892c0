"""The HTML report and the memory map for the terminal."""

import io
import itertools
import os
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from kilograd.compiler import Optimization, compile_model
from kilograd.errors import UserError
from kilograd.frontend.builder import GraphBuilder, Parameters
from kilograd.ir import Phase, Quantization
from kilograd.measuring.ablation import Planned, steps
from kilograd.measuring.firmware import Measurement
from kilograd.ops.common.window import Window
from kilograd.report import Report, render_report, terminal_memory_map, write_report
from kilograd.report.analysis import (
    BufferKind,
    layers,
    live_bytes,
    loss_index,
    placed_buffers,
    row_group,
    shown_name,
    sram_parts,
)
from kilograd.report.confusion import confusion
from kilograd.report.curves import learning_curve
from kilograd.report.memory_map import memory_map
from kilograd.report.network import network
from kilograd.report.samples import MOST_SAMPLES, thumbnails
from kilograd.report.svg import (
    byte_ticks,
    decimal_ticks,
    element,
    escape,
    kibibytes,
    millions,
    shortened,
    spread,
    text_width,
)
from kilograd.report.waterfall import LEVER_TEXT, waterfall
from kilograd.scheme import Scheme, load_scheme
from kilograd.training.loop import Evaluation, TrainingResult
from kilograd.training.online import Change, OnlineResult

OUTPUT = Quantization((0.05,), -3)
BUDGET = 12 * 1024


def parameters(generator, shape, channels):
    weight = generator.integers(-50, 50, shape).astype(np.int8)
    return Parameters(weight, np.zeros(channels, np.int32), np.full(channels, 0.01))


@pytest.fixture(scope="module")
def graph():
    """Odd channels, a residual join, a depthwise layer, and a layer that is named like a tag."""
    generator = np.random.default_rng(0)
    builder = GraphBuilder("tiny & <odd>", 9, 9, 3, Quantization((0.02,), 0))
    window = Window.same(3, 2)
    x = builder.conv("stem", "input", parameters(generator, (7, 3, 3, 3), 7), window, OUTPUT)
    y = builder.pointwise("<b>", x, parameters(generator, (13, 7), 13), OUTPUT)
    window = Window.same(3, 1)
    y = builder.depthwise("dw", y, parameters(generator, (3, 3, 13), 13), window, OUTPUT)
    y = builder.pointwise("project", y, parameters(generator, (7, 13), 7), OUTPUT)
    y = builder.average_pool("pool", builder.add("join", x, y, OUTPUT))
    return builder.finish(builder.dense("head", y, parameters(generator, (3, 7), 3)))


@pytest.fixture(scope="module", params=["full", "last:3", "bias:4", "head"])
def program(graph, request):
    return compile_model(graph, load_scheme(request.param, graph))


@pytest.fixture(scope="module")
def partly(graph):
    """A quarter of one layer's weights."""
    return compile_model(graph, Scheme("partly", ("<b>", "head"), {"<b>": 0.25, "head": 1.0}))


def measured(program, *, stack=444):
    plan = program.plan
    return Measurement(
        target="cortex-m7",
        sram_total_bytes=plan.arena_bytes + plan.state_bytes + 28 + stack,
        arena=plan.arena_bytes,
        trainable=plan.state_bytes,
        data_bss=28,
        stack=stack,
        flash_bytes=21_000,
        instructions_inference=105_000,
        instructions_train_step=587_200,
        macs_forward=program.macs(Phase.INFERENCE),
        macs_backward=program.macs(Phase.TRAINING),
        lower_bound_bytes=plan.lower_bound_bytes,
        compiler="zig",
        compiler_version="zig 0.17.1",
    )


def trained(classes=3, steps=90):
    generator = np.random.default_rng(1)
    before = generator.integers(0, 9, (classes, classes))
    after = before // 3 + np.diag(np.full(classes, 20))
    return TrainingResult(
        before=Evaluation(before),
        after=Evaluation(after),
        steps=steps,
        seconds=0.5,
        online_accuracy=[min(1.0, 0.2 + i / 100) for i in range(steps)],
        losses=[1.5 / (1 + i / 20) for i in range(steps)],
        state=b"state",
    )


def reported(program, **changes):
    report = Report(
        title="Learning <on> a chip",
        program=program,
        measurement=measured(program),
        result=trained(),
        class_names=("cat", "b & c", '"dog"'),
        facts={"seed": "0", "rate": "<0.05>"},
        samples=[(np.arange(9 * 9 * 3).reshape(9, 9, 3).astype(np.int8), "a <cat>")],
        sram_budget=BUDGET,
    )
    return replace(report, **changes)


def page(text):
    """The page's elements; it is well-formed XML as well as HTML."""
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))


def texts(node):
    return " ".join(node.itertext())


# The page


def test_page_is_well_formed(program):
    text = render_report(reported(program))
    assert text.startswith("<!DOCTYPE html>")
    root = page(text)
    assert root.find("head/title").text == "Learning <on> a chip"
    assert [h.text for h in root.iter("h2")] == [
        "Memory over one training step",
        "Learning curve",
        "Confusion",
        "Samples",
        "What is trained",
        "Layers",
        "Facts",
    ]
    assert len(list(root.iter("svg"))) == 3


def test_what_the_compiler_saves_is_drawn(program):
    optimizations = steps(program.forward, program.scheme, row_input=False)
    text = render_report(replace(reported(program), optimizations=optimizations))
    root = ET.fromstring(text.replace("<!DOCTYPE html>", ""))
    assert "What the compiler saves" in [heading.text for heading in root.iter("h2")]
    assert len(list(root.iter("svg"))) == 4
    for step in optimizations:
        assert f"{step.total:,}" in text
    assert "url(" not in text
    assert "What the compiler saves" not in render_report(reported(program))


def test_bars_tell_what_each_part_saves():
    def step(optimization, arena, again=0):
        return Planned(optimization, arena, 1000, arena, "somewhere", again)

    made = [
        step(None, 9000),
        step(Optimization.IN_PLACE, 7000),
        step(Optimization.RECOMPUTED, 7500, 42),
    ]
    text = waterfall(made)
    assert "10,000" in text
    assert "8,000  (−2,000)" in text
    assert "8,500  (+500)" in text
    assert text.count("w-saved") == 1
    assert [
        LEVER_TEXT[optimization] in text
        for optimization in (None, Optimization.IN_PLACE, Optimization.ROWS)
    ] == [
        True,
        True,
        False,
    ]


def test_page_needs_nothing_else(program):
    text = render_report(reported(program))
    assert "http" not in text
    assert "<script" not in text
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    for attribute in re.findall(r"(?:src|href)=\"([^\"]*)", text):
        assert attribute.startswith("data:image/")
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert len(text.encode()) < 1_000_000


def test_every_class_has_a_style_or_needs_none(program):
    """Shapes in drawings are black unless their class has a style."""
    text = render_report(reported(program))
    style = text.partition("</style>")[0]
    for svg in page(text).iter("svg"):
        for node in svg.iter():
            if node.tag in {"rect", "path", "line", "circle"}:
                names = node.get("class").split()
                assert any(re.search(rf"\.{name}\b", style) for name in names), names


def test_style_variables_are_all_defined(program):
    style = render_report(reported(program)).partition("</style>")[0]
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    dark, _, rest = rest.partition("* { box-sizing")
    printed = rest.partition("@media print")[2]
    used = set(re.findall(r"var\((--[\w-]+)\)", style)) - {"--w", "--a"}
    for part in (light, dark, printed):
        assert used <= set(re.findall(r"(--[\w-]+):", part))


def test_names_are_escaped(program):
    text = render_report(reported(program))
    body = text.partition("</style>")[2]
    assert "&lt;b&gt;" in body
    assert "tiny &amp; &lt;odd&gt;" in body
    assert "a &lt;cat&gt;" in body
    assert "&lt;0.05&gt;" in body
    assert "<odd>" not in body
    assert "<cat>" not in body
    bold = {b.text for b in page(text).iter("b")}
    assert bold >= {"tiny & <odd>"}


def test_characters_that_xml_forbids(program):
    text = render_report(reported(program, title="a\x00b\x1b\ud800", facts={"\x07": "\x08"}))
    assert page(text).find("head/title").text == "a\ufffdb\ufffd\ufffd"
    text.encode("utf-8")


def test_is_deterministic(graph, program):
    again = compile_model(graph, program.scheme)
    assert render_report(reported(program)) == render_report(reported(again))


def test_tiles(program):
    root = page(render_report(reported(program)))
    tiles = {
        div.find("h3").text: texts(div) for div in root.iter("div") if div.get("class") == "tile"
    }
    measurement, result = measured(program), trained()
    assert f"{100 * result.before.accuracy:.1f}% → {100 * result.after.accuracy:.1f}%" in re.sub(
        r"\s+", " ", tiles["Test accuracy"]
    ).replace("→  ", "→ ")
    assert f"{measurement.sram_total_bytes:,} bytes" in tiles["SRAM"]
    assert f"{100 * measurement.sram_total_bytes / BUDGET:.1f}% of 12\xa0KiB" in tiles["SRAM"]
    assert "21,000 bytes" in tiles["Flash"]
    assert "587.2\xa0k" in tiles["Instructions, emulated"]
    assert "105.0\xa0k" in tiles["Instructions, emulated"]
    assert "90" in tiles["Training steps"]


def test_without_measurement_and_result(program):
    text = render_report(
        reported(program, measurement=None, result=None, samples=(), sram_budget=None)
    )
    root = page(text)
    headings = [h.text for h in root.iter("h2")]
    assert "Learning curve" not in headings
    assert "Confusion" not in headings
    assert "Samples" not in headings
    names = [h.text for h in root.iter("h3")]
    assert names == ["SRAM", "MACs"]
    assert "planned: arena and trainable" in text


def test_facts(program):
    root = page(render_report(reported(program)))
    names = [dt.text for dt in root.iter("dt")]
    assert names == ["seed", "rate", "compiler", "state SHA-256"]
    values = [dd.text for dd in root.iter("dd")]
    assert values == ["0", "<0.05>", "zig 0.17.1", trained().state_digest]


# Writing


def test_write_report(program, tmp_path):
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")
    report = reported(program)
    write_report(target, report)
    assert target.read_text(encoding="utf-8") == render_report(report)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_permissions_follow_the_umask(program, tmp_path):
    previous = os.umask(0o027)
    try:
        write_report(tmp_path / "report.html", reported(program))
    finally:
        os.umask(previous)
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o640


def test_folder_that_does_not_exist(program, tmp_path):
    target = tmp_path / "nowhere" / "report.html"
    with pytest.raises(UserError) as caught:
        write_report(target, reported(program))
    assert caught.value.where == str(target)
    assert "cannot be written" in caught.value.what
    assert "folder" in caught.value.hint


def test_path_that_is_a_folder(program, tmp_path):
    target = tmp_path / "report.html"
    target.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_report(target, reported(program))
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["x" * 300 + ".html", "a\0b.html"])
def test_impossible_names(program, tmp_path, name):
    with pytest.raises(UserError, match="cannot be written"):
        write_report(tmp_path / name, reported(program))
    assert not list(tmp_path.iterdir())


# What the figures show


def test_every_buffer_is_in_the_map(program):
    root = ET.fromstring(memory_map(program, measured(program), BUDGET))
    titles = [title.text for rect in root.iter("rect") for title in rect.iter("title")]
    first_lines = [title.partition("\n")[0] for title in titles if "\nnodes " in title]
    assert len(first_lines) == len(program.plan.buffers)
    shown = {line.rpartition(": ")[0] for line in first_lines}
    assert shown == {shown_name(b, program.graph) for b in program.plan.buffers}


@pytest.mark.parametrize("streamed", [False, True])
def test_rows_are_a_kind_of_their_own(graph, streamed):
    nodes = [node.name for node in graph.nodes if node.name not in ("pool", "head")]
    program = compile_model(graph, load_scheme("head", graph), row_input=streamed)
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


def test_kinds_of_buffers(program):
    kinds = {placed.buffer.name: placed.kind for placed in placed_buffers(program)}
    graph = program.graph
    loss = loss_index(graph)
    assert graph.nodes[loss].layer == "loss"
    assert kinds["input"] is BufferKind.SAMPLE
    assert kinds["pool"] is BufferKind.SAVED  # the head's weight step reads it
    assert kinds["head"] is BufferKind.ACTIVATION
    assert kinds["loss.gradient"] is BufferKind.GRADIENT
    for placed in placed_buffers(program):
        buffer = placed.buffer
        if placed.kind is BufferKind.SAVED:
            assert buffer.first <= loss < buffer.last
        if placed.kind is BufferKind.SCRATCH:
            is_weight = bool(buffer.values)  # summed before its one reader
            in_rows = buffer.name.removesuffix("#scratch") in program.plan.groups
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


def test_peak_and_bound_are_named(program):
    root = ET.fromstring(memory_map(program, measured(program), BUDGET))
    written = [node.text for node in root.iter("text")]
    plan = program.plan
    index = min(plan.peak_index, len(program.graph.nodes) - 1)
    live = sum(buffer.size for buffer in plan.live_at(index))
    assert f"peak {live:,} bytes at {program.graph.nodes[index].name}" in written
    (limits,) = [text for text in written if text.startswith("upper edge")]
    assert f"{plan.arena_bytes:,} bytes" in limits
    assert "lower bound" in limits
    assert {"forward", "loss", "backward and update", "SRAM"} <= set(written)
    assert {"arena", "trainable", "data + bss", "stack", "free"} <= set(written)
    assert "budget 12\xa0KiB" in written


def test_arena_above_its_lower_bound(program):
    plan = replace(program.plan, lower_bound_bytes=program.plan.arena_bytes - 100)
    drawn = memory_map(replace(program, plan=plan), None, None)
    assert f"dashed: lower bound {plan.lower_bound_bytes:,}, 100 less" in drawn
    assert 'class="bound"' in drawn


def test_over_the_budget(program):
    text = render_report(reported(program, sram_budget=100))
    assert 'class="meter over"' in text
    assert 'class="over"' in text
    assert ">free<" not in text


def test_layers(partly):
    rows = {row.name: row for row in layers(partly)}
    assert list(rows) == ["stem", "<b>", "dw", "project", "join", "pool", "head"]
    assert rows["stem"].frozen_prefix
    assert not rows["<b>"].frozen_prefix
    assert rows["stem"].trained_bytes == 0
    assert rows["stem"].saved_bytes == 176  # the weight step of <b> reads it: 5 · 5 · 7, aligned
    assert rows["stem"].macs_backward == 0
    assert rows["<b>"].weight_share == 0.25
    assert rows["<b>"].weight_bytes == 7 * 13
    assert rows["<b>"].parameter_bytes == 7 * 13 + 4 * 13
    assert rows["<b>"].trained_bytes == 2 * 13 + 4 * 13  # two of seven channels, and the bias
    assert rows["join"].inputs == (0, 3)
    assert not rows["join"].has_weights
    assert rows["pool"].saved_bytes == 8
    assert sum(row.macs_forward for row in rows.values()) == partly.macs(Phase.INFERENCE)
    backward = partly.macs(Phase.TRAINING)
    assert sum(row.macs_backward for row in rows.values()) == backward


def test_scheme_on_the_network(partly):
    root = ET.fromstring(network(partly))
    written = [node.text for node in root.iter("text")]
    assert "bias + 25% of weights" in written
    assert "bias + all weights" in written
    assert written.count("frozen") == 3
    assert "frozen prefix: 1 of 7 layers, no gradient above this line" in written
    assert {"5×5×7", "5×5×13", "1×1×7"} <= set(written)
    arcs = [node for node in root.iter("path") if node.get("class") == "arc"]
    assert [next(arc.iter("title")).text for arc in arcs] == ["stem to join"]


def test_layer_table_has_totals(program):
    root = page(render_report(reported(program)))
    (table,) = [t for t in root.iter("table") if t.get("class") == "data layers"]
    totals = [cell.text for cell in table.find("tfoot/tr")]
    rows = layers(program)
    assert totals[0] == "7 layers"
    assert totals[3:5] == [
        f"{program.macs(Phase.INFERENCE):,}",
        f"{program.macs(Phase.TRAINING):,}",
    ]
    assert totals[6] == f"{sum(row.trained_bytes for row in rows):,}"
    assert len(table.findall("tbody/tr")) == 7


def test_sram_parts(program):
    parts = sram_parts(program, measured(program))
    assert sum(part.size for part in parts) == measured(program).sram_total_bytes
    planned = sram_parts(program, None)
    assert [part.key for part in planned] == ["arena", "trainable"]


# Learning curve


@pytest.mark.parametrize("steps", [0, 1, 2, 19, 20, 21, 1000, 30_000])
def test_curve_of_any_length(steps):
    drawn = learning_curve(trained(steps=steps))
    root = ET.fromstring(drawn)
    assert len(drawn) < 40_000
    assert "nan" not in drawn
    for node in root.iter("path"):
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", node.get("d"))]
        assert all(0 <= x <= 1120 for x in numbers)
    curves = [n for n in root.iter("path") if "curve" in (n.get("class") or "")]
    assert len(curves) == (2 if steps else 0)


def test_curve_names_both_accuracies():
    result = trained()
    root = ET.fromstring(learning_curve(result))
    written = {node.text for node in root.iter("text")}
    assert {
        f"{100 * result.before.accuracy:.1f}%",
        f"{100 * result.after.accuracy:.1f}%",
        "test, before",
        "test, after",
        "chance, 1/3",
        "chance, ln 3",
    } <= written


def test_constant_zero_loss():
    result = replace(trained(), losses=[0.0] * 90, online_accuracy=[1.0] * 90)
    ET.fromstring(learning_curve(result))


# Confusion


def test_matrix_cells():
    result = trained()
    root = ET.fromstring(confusion(result, ("cat", "b & c", '"dog"')))
    tables = list(root.iter("table"))
    assert len(tables) == 2
    for table, evaluation in zip(tables, (result.before, result.after), strict=True):
        rows = table.findall("tbody/tr")
        counts = [[int(cell.text or 0) for cell in row.findall("td")[:-1]] for row in rows]
        assert counts == evaluation.confusion.tolist()
    titles = {cell.get("title") for cell in root.iter("td")}
    count, total = result.before.confusion[0, 1], result.before.confusion[0].sum()
    assert f"cat taken for b & c: {count} of {total}" in titles


def test_numbers_stand_in_for_missing_names():
    root = ET.fromstring(confusion(trained(), ("cat",)))
    heads = [th.text for th in root.iter("th") if th.get("scope") == "row"]
    assert heads == ["cat", "1", "2"] * 2


def test_class_without_samples():
    empty = Evaluation(np.zeros((3, 3), np.int64))
    result = replace(trained(), before=empty, after=empty)
    ET.fromstring(confusion(result, ("a", "b", "c")))


def test_many_classes_show_the_most_confused_pairs():
    result = trained(classes=25)
    matrix = np.diag(np.full(25, 10))
    matrix[3, 7], matrix[4, 2] = 5, 8
    result = replace(result, after=Evaluation(matrix))
    text = confusion(result, [f"<{i}>" for i in range(25)])
    root = ET.fromstring(f"<div>{text}</div>")
    rows = [[cell.text for cell in row] for row in root.findall("table/tbody/tr")]
    assert [row[:3] for row in rows] == [["<4>", "<2>", "8 of 18"], ["<3>", "<7>", "5 of 15"]]


def test_many_classes_without_a_mistake():
    result = replace(trained(classes=25), after=Evaluation(np.diag(np.full(25, 10))))
    assert "No test sample" in confusion(result, [])


def test_hundreds_of_classes_stay_small(program):
    result = trained(classes=300)
    text = render_report(reported(program, result=result, class_names=("n" * 100,) * 300))
    page(text)
    assert len(text) < 1_000_000


# Samples


@pytest.mark.parametrize("shape", [(9, 9, 3), (128, 128, 3), (49, 10, 1), (8, 8, 2), (96, 200, 4)])
def test_thumbnails_of_any_shape(shape):
    generator = np.random.default_rng(0)
    sample = generator.integers(-128, 128, shape).astype(np.int8)
    root = ET.fromstring(thumbnails([(sample, "x")] * (MOST_SAMPLES + 5)))
    images = [img.get("src") for img in root.iter("img")]
    assert len(images) == MOST_SAMPLES
    assert sum(map(len, images)) < 400_000
    assert all(re.match(r"data:image/(png|jpeg);base64,", image) for image in images)


# The terminal


def shown(program, measurement, budget, width, *, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, color_system=None)
    console.print(terminal_memory_map(program, measurement, budget))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 200])
def test_terminal_fits(program, width):
    lines = shown(program, measured(program), BUDGET, width)
    assert len(lines) <= 12
    assert max(map(len, lines)) <= width
    total = measured(program).sram_total_bytes
    assert f"SRAM {total:,}" in lines[0]
    names = [line.split("  ")[0] for line in lines[1:6]]
    assert names == ["arena", "trainable", "data + bss", "stack", "free"]
    assert "peak" in " ".join(lines[6:])


def test_terminal_bars_fill_the_width(program):
    lines = shown(program, measured(program), BUDGET, 80)
    assert len(lines[5]) == 80
    arena, free = lines[1], lines[5]
    assert "█" in arena
    assert free.endswith("█")


def test_terminal_over_budget(program):
    needed = measured(program).sram_total_bytes
    lines = shown(program, measured(program), needed - 10, 80)
    assert lines[5].split()[:2] == ["over", "10"]


def test_terminal_without_budget_or_measurement(program):
    lines = shown(program, None, None, 80)
    assert [line.split()[0] for line in lines[:4]] == ["SRAM", "arena", "trainable", "the"]


def test_terminal_in_ascii(program):
    lines = shown(program, measured(program), BUDGET, 40, encoding="ascii")
    assert "#" in lines[1]


# Helpers


def test_escape():
    assert escape('<a href="x">&') == "&lt;a href=&quot;x&quot;&gt;&amp;"
    assert element("rect", {"x": 1.0, "y": 0.5, "class": None}) == '<rect x="1" y="0.5" />'


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (262_144, "256 KiB")],
)
def test_kibibytes(count, text):
    assert kibibytes(count) == text.replace(" ", "\xa0")


def test_millions():
    counts = [999, 1000, 92_200_000, 2_500_000_000]
    assert [millions(count).replace("\xa0", " ") for count in counts] == [
        "999",
        "1.0 k",
        "92.2 M",
        "2.5 G",
    ]


def test_ticks():
    assert byte_ticks(163_872) == [0, 65_536, 131_072]
    assert byte_ticks(0) == [0]
    assert decimal_ticks(7.2) == [0, 2, 4, 6]
    assert decimal_ticks(0) == [0]
    assert decimal_ticks(1200) == [0, 500, 1000]


def test_spread_keeps_order_gap_and_bounds():
    moved = spread([10, 11, 12, 80, 99], 20, 0, 100)
    assert moved == sorted(moved)
    assert all(b - a >= 20 - 1e-9 for a, b in itertools.pairwise(moved))
    assert moved[0] >= 0
    assert moved[-1] <= 100
    assert spread([], 20, 0, 100) == []


def test_shortened():
    assert shortened("blocks.12.pointwise1", 400, 12) == "blocks.12.pointwise1"
    short = shortened("blocks.12.pointwise1", 80, 12)
    assert text_width(short, 12) <= 80
    assert short.startswith("block")
    assert short.endswith("e1")


def test_graph_without_loss_or_buffers():
    assert loss_index(SimpleNamespace(nodes=())) == 0


# Streams


def streamed(at=30, *, steps=90, name="c"):
    run = trained(steps=steps)
    before, after, not_learned = (np.diag(counts) for counts in ([9, 8, 0], [9, 8, 1], [9, 8, 0]))
    missed = np.array([[0, 0, 0], [0, 0, 0], [3, 3, 0]])
    change = Change(
        at,
        2,
        name,
        None,
        Evaluation(before),
        Evaluation(after + missed),
        Evaluation(not_learned + missed),
        Evaluation(before),
    )
    return OnlineResult(**vars(run), change=change)


def test_the_change_is_marked_in_both_panels():
    drawn = learning_curve(streamed())
    root = ET.fromstring(drawn)
    assert drawn.count('class="cut"') == 2
    assert texts(root).count("new class c") == 2
    assert "training step" not in texts(root)
    assert texts(root).count("sample") == 2
    assert "test, frozen" in texts(root)
    assert len(root.findall(".//circle")) == 4
    assert "new class c after 30 samples" in root.get("aria-label")
    for cut, anchor in ((80, "end"), (10, None)):
        root = ET.fromstring(learning_curve(streamed(cut)))
        labels = [t for t in root.iter("text") if (t.text or "") == "new class c"]
        assert [t.get("text-anchor") for t in labels] == [anchor, anchor]


def test_a_long_name_of_a_new_class_is_shortened():
    root = ET.fromstring(learning_curve(streamed(name="<" + "long" * 60 + ">")))
    assert all(len(t.text or "") < 80 for t in root.iter("text"))


def test_page_shows_what_the_change_did(partly):
    root = page(render_report(reported(partly, result=streamed())))
    (section,) = (s for s in root.iter("section") if s.find("h2").text == "The change: new class c")
    rows = [[cell.text for cell in row] for row in section.find(".//tbody")]
    assert rows[0] == ["all", "100.0%", "75.0%", rows[0][3], "73.9%"]
    assert rows[1][0] == "first classes"
    assert [row[0] for row in rows[2:]] == ["cat", "b & c", '"dog"']
    assert rows[4][1:3] == ["–", "14.3%"]
    plain = OnlineResult(**vars(trained()))
    assert "The change" not in render_report(reported(partly, result=plain))
    assert "running mean over 100" in render_report(reported(partly, result=plain))
    assert "running mean over 50" in render_report(reported(partly))
