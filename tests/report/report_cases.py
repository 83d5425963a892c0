"""Programs, measurements, results and reports for the tests of the report."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np

from kilograd.compiler import compile_model
from kilograd.frontend.builder import GraphBuilder, Parameters
from kilograd.ir import Phase, Quantization
from kilograd.measuring.firmware import Measurement
from kilograd.ops.common.window import Window
from kilograd.report import Report, render_report
from kilograd.scheme import Scheme, load_scheme
from kilograd.targets import get_target
from kilograd.training.anomalies import Detection, threshold_of
from kilograd.training.answers import Evaluation
from kilograd.training.loop import TrainingResult
from kilograd.training.online import Change, OnlineResult

OUTPUT = Quantization((0.05,), -3)
BUDGET = 12 * 1024
TARGET = get_target("cortex-m7")


def parameters(generator, shape, channels):
    weight = generator.integers(-50, 50, shape).astype(np.int8)
    return Parameters(weight, np.zeros(channels, np.int32), np.full(channels, 0.01))


def tiny_graph():
    """A graph with odd channels, a residual join, and a layer that is named like a tag."""
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


def compiled(graph, scheme, **options):
    """Compile a graph with a scheme or with a scheme of this name."""
    if not isinstance(scheme, Scheme):
        scheme = load_scheme(scheme, graph)
    return compile_model(graph, scheme, TARGET, **options)


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


def detected(steps=90, samples=300, kinds=9):
    """A run that learned what is normal; the last kinds of anomalies are hard to find."""
    generator = np.random.default_rng(4)
    labels = generator.integers(0, kinds, samples)
    none = np.zeros((0, 0), np.int64)

    def found(apart):
        sizes = np.exp(14 + apart * (labels > 0) / (1 + labels) + generator.normal(0, 0.4, samples))
        scores = np.stack([labels, sizes.astype(np.int64)], axis=1)
        threshold = threshold_of(scores[labels == 0, 1])
        return Detection(none, scores=scores, threshold=threshold)

    return TrainingResult(
        before=found(0.5),
        after=found(5.0),
        steps=steps,
        seconds=0.5,
        online_accuracy=[],
        losses=list(np.linspace(1, 0.1, steps)),
        state=b"",
        online_error=list(np.linspace(0.3, 0.05, steps)),
    )


def estimated(steps=90, samples=30, worst=0):
    """A run that learned to estimate values; one estimate is off by so much."""
    generator = np.random.default_rng(2)
    values = generator.integers(-65_536, 65_537, samples)
    after = values + generator.integers(-5000, 5001, samples)
    if samples:
        after[0] += worst
    none = np.zeros((0, 0), np.int64)
    return TrainingResult(
        before=Evaluation(none, np.stack([values, np.zeros_like(values)], axis=1)),
        after=Evaluation(none, np.stack([values, after], axis=1)),
        steps=steps,
        seconds=0.5,
        online_accuracy=[],
        losses=[0.2 / (1 + i / 20) for i in range(steps)],
        state=b"state",
        online_error=[0.25 / (1 + i / 20) for i in range(steps)],
    )


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
    """The elements of a page, which is well-formed XML as well as HTML."""
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))


def section(report, heading):
    """The section of a rendered report that has this heading."""
    sections = page(render_report(report)).iter("section")
    (found,) = [node for node in sections if node.find("h2").text == heading]
    return found


def texts(node):
    return " ".join(node.itertext())
