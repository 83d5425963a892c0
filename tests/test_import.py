"""The published checkpoints, with their own 1000-way heads, on real validation images."""

import numpy as np
import pytest

from experiments.common.ledgers import read_ledger
from experiments.common.paths import data_file
from experiments.foundation import LEDGER
from kilograd.compiler import compile_model
from kilograd.data import load_dataset
from kilograd.device.open import open_device
from kilograd.frontend.open import input_spec, load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target

PACK = data_file("imagenette128.npz")
TOP1 = read_ledger(LEDGER)["import"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3"])
def test_top1_is_that_of_the_ledger(name, published):
    if not PACK.is_file():
        pytest.skip(f"no data packs at {PACK.parent}")
    graph = load_model(str(published(name)))
    program = compile_model(graph, load_scheme("bias:1", graph), get_target("host"))
    samples = load_dataset(PACK, input_spec(graph), limit=0).test
    with np.load(PACK, allow_pickle=False) as pack:
        classes = pack["imagenet_index"]
    with open_device(program, "host") as device:
        right = [
            int(np.argmax(device.predict(x))) == classes[y]
            for x, y in zip(samples.inputs, samples.labels, strict=True)
        ]
    assert len(right) == 500
    assert 100 * np.mean(right) == pytest.approx(TOP1[name], abs=0.5)
