"""Every device gives the same bits, and tells a fault by its function's name."""

import os
import struct

import numpy as np
import pytest
from unicorn import UC_HOOK_CODE

from boards import BOARDS
from fake import FAKE_MODEL
from kilograd.arch.cortex_m import CortexM
from kilograd.device.commands import Command
from kilograd.device.host import HostDevice
from kilograd.device.protocol import Device, LearningRate
from kilograd.device.qemu import QemuDevice, qemu_available
from kilograd.device.unicorn import UnicornDevice
from kilograd.errors import DataError, DeviceError, ToolchainError
from kilograd.targets import get_target
from kilograd.toolchain import build_firmware, build_host_library

RATE = LearningRate.from_float(0.01)
NULL_WRITE, FLASH_WRITE, READ_PAST_RAM, STACK_OVERFLOW = 101, 102, 103, 104
UNDEFINED_INSTRUCTION, ENDLESS_LOOP, UNALIGNED_ACCESS = 105, 106, 107


def require_qemu():
    if (
        not qemu_available(get_target("cortex-m7"))
        and os.environ.get("KILOGRAD_REQUIRE_QEMU") != "1"
    ):
        pytest.skip("qemu-system-arm is not installed")


def firmware(target_name, **options):
    return build_firmware(FAKE_MODEL, get_target(target_name), **options).path


def open_device(spec, **options) -> Device:
    device = uninitialized_device(spec, **options)
    device.initialize(0)
    return device


def uninitialized_device(spec, **options) -> Device:
    kind, _, target_name = spec.partition(" ")
    if kind == "host":
        return HostDevice(build_host_library(FAKE_MODEL).path)
    if kind == "qemu":
        require_qemu()
        options.setdefault("timeout_seconds", 30.0)
        return QemuDevice(firmware(target_name), get_target(target_name), **options)
    return UnicornDevice(firmware(target_name), get_target(target_name), **options)


@pytest.fixture(params=["host", *BOARDS])
def device(request):
    with open_device(request.param) as opened:
        yield opened


@pytest.fixture(params=BOARDS)
def spec(request):
    return request.param


def samples(count=6):
    values = np.random.default_rng(7).integers(-128, 128, (count, 6, 8))
    values[:, 0, 0] = np.abs(values[:, 0, 0]) % 100
    return values.astype(np.int8)


def misbehaving(kind):
    sample = samples(1)[0]
    sample[0, 0] = kind
    return sample


def trained(device, seed=5):
    device.initialize(seed)
    steps = [device.train_step(x, i % 3, RATE).tolist() for i, x in enumerate(samples())]
    return steps, device.predict(samples()[0]).tolist(), device.read_state()


@pytest.fixture(scope="module")
def expected():
    with open_device("host") as host:
        return trained(host)


def test_same_bits_everywhere(device, expected):
    assert device.class_count == 3
    assert trained(device) == expected


def test_training_changes_the_state(expected):
    steps, _, state = expected
    with open_device("host") as host:
        host.initialize(5)
        assert host.read_state() != state
    assert len({tuple(logits) for logits in steps}) == len(steps)


def test_state_can_be_put_back(device, expected):
    device.initialize(99)
    device.write_state(expected[2])
    assert device.read_state() == expected[2]
    assert device.predict(samples()[0]).tolist() == expected[1]


def test_wrong_input_is_refused_before_it_reaches_the_device(device):
    device.initialize(1)
    good = samples(1)[0]
    with pytest.raises(DataError, match="int8 array, not float64"):
        device.predict(good.astype(np.float64))
    with pytest.raises(DataError, match=r"48 elements, not 24 \(shape 4x6\)"):
        device.predict(np.zeros((4, 6), np.int8))
    for label in (-1, 3):
        with pytest.raises(DataError, match=f"label {label} is no class: this network has 0 to 2"):
            device.train_step(good, label, RATE)
    with pytest.raises(DataError, match="a seed is 0 to 4294967295, not -1"):
        device.initialize(-1)
    with pytest.raises(DataError, match="168 bytes, not 3"):
        device.write_state(b"abc")


def test_samples_in_any_memory_order(device):
    device.initialize(1)
    sample = samples(1)[0]
    flat = device.predict(sample.reshape(-1))
    assert flat.dtype == np.int32
    assert np.array_equal(device.predict(np.asfortranarray(sample)), flat)


def test_closed_device_says_so(device):
    device.close()
    device.close()
    with pytest.raises(DeviceError, match="the device is closed"):
        device.read_state()


def test_host_instances_have_their_own_state():
    with open_device("host") as one, open_device("host") as two:
        one.initialize(1)
        two.initialize(2)
        assert one.read_state() != two.read_state()


def test_host_library_that_is_none(tmp_path):
    (tmp_path / "x.so").write_text("no library")
    with pytest.raises(DeviceError, match="cannot load the network's library"):
        HostDevice(tmp_path / "x.so")


def test_snapshots_replace_the_frozen_prefix(expected):
    with open_device("host") as host, open_device("host") as other:
        host.initialize(5)
        kept = [other.prefix_snapshot(x) for x in samples()]
        steps = [host.train_step_from_snapshot(x, i % 3, RATE) for i, x in enumerate(kept)]
        last = host.predict_from_snapshot(kept[0])
        state = host.read_state()
        assert ([step.tolist() for step in steps], last.tolist(), state) == expected
        with pytest.raises(DataError, match="a snapshot of this network is 48 uint8"):
            host.predict_from_snapshot(kept[0][:-1])


def test_stack_high_water(spec):
    with open_device(spec) as device:
        before = device.counters().stack_bytes
        trained(device)
        after = device.counters().stack_bytes
    assert before is not None
    assert 60 <= before <= after <= 400


def test_instructions_are_counted_exactly_and_always_the_same():
    counts = []
    for _ in range(2):
        with open_device("unicorn cortex-m7") as device:
            assert device.counters().instructions_last_call is None
            trained(device)
            device.train_step(samples()[1], 2, RATE)
            counts.append(device.counters().instructions_last_call)
    assert counts[0] == counts[1] == single_stepped()


def single_stepped():
    """Instructions of the same training step, seen one at a time."""
    with open_device("unicorn cortex-m7") as device:
        trained(device)
        seen = []
        device._uc.ctl_flush_tb()
        device._uc.hook_add(UC_HOOK_CODE, lambda _uc, address, _size, _user: seen.append(address))
        device.train_step(samples()[1], 2, RATE)
        began = seen.index(device._symbols.addresses["kg_train_step"])
        runtime = {"kg_command_loop", "kg_reset"}
        names = [device._symbols.function_at(address) for address in seen[began:]]
        call = seen[began : began + next(i for i, name in enumerate(names) if name in runtime)]
        return len(call) + skipped_by_condition(call, device._uc)


def skipped_by_condition(call, engine):
    """Instructions after an IT whose condition failed: executed as nothing, and not hooked."""
    skipped = 0
    for index, address in enumerate(call):
        opcode = int.from_bytes(engine.mem_read(address, 2), "little")
        if opcode >> 8 != 0xBF or not opcode & 15:
            continue
        length = 4 - ((opcode & 15 & -(opcode & 15)).bit_length() - 1)
        at = address + 2
        followers = set()
        for _ in range(length):
            followers.add(at)
            at += 4 if engine.mem_read(at + 1, 1)[0] >> 3 >= 0x1D else 2
        skipped += length - len(followers & set(call[index + 1 : index + 1 + length]))
    return skipped


FAULTS = {
    NULL_WRITE: ("null_write", "0x00000000"),
    FLASH_WRITE: ("flash_write", "address 0x"),
    READ_PAST_RAM: ("read_past_ram", "0x20050000"),
    UNDEFINED_INSTRUCTION: ("undefined_instruction", "nstruction"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_names_the_function(spec, fault):
    function, text = FAULTS[fault]
    kind, _, name = spec.partition(" ")
    target = get_target(name)
    is_unprotected = target.architecture == "cortex-m" and "mpu" not in target.features
    if kind == "qemu" and is_unprotected and fault != UNDEFINED_INSTRUCTION:
        pytest.skip("without a protection unit QEMU lets it pass; Unicorn does not")
    if spec == "unicorn riscv32":
        text = "bad access" if "0x" in text else text  # Unicorn does not say where
    with open_device(spec) as device:
        with pytest.raises(DeviceError) as caught:
            device.predict(misbehaving(fault))
        assert f"{spec.split()[0]}: fault in `{function}`" in str(caught.value)
        assert text in str(caught.value)
        with pytest.raises(DeviceError, match="the device is closed"):
            device.read_state()


def test_stack_overflow_is_named(spec):
    with open_device(spec) as device, pytest.raises(DeviceError) as caught:
        device.predict(misbehaving(STACK_OVERFLOW))
    assert "`overflow_stack`" in str(caught.value)
    assert "stack overflow" in str(caught.value)
    assert "larger stack_bytes" in str(caught.value)


@pytest.mark.parametrize("spec", ["unicorn cortex-m0plus", "qemu cortex-m7"])
def test_unaligned_access_is_caught(spec):
    with open_device(spec) as device, pytest.raises(DeviceError) as caught:
        device.predict(misbehaving(UNALIGNED_ACCESS))
    assert "fault in `unaligned_access`" in str(caught.value)
    assert "unaligned access" in str(caught.value).partition("):")[2]


def test_endless_firmware_is_stopped():
    limited = open_device("unicorn cortex-m7", instruction_limit=100_000)
    with limited, pytest.raises(DeviceError, match=r"no reply after 100,000 .* `endless_loop`"):
        limited.predict(misbehaving(ENDLESS_LOOP))
    impatient = open_device("qemu cortex-m7", timeout_seconds=0.5)
    with impatient, pytest.raises(DeviceError, match=r"no reply within 0\.5 seconds"):
        impatient.predict(misbehaving(ENDLESS_LOOP))


def test_firmware_refuses_what_it_cannot_do(spec):
    step = struct.pack("<4i", 3, 1, 0, 0)
    cases = [
        (99, b"", "unknown command"),
        (Command.INIT, b"abc", "wrong length"),
        (Command.PREDICT, bytes(47), "wrong length"),
        (Command.TRAIN, step + bytes(48), "the label is no class"),
        (Command.TRAIN, struct.pack("<4i", 0, 1 << 15, 0, 0) + bytes(48), "rate is out of range"),
        (Command.WRITE_STATE, bytes(500), "wrong length"),
        (Command.READ_STATE, b"x", "wrong length"),
    ]
    with open_device(spec) as device:
        device.initialize(3)
        state = device.read_state()
        for command, payload, text in cases:
            with pytest.raises(DeviceError, match=f"refused command {int(command)}: .*{text}"):
                device.exchange(command, payload)
        assert device.read_state() == state


def test_state_in_the_stack_region_works_the_same():
    flags = ["-DARENA_PADDING=215000", "-DINPUTS=12000"]
    library = build_host_library(FAKE_MODEL, extra_flags=flags).path
    elf = firmware("cortex-m7", extra_flags=flags)
    sample = np.arange(12000, dtype=np.int64).astype(np.int8)
    with HostDevice(library) as host, UnicornDevice(elf, get_target("cortex-m7")) as board:
        for device in (host, board):
            device.initialize(4)
            device.train_step(sample, 1, RATE)
        assert host.read_state() == board.read_state()


def test_qemu_that_dies_is_told_with_its_own_words(monkeypatch, tmp_path):
    require_qemu()
    device = open_device("qemu cortex-m7")
    device._process.kill()
    with pytest.raises(DeviceError, match="QEMU ended with code -9"):
        device.initialize(1)
    (tmp_path / "bad.elf").write_bytes(firmware("cortex-m7").read_bytes())
    real = get_target("cortex-m7")
    monkeypatch.setattr(CortexM, "qemu", "false")
    with pytest.raises(DeviceError, match="QEMU ended with code 1: no error text"):
        QemuDevice(tmp_path / "bad.elf", real)


def test_missing_qemu(monkeypatch):
    monkeypatch.setattr(CortexM, "qemu", "qemu-that-is-not-there")
    assert not qemu_available(get_target("cortex-m7"))
    with pytest.raises(ToolchainError) as caught:
        QemuDevice(firmware("cortex-m7"), get_target("cortex-m7"))
    assert "is not installed" in str(caught.value)
    with pytest.raises(ToolchainError, match="QEMU has no board for target cortex-m0plus"):
        QemuDevice(firmware("cortex-m0plus"), get_target("cortex-m0plus"))


@pytest.mark.parametrize("rate", [0.1, 0.01, 1.0, 0.99999, 1e-9, 12345.678, 1e-300])
def test_learning_rate_keeps_fifteen_bits(rate):
    made = LearningRate.from_float(rate)
    assert 16384 <= made.mantissa <= 32767
    assert made.value == pytest.approx(rate, rel=2**-15)


def test_learning_rate_limits():
    assert LearningRate.from_float(0.0) == LearningRate(0, 0)
    for bad in (-0.1, float("nan"), float("inf")):
        with pytest.raises(DataError, match="finite number from 0 up"):
            LearningRate.from_float(bad)
    with pytest.raises(DataError, match="mantissa is 0 to 32767, not 32768"):
        LearningRate(32768, 0)
    with pytest.raises(DataError, match="exponent is -1100 to 1100"):
        LearningRate(1, 1 << 31)
