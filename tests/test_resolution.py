"""Networks of convolutions at other resolutions, and what pixels stand for."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kilograd.compiler import compile_model
from kilograd.data import Drift, InputSpec, load_dataset
from kilograd.errors import DataError, ModelError
from kilograd.export import export_c
from kilograd.export.deployment import deployment_of
from kilograd.frontend.builder import GraphBuilder, fresh_head
from kilograd.frontend.open import input_spec, load_model
from kilograd.frontend.resolution import at_resolution
from kilograd.ir import Quantization
from kilograd.ir.text import parse_graph, print_graph
from kilograd.measuring.equivalence import verify_devices
from kilograd.ops import REGISTRY
from kilograd.passes.verify import InvalidGraphError, verify
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from kilograd.training.state_file import read_state_file


def test_a_network_reads_other_extents_with_the_same_weights():
    graph = load_model("kilograd-48", 3)
    other = load_model("kilograd-48", 3, resolution=(40, 64))
    verify(other, "another resolution")
    assert other.inputs[0].type.shape == (40, 64, graph.inputs[0].type.shape[2])
    assert other.type_of(other.outputs[0]) == graph.type_of(graph.outputs[0])
    for name, value in graph.values.items():
        if value.data is not None:
            assert np.array_equal(other.values[name].array, value.array)


def test_the_same_resolution_is_the_same_network():
    graph = load_model("kilograd-48", 3)
    assert print_graph(at_resolution(graph, 48, 48)) == print_graph(graph)


@pytest.mark.thorough
def test_training_at_another_resolution_is_the_same_on_the_host():
    graph = load_model("kilograd-48", 3, resolution=(33, 20))
    program = compile_model(graph, load_scheme("last:4", graph), get_target("cortex-m7"))
    assert verify_devices(program, ["reference", "host"], steps=2).identical


def test_features_have_their_own_size():
    with pytest.raises(ModelError, match="the network reads features, and their size is that of"):
        load_model("kilograd-kws", resolution=(20, 20))


def test_a_layer_that_needs_its_extents_is_named():
    builder = GraphBuilder("flat", 6, 6, 3, Quantization((0.1,), 0))
    x = builder.reshape("flat", "input", (1, 1, 108))
    graph = builder.finish(builder.dense("head", x, fresh_head(108, 2)))
    with pytest.raises(ModelError) as caught:
        at_resolution(graph, 5, 6)
    assert caught.value.what.startswith("the network cannot read 5×6 maps: layer flat: 90 elements")
    assert "where an average over the whole map comes before" in str(caught.value.hint)


def test_the_command_line_reads_height_and_width(kilograd):
    found = kilograd("inspect", "kilograd-48", "--resolution", "32x64", "--json").json
    assert found["input"]["shape"][:2] == [32, 64]
    found = kilograd("inspect", "kilograd-48", "--resolution", "32", "--json").json
    assert found["input"]["shape"][:2] == [32, 32]


@pytest.mark.parametrize("text", ["7x", "0", "x", "5000", "3x4x5", "-1"])
def test_what_is_no_resolution(text, kilograd):
    outcome = kilograd("inspect", "kilograd-48", f"--resolution={text}")
    outcome.refused(f"--resolution: '{text}' is not a resolution of 1 to 4096 pixels", "96x128")


@pytest.mark.parametrize("text", ["7", "1,0", "1,1", "a,b", "0,1,2", "0,1,1,0", "0,inf", "nan,1"])
def test_what_is_no_range(text, kilograd, tmp_path):
    outcome = kilograd("train", "kilograd-48", "--data", tmp_path, f"--input-range={text}")
    outcome.refused(f"--input-range: '{text}' is not a range of two numbers that rises", "0,1")


def test_pixels_of_a_range_go_evenly_from_end_to_end():
    for scale, brightest in ((1 / 255, 1.0), (1.0, 255.0)):
        table = InputSpec(4, 4, 3, scale, -128, None, (0.0, brightest)).pixel_table()
        assert table.shape == (256, 3)
        assert all(np.array_equal(column, np.arange(256) - 128) for column in table.T)
    spec = InputSpec(4, 4, 3, 0.1, 0, None, (0.0, 12.75))
    assert spec.pixel_table()[[0, 100, 255], 0].tolist() == [0, 50, 127]
    assert spec.pixel_steps == pytest.approx(0.5)


#: As PyTorch's models have it: each channel less its mean, over its deviation.
NORMALIZED = (-2.118, 2.249, -2.036, 2.429, -1.804, 2.64)


def test_pixels_can_stand_for_other_numbers_in_each_channel(tmp_path):
    spec = InputSpec(5, 4, 3, 0.02, -10, None, NORMALIZED)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    low, high = np.array(NORMALIZED[::2]), np.array(NORMALIZED[1::2])
    expected = np.floor((low + pixels / 255 * (high - low)) / 0.02 + 0.5) - 10
    assert np.array_equal(spec.from_pixels(pixels), expected)
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    assert np.array_equal(load_dataset(tmp_path, spec).train.inputs[0], expected)
    brighter = Drift("brightness", 40).apply(
        spec.from_pixels(pixels), spec, seed=0, index=0, stream=0
    )
    as_pixels = spec.from_pixels(np.minimum(pixels.astype(int) + 40, 255).astype(np.uint8))
    assert np.abs(brighter.astype(int) - as_pixels).max() <= 1


def test_ranges_of_channels_are_in_firmware_and_in_the_text_of_a_graph(tmp_path):
    graph = load_model("kilograd-48", 3, pixel_range=NORMALIZED)
    printed = print_graph(graph)
    assert f"\npixels {', '.join(map(repr, NORMALIZED))}\n" in printed
    arrays = {name: value.data for name, value in graph.values.items() if value.data is not None}
    assert parse_graph(printed, arrays, REGISTRY).pixel_range == NORMALIZED
    table = input_spec(graph).pixel_table()
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    assert np.array_equal(deployment_of(program, None).pixels.tables, table.T)
    export_c(program, tmp_path / "c")
    header = (tmp_path / "c/kg_model.h").read_text()
    assert "kg_pixel_table[768]" in header
    assert "return kg_pixel_table[channel * 256u + pixel];" in header
    assert "`kg_from_channel(p, c)`" in (tmp_path / "c/README.md").read_text()
    numbers = (tmp_path / "c/kg_pixels.c").read_text().partition("{")[2].partition("}")[0]
    assert [int(number) for number in numbers.split(",")] == table.T.ravel().tolist()


def test_a_state_remembers_the_ranges_of_channels(tmp_path, kilograd):
    rng = np.random.default_rng(1)
    for label in "ab":
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(4):
            picture = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(picture).save(tmp_path / "photos" / label / f"{number}.png")
    text = ",".join(map(str, NORMALIZED))
    common = ["kilograd-48", "--data", tmp_path / "photos"]
    state = tmp_path / "state.kgs"
    kilograd("train", *common, f"--input-range={text}", "--epochs", "1", "--save", state, "--json")
    loaded = read_state_file(state)
    assert loaded.origin.pixel_range == NORMALIZED
    assert kilograd("evaluate", *common, "--state", state, "--json").json["accuracy"] >= 0


def test_there_is_a_range_for_each_channel_or_one_for_all(tmp_path, kilograd):
    outcome = kilograd("train", "kilograd-48", "--data", tmp_path, "--input-range=0,1,0,2")
    outcome.refused("2 ranges of pixels are given, and the network's input has 3 channels")
    graph = replace(load_model("kilograd-48", 3), pixel_range=(0.0, 1.0, 0.0, 2.0))
    with pytest.raises(InvalidGraphError, match="2 ranges of pixels and 3 channels"):
        verify(graph, "reading")


def test_a_range_that_does_not_rise_is_refused():
    with pytest.raises(ModelError, match="the range of pixels must rise"):
        load_model("kilograd-48", pixel_range=(1.0, 1.0))


def test_the_range_is_in_the_firmware_and_in_the_text_of_a_graph():
    graph = load_model("kilograd-48", 3, pixel_range=(0.0, 2.0))
    text = print_graph(graph)
    assert "\npixels 0.0, 2.0\n" in text
    arrays = {name: value.data for name, value in graph.values.items() if value.data is not None}
    assert parse_graph(text, arrays, REGISTRY).pixel_range == (0.0, 2.0)
    assert "pixels" not in print_graph(load_model("kilograd-48", 3))
    program = compile_model(graph, load_scheme("head", graph))
    (table,) = deployment_of(program, None).pixels.tables
    assert list(table) == input_spec(graph).pixel_table()[:, 0].tolist()


def test_images_need_one_or_three_channels(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(4):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / name / f"{index}.png")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path, InputSpec(4, 4, 2, 1.0, 0))
    assert caught.value.what == "the network reads 2 channels, and images have 1 or 3"
    assert "an .npz pack" in caught.value.hint
