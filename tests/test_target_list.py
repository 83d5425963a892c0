"""Targets that come with kilograd: all are listed, and all that are emulated have the same bits."""

import pytest

from applications import needs
from kilograd.compiler import compile_model
from kilograd.device import qemu
from kilograd.device.qemu import qemu_available
from kilograd.frontend.open import load_model
from kilograd.measuring.equivalence import verify_devices
from kilograd.measuring.firmware import measure
from kilograd.scheme import load_scheme
from kilograd.targets import get_target, target_names

EMULATED = [name for name in target_names() if get_target(name).memory]


def test_the_command_lists_them(kilograd):
    rows = {row["name"]: row for row in kilograd("targets", "--json").json["targets"]}
    assert set(rows) == set(target_names())
    assert rows["stm32f100"]["ram"] == 8192
    assert rows["stm32f405"]["emulators"] == ["unicorn", "qemu netduinoplus2"]
    assert rows["portable"]["emulators"] == []
    shown = kilograd("targets").out
    assert all(name in shown for name in ("nrf51", "cortex-m33", "riscv32"))


@pytest.fixture(scope="module")
def digest():
    return digest_on("host", "host")


def digest_on(target, *devices):
    graph = load_model("kilograd-motion", 6)
    program = compile_model(graph, load_scheme("head", graph), get_target(target))
    found = verify_devices(program, devices, steps=3)
    assert found.identical
    return found.digest


@pytest.mark.parametrize("name", EMULATED)
def test_every_machine_has_the_bits_of_the_pc(name, digest):
    devices = ["unicorn", *(["qemu"] if qemu_available(get_target(name)) else [])]
    assert digest_on(name, *devices) == digest


@needs("qemu-system-arm")
def test_a_board_that_qemu_lacks_is_told(monkeypatch, kilograd):
    monkeypatch.setattr(qemu, "_machines", lambda program: frozenset({"mps2-an386"}))
    assert not qemu.qemu_available(get_target("stm32f405"))
    options = ("--scheme", "head", "--classes", 6, "--target", "stm32f405", "--steps", 1)
    outcome = kilograd("verify", "kilograd-motion", *options, "--devices", "qemu")
    outcome.refused("this version of qemu-system-arm has no board netduinoplus2", "unicorn")
    assert kilograd("verify", "kilograd-motion", *options, "--devices", "stm32f405").code == 0


def test_motions_are_learned_in_eight_kilobytes():
    graph = load_model("kilograd-motion", 6)
    target = get_target("stm32f100")
    found = measure(compile_model(graph, load_scheme("head", graph), target))
    assert found.sram_total_bytes <= 4400 < target.ram_bytes
