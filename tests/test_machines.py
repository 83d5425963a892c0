"""Every machine that QEMU emulates learns through its own UART, with the bits of this computer."""

import os
import re
import shutil

import pytest

from kilograd.arch import architecture_of
from kilograd.compiler import compile_model
from kilograd.device.qemu import qemu_available
from kilograd.device.serial import SerialDevice
from kilograd.device.serial_link import Patience
from kilograd.device.serial_port import SerialAddress
from kilograd.errors import DeviceError
from kilograd.frontend.open import load_model
from kilograd.measuring.equivalence import verify_devices
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from serial_line.boards import running
from serial_line.machines import (
    RP2040JS,
    UARTS,
    machine_command,
    machine_firmware,
    machines,
    rp2040,
)

MACHINES = machines()
#: QEMU 7 has none of these.
LATER = {"h405", "stm32l475"}
#: Those that every run of the tests has.
SAMPLE = {"cortex-m55", "nrf51", "stm32f100", "lm3s6965"}


@pytest.fixture(scope="module")
def program():
    graph = load_model("kilograd-motion", 6)
    return compile_model(graph, load_scheme("head", graph), get_target("portable"))


@pytest.fixture(scope="module")
def digest(program):
    return verify_devices(program, ["host"], steps=3).digest


def test_there_are_enough_of_them():
    assert UARTS.keys() == MACHINES.keys() | {"cortex-m0plus"}
    assert len({MACHINES[name].qemu_machine for name in MACHINES if name not in LATER}) >= 12
    assert len({target.core for target in MACHINES.values()}) >= 7


def test_the_page_lists_them(pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "board.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"\| (\w+) \| `(?:tests/machines/)?([\w-]+)(?:\.toml)?` \|$", page, re.MULTILINE
    )
    assert {name: kind.upper() for kind, name in rows} == {
        name: uart.kind for name, uart in UARTS.items()
    }
    assert f"the {len(UARTS)} emulated machines" in page


def needs_emulator(name):
    program = architecture_of(MACHINES[name]).qemu
    if shutil.which(program) is None:
        if os.environ.get("KILOGRAD_REQUIRE_QEMU") != "1":
            pytest.skip(f"{program} is not installed")
    elif name in LATER and not qemu_available(MACHINES[name]):
        pytest.skip(f"{program} is too old for {MACHINES[name].qemu_machine}")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in SAMPLE else pytest.mark.thorough) for n in MACHINES]
)
def test_a_machine_learns_through_its_uart(program, digest, tmp_path, name):
    needs_emulator(name)
    elf = machine_firmware(program, MACHINES[name], tmp_path / "c")
    with running(machine_command(MACHINES[name], elf)) as (port, _):
        found = verify_devices(program, [f"serial:{port}"], steps=3)
    assert found.digest == digest


@pytest.mark.thorough
def test_an_rp2040_learns_through_its_uart(program, digest, tmp_path):
    if shutil.which("node") is None or not (RP2040JS / "node_modules" / "rp2040js").is_dir():
        pytest.skip("it takes node and npm install --prefix build rp2040js@1.4.1")
    elf = machine_firmware(program, get_target("cortex-m0plus"), tmp_path / "c")
    with rp2040(elf, tmp_path) as port:
        found = verify_devices(program, [f"serial:{port}"], steps=3)
    assert found.digest == digest


#: Of the protection unit's table: the region of peripherals.
REGISTERS = r", \{0x40000000u, 0x\w+u\}"


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_uart_is_behind_the_protection_unit(program, tmp_path, is_allowed):
    """Without its region, the first access to a register is a fault."""
    needs_emulator("cortex-m4")
    target = MACHINES["cortex-m4"]
    assert "mpu" in target.features
    header = architecture_of(target).target_header(target)
    without, count = re.subn(REGISTERS, "", header)
    assert count == 1
    runtime = {"kg_target.h": header if is_allowed else without}
    elf = machine_firmware(program, target, tmp_path / "c", runtime=runtime)
    patience = Patience(0.1, answer_seconds=20.0 if is_allowed else 1.0, work_seconds=20.0)
    with running(machine_command(target, elf)) as (port, _):
        wire = SerialAddress.parse(f"serial:{port}").open()
        if is_allowed:
            with SerialDevice(wire, program, patience=patience) as board:
                assert board.class_count == 6
            return
        with pytest.raises(DeviceError, match="no answer within"):
            SerialDevice(wire, program, patience=patience)
