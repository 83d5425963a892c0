"""Compiled programs that the tests of the report share."""

import pytest
from report_cases import compiled, tiny_graph

from kilograd.scheme import Scheme


@pytest.fixture(scope="session")
def graph():
    return tiny_graph()


@pytest.fixture(scope="session", params=["full", "last:3", "bias:4", "head"])
def program(graph, request):
    return compiled(graph, request.param)


@pytest.fixture(scope="session")
def partly(graph):
    """A program that trains a quarter of one layer's weights."""
    return compiled(graph, Scheme("partly", ("<b>", "head"), {"<b>": 0.25, "head": 1.0}))
