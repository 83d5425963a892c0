"""The backbones that ship: each has a card, and the card says what the file and the C say."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.data import load_dataset
from kilograd.device.open import open_device
from kilograd.frontend.open import BACKBONES, class_names, input_spec, load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.loop import evaluate

FOLDER = files("kilograd") / "backbones"
PACKS = Path(__file__).parents[2] / "shared" / "data"
SIGNALS = ("kilograd-kws", "kilograd-motion")
#: Split of the pack that a metric is of.
SPLITS = {
    "validation_top1_int8": ("kilograd-kws", "arabic_kws10_mulaw8k.npz", 1),
    "test_top1_int8": ("kilograd-kws", "arabic_kws10_mulaw8k.npz", 2),
    "train_top1_int8": ("kilograd-motion", "uci_har_testsubjects.npz", 0),
    "held_out_top1_int8": ("kilograd-motion", "uci_har_testsubjects.npz", 1),
}


def card(name):
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def metrics(name):
    with np.load(str(FOLDER / f"{name}.npz")) as file:
        return json.loads(str(file["metrics"]))


def test_every_backbone_has_a_card():
    found = {path.name.removesuffix(".npz") for path in FOLDER.iterdir() if ".npz" in path.name}
    assert found == set(BACKBONES)
    for name in BACKBONES:
        assert card(name).startswith(f"# Model card: {name}\n")
        size = len((FOLDER / f"{name}.npz").read_bytes())
        assert f"the file holds {size:,} bytes" in card(name)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_card_says_what_was_measured(name):
    text, measured = card(name), metrics(name)
    assert f"| parameters | {measured['parameters']:,} without the head" in text
    assert f"| multiply-accumulates | {measured['macs'] / 1e6:.2f} M an inference |" in text
    assert f"{measured['largest_layer_in_plus_out_bytes']:,} bytes |" in text
    assert f"Seed {measured['seed']}, {measured['wall_seconds']:,} seconds" in text
    for key, value in measured.items():
        if "top1" in key:
            assert f"{value:.1f}% in {'int8' if 'int8' in key else 'float32'}" in text, key
    assert ", ".join(class_names(name)) in text
    height, width, channels = load_model(name).inputs[0].type.shape
    assert f"{height}×{width}×{channels}" in text


@pytest.mark.thorough
@pytest.mark.parametrize("metric", SPLITS)
def test_the_c_is_as_accurate_as_the_card_says(metric, tmp_path):
    name, file, split = SPLITS[metric]
    if not (PACKS / file).is_file():
        pytest.skip(f"the data pack {file} is not here")
    with np.load(PACKS / file) as pack:
        arrays = {key: pack[key] for key in pack.files}
    arrays["split"] = np.where(arrays["split"] == split, 1, 2)
    np.savez(tmp_path / file, **arrays)
    graph = load_model(name)
    samples = load_dataset(tmp_path / file, input_spec(graph), limit=0).test
    program = compile_model(graph, load_scheme("head", graph), get_target("cortex-m7"))
    with open_device(program, "host") as device:
        accuracy = evaluate(device, samples).accuracy
    assert 100 * accuracy == pytest.approx(metrics(name)[metric], abs=0.35)
    assert f"{accuracy:.1%} by the C" in card(name)
