"""The baselines say what they need."""

import importlib
import sys

import pytest

from kilograd.errors import UserError


def test_without_pytorch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "kilograd.baselines.float32", raising=False)
    with pytest.raises(UserError, match="the float32 baseline needs PyTorch") as refused:
        importlib.import_module("kilograd.baselines.float32")
    assert refused.value.hint == "pip install 'kilograd[baselines]'"
