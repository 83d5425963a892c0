"""What tests of files share."""

import pytest

from kilograd.frontend.open import load_model
from kilograd.passes.verify import verify


@pytest.fixture
def load(tmp_path):
    """The graph of a draft of a .tflite file, verified."""

    def loaded(draft, classes=None):
        graph = load_model(str(draft.write(tmp_path / "net.tflite")), classes)
        verify(graph, "reading")
        return graph

    return loaded
