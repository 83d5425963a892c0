"""The published checkpoints, with their own 1000-way heads, on real validation images."""

import json
from pathlib import Path

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.data import load_dataset
from kilograd.device.open import open_device
from kilograd.frontend.open import input_spec, load_model
from kilograd.scheme import load_scheme

ROOT = Path(__file__).parents[1]
PACK = ROOT.parent / "shared" / "data" / "imagenette128.npz"
LEDGER = json.loads((ROOT / "bench" / "results" / "foundation.json").read_text())["import"]


@pytest.mark.parametrize("name", ["mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3"])
def test_top1_is_that_of_the_ledger(name, published):
    if not PACK.is_file():
        pytest.skip(f"no data packs at {PACK.parent}")
    graph = load_model(str(published(name)))
    program = compile_model(graph, load_scheme("bias:1", graph))
    samples = load_dataset(PACK, input_spec(graph), limit=0).test
    with np.load(PACK, allow_pickle=False) as pack:
        classes = pack["imagenet_index"]
    with open_device(program, "host") as device:
        right = [
            int(np.argmax(device.predict(x))) == classes[y]
            for x, y in zip(samples.inputs, samples.labels, strict=True)
        ]
    assert len(right) == 500
    assert 100 * np.mean(right) == pytest.approx(LEDGER[name], abs=0.5)
