"""Clamps that are layers: gradients read their result, and nothing keeps what is clamped."""

from dataclasses import replace

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.ir import Quantization
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops.lookup.functions import Function
from kilograd.ops.lookup.op import LookupAttributes, clamped_to
from kilograd.ops.lookup.tables import INPUTS, rounded_table
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from operators.networks import Network

RELU = Function("leaky_relu", (0.0,))


def clamp(network, name, x, low, high):
    """A table that clamps; the real values behind it are clamped as well."""
    given = network.builder.type_of(x).quantized()
    table = tuple(np.clip(INPUTS, low, high).tolist())
    ends = [(end - given.zero_point) * given.scale for end in (low, high)]
    network.reals[name] = [np.clip(values, *ends) for values in network.reals[x]]
    return network.builder.lookup(name, x, Function("clip", tuple(ends)), given, table)


def network_of(build):
    """Two layers with something between them, and a head."""
    network = Network(0, (6, 6, 8))
    x = network.pointwise("a", "input", 8)
    return network.finish(network.pointwise("c", build(network, x), 8), 3)


def program_of(graph, target="cortex-m7"):
    return compile_model(graph, load_scheme("full", graph), get_target(target))


def operators(program, layer):
    return [n.operator for n in program.graph.nodes if n.layer == layer]


def clamped(network, x):
    return clamp(network, "b", x, -20, 90)


def leaky(network, x):
    given = network.builder.type_of(x).quantized()
    known = Function("leaky_relu", (0.25,))
    network.reals["b"] = [np.where(v < 0, v / 4, v) for v in network.reals[x]]
    table = rounded_table(known, given, given)
    return network.builder.lookup("b", x, known, given, table)


def read_twice(network, x):
    """What is clamped is read by a sum as well."""
    y = clamp(network, "b", x, -20, 90)
    wide = Quantization((2.2 * network.builder.type_of(x).scale,), 0)
    network.reals["sum"] = [p + q for p, q in zip(network.reals[x], network.reals[y], strict=True)]
    return network.builder.add("sum", x, y, wide)


def test_a_clamp_has_a_mask_and_what_it_clamps_has_none():
    program = program_of(network_of(clamped))
    assert operators(program, "b") == ["lookup", "bounded_mask", "mask_gradient"]
    assert "clamp_mask" not in operators(program, "a")


def test_other_tables_have_slopes():
    program = program_of(network_of(leaky))
    assert "lookup_input_gradient" in operators(program, "b")
    assert "bounded_mask" not in operators(program, "b")
    assert "clamp_mask" in operators(program, "a")


def test_what_others_read_as_well_keeps_its_mask():
    program = program_of(network_of(read_twice))
    assert "bounded_mask" in operators(program, "b")
    assert "clamp_mask" in operators(program, "a")


@pytest.mark.parametrize("build", [clamped, read_twice])
@pytest.mark.parametrize(("target", "device"), [("host", "host"), ("cortex-m4", "unicorn")])
def test_bits_are_the_same_everywhere(build, target, device):
    program = program_of(network_of(build), target)
    assert verify_devices(program, ["reference", device], steps=3).identical


def test_a_clamp_takes_the_memory_of_a_layer_that_clamps_itself():
    apart = program_of(network_of(clamped))
    within = program_of(network_of(lambda _, x: x))
    assert apart.plan.arena_bytes == within.plan.arena_bytes


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(-20, 127, (-20, 127)), (-128, 60, (-128, 60)), (-128, 127, None), (5, 5, None), (5, 6, None)],
)
def test_what_is_a_clamp(low, high, found):
    given = Quantization((0.05,), 3)
    table = tuple(np.clip(INPUTS, low, high).tolist())
    attributes = LookupAttributes(RELU, given, table)
    assert clamped_to(attributes, given) == found
    assert clamped_to(attributes, Quantization((0.05,), 4)) is None
    other = replace(attributes, table=(*table[:128], table[128] + 1, *table[129:]))
    assert clamped_to(other, given) is None
