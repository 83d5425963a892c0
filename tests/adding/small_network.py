"""Trains a small network with a max pool on several devices: python small_network.py TARGET.

Exits with an error where the devices differ.
"""

import sys

import numpy as np

from kilograd.compiler import compile_model
from kilograd.frontend.builder import GraphBuilder, Parameters
from kilograd.ir import Graph, Quantization
from kilograd.measuring.budget import check_planned
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops.common.window import Window
from kilograd.ops.spec import NoAttributes
from kilograd.scheme import load_scheme
from kilograd.targets import get_target

OUTPUT = Quantization((0.05,), -20)


def network() -> Graph:
    """A convolution, a max pool, a pointwise layer and the head."""
    rng = np.random.default_rng(0)

    def parameters(*shape: int) -> Parameters:
        weight = rng.integers(-127, 128, shape).astype(np.int8)
        bias = rng.integers(-500, 500, shape[0]).astype(np.int32)
        return Parameters(weight, bias, np.full(shape[0], 0.01))

    builder = GraphBuilder("small", 9, 8, 3, Quantization((0.02,), 3))
    x = builder.conv("stem", "input", parameters(8, 3, 3, 3), Window.same(3), OUTPUT)
    x = builder.append("pool1", "halving", [x], NoAttributes())
    x = builder.pointwise("mix", x, parameters(12, 8), OUTPUT)
    x = builder.average_pool("pool2", x)
    return builder.finish(builder.dense("head", x, parameters(4, 12)))


def main() -> None:
    """Compile for the target, train on three devices, compare every bit."""
    graph = network()
    program = compile_model(graph, load_scheme("full", graph), get_target(sys.argv[1]))
    assert "kg_halving_input_gradient_plain.c" in program.sources
    check_planned(program)
    found = verify_devices(program, ["reference", "host", "unicorn"], steps=8)
    assert found.identical, f"the devices differ from step {found.first_difference} on"
    sys.stdout.write(f"{program.target.name}: {found.digest}\n")


if __name__ == "__main__":
    main()
