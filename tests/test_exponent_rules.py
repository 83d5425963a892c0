"""Rules for exponents that are compared with the one that ships, in C and in NumPy."""

import numpy as np
import pytest

from experiments.exponents.rules import RULES, SHIPPED
from kilograd.compiler import compile_model
from kilograd.device.host import HostDevice
from kilograd.device.protocol import LearningRate
from kilograd.ops.gradient_scale.op import EXPONENT, MAGNITUDE, AdaptExponent
from kilograd.ops.spec import NoAttributes, StepContext
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_host_library
from networks import tiny_graph

RATE, STEPS = LearningRate.from_float(0.01), 12


@pytest.mark.parametrize("magnitude", [0, *(1 << bits for bits in range(15)), 127, 128, 32767])
@pytest.mark.parametrize("exponent", [-1024, -200, 0, 1020])
def test_the_rule_that_ships_is_the_operator(exponent, magnitude):
    arrays = [np.array([exponent], np.int32), np.array([magnitude], np.int32)]
    made = AdaptExponent().reference(NoAttributes(), (EXPONENT, MAGNITUDE), arrays, StepContext())
    assert int(made[0][0]) == int(SHIPPED.adapted(exponent, magnitude)[0][0])


def learned(program, seed=0):
    rng = np.random.default_rng(seed)
    with HostDevice(build_host_library(program.sources).path) as device:
        device.initialize(seed)
        shape = program.graph.inputs[0].type.shape
        for label in range(STEPS):
            sample = rng.integers(-128, 128, shape).astype(np.int8)
            device.train_step(sample, label % device.class_count, RATE)
        return device.read_state()


def test_other_rules_are_other_programs(tmp_path):
    graph = tiny_graph(tmp_path)
    program = compile_model(graph, load_scheme("full", graph), get_target("host"))
    assert SHIPPED.program(program).sources == program.sources
    states = {name: learned(rule.program(program)) for name, rule in RULES.items()}
    assert states["shipped"] == learned(program)
    assert states["headroom"] != states["shipped"]
