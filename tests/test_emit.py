"""Emitted C: golden text, deterministic, self-contained, and built as it is."""

import re

import pytest

from kilograd.codegen.c import Identifiers
from kilograd.compiler import compile_model
from kilograd.ir import Phase
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware
from operators.networks import residual_network


@pytest.fixture(scope="module")
def program():
    graph = residual_network()
    return compile_model(graph, load_scheme("last:2", graph), get_target("cortex-m7"))


def without_arrays(text):
    """The C text with the contents of long arrays left out."""
    return re.sub(r"= \{\n[-0-9,()\s]{40,}\};", "= {…};", text)


def test_golden_c(program, golden):
    golden("small_residual.c.txt", without_arrays(program.sources["kg_model.c"]))


def test_emission_is_deterministic(program):
    graph = residual_network()
    again = compile_model(graph, load_scheme("last:2", graph), get_target("cortex-m7"))
    assert dict(again.sources) == dict(program.sources)


def test_every_node_is_called_once_in_order(program):
    text = program.sources["kg_model.c"]
    bodies = text[text.index("void kg_run_prefix") :]
    called = re.findall(r"kg_\w+\(&(\w+),", bodies)
    identifiers = Identifiers()
    assert called == [identifiers(f"node.{node.name}") for node in program.graph.nodes]


def test_training_nodes_are_guarded(program):
    text = program.sources["kg_model.c"]
    training = next(node for node in program.graph.nodes if node.phase is Phase.TRAINING)
    name = Identifiers()(f"node.{training.name}")
    line = next(line for line in text.splitlines() if f"(&{name}," in line)
    assert line.startswith("        ")


def test_distinct_names_give_distinct_identifiers():
    names = ["a.b", "a_b", "a-b", "a b", "a.b.", "a_b_2", "block#1", "1st", "", "é"]
    identifiers = Identifiers()
    made = [identifiers(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in made)
    assert [identifiers(name) for name in names] == made


def test_sources_include_nothing_but_their_own_and_the_standard_headers(program):
    own = set(program.sources)
    for text in program.sources.values():
        for name in re.findall(r'#include "([^"]+)"', text):
            assert name in own
        for name in re.findall(r"#include <([^>]+)>", text):
            on_pc_only = {"immintrin.h"} if "#define KG_HAS_LANES 1" in text else set()
            assert name in {"stdint.h", "stddef.h", "string.h", "arm_acle.h", *on_pc_only}


@pytest.mark.parametrize("target", ["cortex-m7", "cortex-m4", "cortex-m0plus"])
def test_the_sources_build_without_a_warning(program, target):
    assert build_firmware(
        program.for_target(get_target(target)).sources, get_target(target)
    ).path.is_file()


def test_no_floating_point_in_the_sources(program):
    for name, text in program.sources.items():
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not re.search(r"\b(float|double)\b", code), name
