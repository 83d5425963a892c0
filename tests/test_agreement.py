"""Every device computes the same bits, step after step; and where one does not, it is told."""

import numpy as np
import pytest

from kilograd.compiler import compile_model
from kilograd.frontend.open import load_model
from kilograd.measuring import equivalence
from kilograd.measuring.equivalence import verify_devices
from kilograd.scheme import Scheme, layers, load_scheme
from kilograd.targets import get_target
from networks import tiny_graph

STEPS = 20
DEVICES = ("reference", "host", "unicorn", "qemu")
SCHEMES = ("head", "bias:3", "last:3", "full", "shares")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def program(graph):
    """The small network, compiled with a scheme."""

    def compile_with(scheme):
        if scheme != "shares":
            return compile_model(graph, load_scheme(scheme, graph), get_target("cortex-m7"))
        names = layers(graph)
        shares = dict(zip(names, [0.4, 0.2, 0.3, 0.5, 0.1, 0.6, 0.7, 0.5], strict=True))
        return compile_model(
            graph, Scheme("shares", tuple(names[::2]), shares), get_target("cortex-m7")
        )

    return compile_with


def assert_identical(program, devices, steps, **options):
    result = verify_devices(program, devices, steps=steps, **options)
    assert result.identical
    assert result.first_difference is None
    assert list(result.digests) == list(devices)
    (digests,) = set(result.digests.values())
    assert len(digests) == len(set(digests)) == steps
    assert result.digest == digests[-1]
    return result


@pytest.mark.parametrize("scheme", SCHEMES)
def test_reference_host_and_unicorn(program, scheme):
    assert_identical(program(scheme), DEVICES[:3], STEPS)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_qemu(program, scheme, require_qemu):
    assert_identical(program(scheme), ("host", "qemu"), STEPS)


@pytest.mark.thorough
@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m0plus"])
@pytest.mark.parametrize("scheme", ["full", "shares"])
def test_other_processors(program, scheme, target):
    """Neither an FPU nor DSP instructions nor unaligned accesses are needed."""
    assert_identical(program(scheme).for_target(get_target(target)), ("host", "unicorn"), STEPS)


def test_cortex_m4_on_qemu(program, require_qemu):
    assert_identical(program("shares").for_target(get_target("cortex-m4")), ("host", "qemu"), STEPS)


def test_seeds_differ(program):
    first, second = (assert_identical(program("full"), ["host"], 3, seed=s) for s in (1, 2))
    assert first.digest != second.digest


@pytest.mark.parametrize("what", ["logits", "state"])
def test_a_broken_device_is_told_with_its_first_wrong_step(program, monkeypatch, what):
    real, told = equivalence.open_device, []

    def broken(program, name, **options):
        device = real(program, name, **options)
        if name == "reference":
            method = {"logits": "train_step", "state": "read_state"}[what]
            monkeypatch.setattr(device, method, flipping(getattr(device, method)))
        return device

    monkeypatch.setattr(equivalence, "open_device", broken)
    devices = ("host", "reference", "host")
    result = verify_devices(
        program("head"), devices[:2], steps=9, progress=lambda *event: told.append(event)
    )
    assert not result.identical
    assert result.first_difference == 7
    assert result.digests["host"][:6] == result.digests["reference"][:6]
    assert told == [(name, step) for name in devices[:2] for step in range(1, 10)]


def flipping(method):
    """The seventh call's result has one wrong bit."""
    calls = []

    def call(*arguments):
        result = method(*arguments)
        calls.append(1)
        if len(calls) == 7:
            flipped = bytearray(bytes(result))
            flipped[3] ^= 1
            return bytes(flipped) if isinstance(result, bytes) else np.frombuffer(flipped, "<i4")
        return result

    return call


def published_program(published, name):
    graph = load_model(str(published(name)), 10)
    return compile_model(graph, load_scheme(f"{name}/49kb", graph), get_target("cortex-m7"))


def test_mcunet(published, require_qemu):
    assert_identical(published_program(published, "mcunet-5fps"), DEVICES, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3"])
def test_published_backbones(published, require_qemu, name):
    assert_identical(published_program(published, name), DEVICES, STEPS)
