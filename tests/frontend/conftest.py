"""What tests of files share."""

import pytest

from kilograd.compiler import compile_model
from kilograd.frontend.open import load_model
from kilograd.measuring.equivalence import verify_devices
from kilograd.passes.verify import verify
from kilograd.scheme import load_scheme
from kilograd.targets import get_target


@pytest.fixture
def load(tmp_path):
    """The graph of a draft of a .tflite file, verified."""

    def loaded(draft, classes=None):
        graph = load_model(str(draft.write(tmp_path / "net.tflite")), classes)
        verify(graph, "reading")
        return graph

    return loaded


@pytest.fixture
def learns_alike():
    """Whether a graph's training step, with everything trained, has the same bits everywhere."""

    def compared(graph):
        programs = (
            (compile_model(graph, load_scheme("full", graph), get_target(target)), device)
            for target, device in (("host", "host"), ("cortex-m4", "unicorn"))
        )
        return all(
            verify_devices(program, ["reference", device], steps=2).identical
            for program, device in programs
        )

    return compared
