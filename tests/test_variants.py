"""The ablation's variations still find what they change."""

import pytest

pytest.importorskip("joblib")
from variants import VARIATIONS

from kilograd.compiler import compile_model
from kilograd.scheme import load_scheme
from networks import tiny_graph


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    graph = tiny_graph(tmp_path_factory.mktemp("model"))
    return compile_model(graph, load_scheme("full", graph)).sources


@pytest.mark.parametrize("name", VARIATIONS)
def test_a_variation_changes_the_c_or_the_operators(name, sources):
    variation = VARIATIONS[name]
    changed = variation.apply(sources)
    assert (dict(sources) != changed) == bool(variation.substitutions)
