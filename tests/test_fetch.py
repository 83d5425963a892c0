import hashlib
from pathlib import Path

import pooch
import pytest
import requests

from kilograd import files
from kilograd.errors import ModelError
from kilograd.frontend import fetch

CONTENT = b"a checkpoint"


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No test reaches the network; the one known model has known content."""
    monkeypatch.delenv("KILOGRAD_MODELS", raising=False)
    monkeypatch.setenv("KILOGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(fetch.MODELS, "mcunet-5fps", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(pooch, "retrieve", lambda *_, **__: pytest.fail("reached the network"))


def downloading(monkeypatch, content=CONTENT, error=None):
    """Makes pooch 'download' through a fake HTTP downloader; returns the list of URLs asked for."""
    urls = []

    class Downloader:
        def __init__(self, **options):
            assert options["timeout"] > 0

        def __call__(self, url, output_file, _pooch, **__):
            urls.append(url)
            if error:
                raise error
            Path(output_file).write_bytes(content)

    monkeypatch.undo()
    monkeypatch.delenv("KILOGRAD_MODELS", raising=False)
    monkeypatch.setitem(fetch.MODELS, "mcunet-5fps", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    return urls


def test_known_models_have_pinned_hashes():
    assert set(fetch.MODELS) == {"mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3"}
    assert all(len(digest) == 64 for digest in fetch.MODELS.values())


def test_local_folder_comes_first(monkeypatch, tmp_path):
    (tmp_path / "mcunet-5fps.pkl").write_bytes(CONTENT)
    monkeypatch.setenv("KILOGRAD_MODELS", str(tmp_path))
    assert fetch.fetch_model("mcunet-5fps") == tmp_path / "mcunet-5fps.pkl"
    assert fetch.resolve_model("mcunet-5fps") == tmp_path / "mcunet-5fps.pkl"


def test_local_file_with_the_wrong_hash_is_refused(monkeypatch, tmp_path):
    (tmp_path / "mcunet-5fps.pkl").write_bytes(b"something else")
    monkeypatch.setenv("KILOGRAD_MODELS", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        fetch.fetch_model("mcunet-5fps")
    assert "has SHA-256" in caught.value.what
    assert caught.value.where == str(tmp_path / "mcunet-5fps.pkl")
    assert "KILOGRAD_MODELS" in caught.value.hint


def test_download_goes_to_the_cache_and_happens_once(monkeypatch, tmp_path):
    urls = downloading(monkeypatch)
    monkeypatch.setenv("KILOGRAD_CACHE", str(tmp_path))
    monkeypatch.setenv("KILOGRAD_MODELS", str(tmp_path / "absent"))
    path = fetch.fetch_model("mcunet-5fps")
    assert path == tmp_path / "models" / "mcunet-5fps.pkl"
    assert path.read_bytes() == CONTENT
    assert fetch.fetch_model("mcunet-5fps") == path
    assert len(urls) == 1
    assert urls[0].endswith("/algorithm/assets/mcu_models/mcunet-5fps.pkl")


def test_download_to_a_destination(monkeypatch, tmp_path):
    downloading(monkeypatch)
    path = fetch.fetch_model("mcunet-5fps", tmp_path / "here")
    assert path == tmp_path / "here" / "mcunet-5fps.pkl"


def test_default_cache_is_the_users(monkeypatch, tmp_path):
    downloading(monkeypatch)
    monkeypatch.delenv("KILOGRAD_CACHE", raising=False)
    monkeypatch.setattr(files.platformdirs, "user_cache_path", lambda app: tmp_path / app)
    assert fetch.fetch_model("mcunet-5fps").parent == tmp_path / "kilograd" / "models"


def test_tampered_download_is_refused(monkeypatch, tmp_path):
    downloading(monkeypatch, content=b"tampered")
    with pytest.raises(ModelError) as caught:
        fetch.fetch_model("mcunet-5fps", tmp_path)
    assert caught.value.what == "the download does not have the expected SHA-256"
    assert not list(tmp_path.glob("*.pkl"))


@pytest.mark.parametrize(
    "error",
    [requests.ConnectionError("no route"), requests.Timeout("slow"), OSError("disk full")],
)
def test_network_failure_names_the_way_without_it(monkeypatch, tmp_path, error):
    downloading(monkeypatch, error=error)
    with pytest.raises(ModelError) as caught:
        fetch.fetch_model("mcunet-5fps", tmp_path)
    assert f"failed ({type(error).__name__})" in caught.value.what
    assert caught.value.hint == "set KILOGRAD_MODELS to a folder that holds mcunet-5fps.pkl"


def test_a_cache_that_is_a_file_is_one_clear_error(monkeypatch, tmp_path):
    downloading(monkeypatch)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError) as caught:
        fetch.fetch_model("mcunet-5fps", tmp_path / "file")
    assert "failed" in caught.value.what


def test_resolve_prefers_an_existing_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("mcunet-5fps").write_bytes(b"mine")
    assert fetch.resolve_model("mcunet-5fps") == Path("mcunet-5fps")


def test_a_folder_of_the_same_name_does_not_hide_a_model(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("mcunet-5fps").mkdir()
    monkeypatch.setenv("KILOGRAD_MODELS", str(tmp_path))
    (tmp_path / "mcunet-5fps.pkl").write_bytes(CONTENT)
    assert fetch.resolve_model("mcunet-5fps") == tmp_path / "mcunet-5fps.pkl"


@pytest.mark.parametrize("find", [fetch.resolve_model, fetch.fetch_model])
def test_unknown_name_lists_the_known_ones(find):
    with pytest.raises(ModelError) as caught:
        find("mcunet-6fps")
    assert caught.value.where == "mcunet-6fps"
    assert "mcunet-5fps, mbv2-w0.35, proxyless-w0.3" in caught.value.hint


@pytest.mark.parametrize("name", ["mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3"])
def test_published_files_have_the_pinned_hash(monkeypatch, name):
    folder = Path(__file__).parents[2] / "shared" / "models"
    if not (folder / f"{name}.pkl").is_file():
        pytest.skip("the published checkpoints are not here")
    monkeypatch.undo()
    monkeypatch.setenv("KILOGRAD_MODELS", str(folder))
    assert fetch.fetch_model(name) == folder / f"{name}.pkl"
