"""The bars that show what each optimization saves."""

from dataclasses import replace

from report_cases import TARGET, page, reported

from kilograd.compiler import Optimization
from kilograd.measuring.ablation import Planned, steps
from kilograd.report import render_report
from kilograd.report.waterfall import OPTIMIZATION_TEXT, waterfall


def test_what_the_compiler_saves_is_drawn(graph, program):
    optimizations = steps(graph, program.scheme, TARGET, row_input=False)
    text = render_report(replace(reported(program), optimizations=optimizations))
    root = page(text)
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
        OPTIMIZATION_TEXT[optimization] in text
        for optimization in (None, Optimization.IN_PLACE, Optimization.ROWS)
    ] == [
        True,
        True,
        False,
    ]
