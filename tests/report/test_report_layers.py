"""The layers of a program, drawn and in a table."""

import xml.etree.ElementTree as ET

from report_cases import page, reported

from kilograd.ir import Phase
from kilograd.report import render_report
from kilograd.report.analysis import layers
from kilograd.report.network import network


def test_layers(partly):
    rows = {row.name: row for row in layers(partly)}
    assert list(rows) == ["stem", "<b>", "dw", "project", "join", "pool", "head"]
    assert rows["stem"].frozen_prefix
    assert not rows["<b>"].frozen_prefix
    assert rows["stem"].trained_bytes == 0
    assert rows["stem"].saved_bytes == 176  # the weight update of <b> reads it: 5 · 5 · 7, aligned
    assert rows["stem"].macs_backward == 0
    assert rows["<b>"].weight_share == 0.25
    assert rows["<b>"].weight_bytes == 7 * 13
    assert rows["<b>"].parameter_bytes == 7 * 13 + 4 * 13
    assert rows["<b>"].trained_bytes == 2 * 13 + 2 * 13  # two of seven channels, and the bias
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
    assert "frozen prefix: no gradient for 1 of 7 layers" in written
    assert {"5×5×7", "5×5×13", "1×1×7"} <= set(written)
    arcs = [node for node in root.iter("path") if node.get("class") == "arc"]
    assert [next(arc.iter("title")).text for arc in arcs] == ["stem to join"]


def test_layer_table_has_totals(program):
    root = page(render_report(reported(program)))
    (table,) = [t for t in root.iter("table") if "layers" in t.get("class").split()]
    totals = [cell.text for cell in table.find("tfoot/tr")]
    rows = layers(program)
    assert totals[0] == "7 layers"
    assert totals[3:5] == [
        f"{program.macs(Phase.INFERENCE):,}",
        f"{program.macs(Phase.TRAINING):,}",
    ]
    assert totals[6] == f"{sum(row.trained_bytes for row in rows):,}"
    assert len(table.findall("tbody/tr")) == 7


def test_name_of_the_frozen_prefix_has_room(partly):
    texts = list(ET.fromstring(network(partly)).iter("text"))
    (name,) = [text for text in texts if (text.text or "").startswith("frozen prefix")]
    heights = [float(text.get("y")) for text in texts if text is not name]
    assert min(abs(float(name.get("y")) - height) for height in heights) > 11
