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
    (plans,) = root.iter("ol")
    assert len(plans) == len(optimizations)
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
    bars = waterfall(made)
    assert [(bar.total, bar.difference) for bar in bars] == [
        (10_000, ""),
        (8_000, "−2,000"),
        (8_500, "+500"),
    ]
    assert [(bar.state, bar.arena, bar.saved) for bar in bars] == [
        (0.1, 0.9, 0),
        (0.1, 0.7, 0.2),
        (0.1, 0.75, 0),
    ]
    names = (None, Optimization.IN_PLACE, Optimization.RECOMPUTED)
    assert [bar.name for bar in bars] == [OPTIMIZATION_TEXT[name] for name in names]
