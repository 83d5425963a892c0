"""How the format of a model file is told, and what is said of formats that are not read."""

import zipfile

import pytest
from tflite_files import small_network

from kilograd.errors import ModelError
from kilograd.frontend.open import load_model
from kilograd.ir.text import print_graph

CONTENT = small_network().content()


def refused(path):
    """What is said of a file, with the hint."""
    with pytest.raises(ModelError) as caught:
        load_model(str(path))
    assert caught.value.where == str(path)
    return str(caught.value).replace("\n  hint: ", "; ")


@pytest.mark.parametrize("name", ["net.lite", "net.bin", "net", "net.TFLITE", "net.h5"])
def test_a_tflite_file_may_be_called_anything(tmp_path, name):
    ordinary, path = tmp_path / "net.tflite", tmp_path / name
    ordinary.write_bytes(CONTENT)
    path.write_bytes(CONTENT)
    assert print_graph(load_model(str(path))) == print_graph(load_model(str(ordinary)))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("net.keras", b"PK\3\4", "this is a Keras model; convert it to a .tflite file with full"),
        ("net.h5", b"abc", "this is a Keras model; convert it to a .tflite file"),
        ("weights", b"\x89HDF\r\n\x1a\n" + bytes(99), "this is a Keras model; convert it"),
        ("frozen.pb", b"abc", "this is a TensorFlow graph; convert it to a .tflite file"),
        ("net.pt", b"PK\3\4", "this is a PyTorch file, which holds weights or code and no graph"),
        ("net.PTH", b"", "give the module itself to kilograd.from_torch, or export it to a float"),
        ("net.safetensors", b"", "this is a PyTorch file"),
        ("net.mlmodel", b"", "this is a Core ML model; export the network"),
        (
            "net.bin",
            b"",
            "this is no model file that kilograd knows; kilograd reads int8 networks from",
        ),
        ("photo.jpg", b"\xff\xd8\xff", "from the C arrays that .tflite files become"),
    ],
)
def test_other_formats_are_named(tmp_path, name, content, found):
    path = tmp_path / name
    path.write_bytes(content)
    assert found in refused(path)


def test_folders_that_are_models_elsewhere(tmp_path):
    assert "this is a folder, not a model file; name the model file in it" in refused(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert "this folder is a SavedModel of TensorFlow; convert it" in refused(tmp_path)
    package = tmp_path / "net.mlpackage"
    package.mkdir()
    assert "this is a Core ML model" in refused(package)


def test_archives_without_a_known_name_are_read_as_checkpoints(tmp_path):
    path = tmp_path / "net"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
    assert "the pickle inside is damaged" in refused(path)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "net.xyz"
    path.write_bytes(b"")

    def fail(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", fail)
    assert "the file cannot be read: Permission denied" in refused(path)
