"""Hypothesis strategies that several tests share."""

import numpy as np
from hypothesis import strategies as st

from kilograd.compiler import compile_model
from kilograd.ir import TensorType
from kilograd.liveness import Buffer
from kilograd.ops.spec import StepContext
from kilograd.scheme import Scheme, layers
from kilograd.targets import get_target
from operators.cases import all_cases
from operators.draws import FILLS, draw_array, draw_context
from operators.networks import random_network

seeds = st.integers(0, (1 << 32) - 1)
fills = st.sampled_from(FILLS)


def arrays(type_: TensorType, low: int | None = None, high: int | None = None):
    """Contents of one tensor."""
    return st.builds(
        lambda seed, fill: draw_array(type_, np.random.default_rng(seed), fill, low, high),
        seeds,
        fills,
    )


def contexts(classes: int = 1) -> st.SearchStrategy[StepContext]:
    """Running steps."""
    return st.builds(lambda seed: draw_context(np.random.default_rng(seed), classes), seeds)


def operator_cases():
    """A case of any operator."""
    return st.sampled_from(all_cases())


#: Forward graphs of random shapes.
small_graphs = st.builds(random_network, seeds)


@st.composite
def schemes(draw, graph) -> Scheme:
    """Any scheme for a graph: something is trained."""
    names = layers(graph)
    biases = draw(st.sets(st.sampled_from(names)))
    shares = st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0])
    weights = draw(st.dictionaries(st.sampled_from(names), shares))
    if not biases and not weights:
        weights = {names[-1]: 1.0}
    return Scheme("random", tuple(sorted(biases)), weights)


@st.composite
def programs(draw):
    """Compiled random networks."""
    graph = draw(small_graphs)
    return compile_model(graph, draw(schemes(graph)), get_target("cortex-m7"))


@st.composite
def buffers(draw) -> tuple[Buffer, ...]:
    """Buffers of any sizes and lifetimes."""
    count = draw(st.integers(0, 25))
    made = []
    for index in range(count):
        first = draw(st.integers(-1, 20))
        last = draw(st.integers(first, 21))
        size = 4 * draw(st.integers(1, 50))
        made.append(Buffer(f"b{index}", (f"b{index}",), size, first, last))
    return tuple(made)
