"""The serial device and the command line at ports of this computer; what goes wrong there."""

import socket
import struct
import sys
from threading import Thread

import numpy as np
import pytest

from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.device.open import check_device, compiler_of, is_emulated, open_device, target_of
from kilograd.device.protocol import LearningRate
from kilograd.device.serial import SerialDevice
from kilograd.device.serial_frames import Frame, FrameDecoder, Kind
from kilograd.device.serial_link import Patience
from kilograd.device.serial_port import SerialAddress
from kilograd.errors import DeviceError
from kilograd.frontend.open import load_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import native_model
from serial_line.wires import Board, Clock, board_library

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals")
if sys.platform != "win32":
    from serial_line.ptys import Port

IMPATIENT = Patience(retry_seconds=0.05, answer_seconds=0.4, work_seconds=1.0)
RATE = LearningRate.from_float(0.01)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return native_model(classes=4).write(tmp_path_factory.mktemp("model") / "tiny.npz")


@pytest.fixture(scope="module")
def graph(model):
    return load_model(str(model), 4)


@pytest.fixture(scope="module")
def program(graph):
    return compile_model(graph, load_scheme("last:2", graph), get_target("portable"))


@pytest.fixture(scope="module")
def library(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "c"
    export_c(program, folder)
    return board_library(folder)


@pytest.fixture
def board(library):
    return Board(library, Clock())


@pytest.fixture
def port(board):
    """A port with the board, in time that passes."""

    def answer(data):
        board.write(data)
        return board.read(0)

    with Port(answer) as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(SerialAddress, "patience", IMPATIENT)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    rng = np.random.default_rng(8)
    labels = np.arange(12) % 4
    path = tmp_path_factory.mktemp("data") / "pack.npz"
    np.savez(
        path,
        inputs=rng.integers(-128, 128, (12, 16, 16, 3)).astype(np.int8),
        labels=labels,
        split=np.arange(12) // 8,
        class_names=("up", "down", "left", "right"),
    )
    return path


@posix
def test_a_board_is_a_device(port, program, board):
    sample = np.arange(768, dtype=np.int64).astype(np.int8).reshape(16, 16, 3)
    with open_device(program, port.name) as device, open_device(program, "host") as host:
        assert device.name == port.name
        for label in (0, 3, 1):
            logits = device.train_step(sample, label, RATE)
            assert np.array_equal(logits, host.train_step(sample, label, RATE))
        assert device.read_state() == host.read_state()
        assert device.counters().training == host.counters().training
        assert device.counters().instructions_last_call is None
        assert device.counters().stack_bytes is None
    assert board.steps == 3


@posix
def test_the_command_line_uses_a_board(kilograd, port, model, pack, tmp_path, board):
    verified = kilograd(
        *("verify", model, "--scheme", "last:2", "--classes", 4, "--steps", 4, "--json"),
        *("--devices", f"reference,{port.name}"),
    ).json
    assert verified["identical"]
    options = ("--scheme", "last:2", "--data", pack, "--json")
    on_board = kilograd(
        "train", model, *options, "--device", port.name, "--save", tmp_path / "s.kgs"
    ).json
    assert on_board["state_digest"] == kilograd("train", model, *options).json["state_digest"]
    assert on_board["compiler"] is None
    assert "instructions_train_step" not in on_board
    assert board.steps == on_board["counters"]["steps"] > 0
    state = ("--state", tmp_path / "s.kgs", "--json", "--device", port.name)
    tested = kilograd("evaluate", model, "--data", pack, *state).json
    assert tested["accuracy"] == on_board["accuracy_after"]


@posix
def test_a_board_is_verified_against_the_pc(kilograd, port, model):
    options = ("--scheme", "last:2", "--classes", 4, "--steps", 2, "--json")
    verified = kilograd("verify", model, *options, "--device", port.name).json
    assert verified["devices"] == ["reference", "host", port.name]
    assert verified["identical"]
    chosen = ("--devices", "host", "--device", port.name, "--device", "host")
    assert kilograd("verify", model, *options, *chosen).json["devices"] == ["host", port.name]
    outcome = kilograd("verify", model, "--device", "ghost")
    outcome.refused("--device: there is no device 'ghost'")


@posix
def test_a_board_is_timed_by_its_own_clock(kilograd, port, model, program, board):
    options = ("--scheme", "last:2", "--classes", 4)
    sample = np.ones((16, 16, 3), np.int8)
    with SerialDevice.open(port.name, program) as device:
        device.initialize(0)
        device.train_step(sample, 2, RATE)
        learned = device.read_state()
    measured = kilograd("measure", model, *options, "--json", "--device", port.name).json
    times = measured["board"]
    assert times.keys() == {"inference_seconds", "train_step_seconds"}
    assert all(seconds > 0 for seconds in times.values())
    assert kilograd("measure", model, *options, "--json").json["board"] is None
    with SerialDevice.open(port.name, program) as device:
        assert device.read_state() == learned
    shown = kilograd("measure", model, *options, "--device", port.name)
    assert "on the board" in shown.out
    outcome = kilograd("measure", model, *options, "--device", "unicorn")
    outcome.refused("--device: 'unicorn' is no board", "write serial:PORT[@BAUD]")


@posix
def test_unplugged_in_the_middle_of_a_step(port, program):
    sample = np.zeros((16, 16, 3), np.int8)
    with open_device(program, port.name) as device:
        device.predict(sample)
        port.unplug()
        with pytest.raises(DeviceError, match=r"serial:.*: the board is gone: ") as caught:
            device.train_step(sample, 1, RATE)
        assert "was it unplugged, or reset?" in str(caught.value)
        with pytest.raises(DeviceError, match="the device is closed"):
            device.read_state()


@posix
def test_a_board_that_falls_silent(port, program, board, impatient):
    sample = np.zeros((16, 16, 3), np.int8)
    with open_device(program, port.name) as device:
        board.write = lambda data: None
        with pytest.raises(
            DeviceError, match=r"no answer within 0\.\d+ seconds, in the middle of a session"
        ):
            device.predict(sample)


def refused_at(kilograd, model, name, *texts):
    """The same error for Python and at the command line, which names the device."""
    outcome = kilograd("verify", model, "--scheme", "last:2", "--classes", 4, "--devices", name)
    outcome.refused(name, *texts)
    assert "--device" not in outcome.err
    assert "--baud" not in outcome.err


@posix
def test_nothing_answers(kilograd, model, impatient):
    with Port() as port:
        refused_at(kilograd, model, port.name, "no answer within 0.4 seconds", "baud rate 115200?")


@posix
@pytest.mark.parametrize("noise", [b"boot v1.2\r\nhello\r\n", b"\xf8\x00\x1e\x80\x00\xe6"])
def test_another_firmware_or_another_baud_rate(kilograd, model, impatient, noise):
    with Port(talk=noise) as port:
        texts = "bytes came, and none of kilograd's protocol", "another firmware runs there, or"
        refused_at(kilograd, model, f"{port.name}@9600", *texts, "is its baud rate 9600")


@posix
def test_a_port_that_echoes_is_no_board(kilograd, model, impatient):
    with Port(lambda data: data) as port:
        refused_at(kilograd, model, port.name, "no answer within 0.4 seconds, but")


def hello(*about, text=b"tiny, head"):
    """Answers every request as if it were a greeting."""
    decoder = FrameDecoder()

    def answer(data):
        frames = decoder.feed(data)
        data = struct.pack(f"<{len(about)}I", *about) + text
        return b"".join(
            Frame(Kind(frame.kind).answer, frame.sequence, 0, data).encode() for frame in frames
        )

    return answer


@posix
@pytest.mark.parametrize(("version", "age"), [(0, "older"), (2, "newer"), (1 << 31, "newer")])
def test_another_version_of_the_protocol(kilograd, model, version, age):
    with Port(hello(version, 7)) as port:
        what = f"the firmware speaks version {version} of the protocol, and this kilograd version 1"
        refused_at(kilograd, model, port.name, what, f"the firmware is {age}: use one version")


@posix
def test_a_firmware_that_says_too_little(kilograd, model):
    with Port(hello(1, 7, text=b"")) as port:
        refused_at(kilograd, model, port.name, "the firmware says too little about itself")


@posix
def test_a_firmware_of_another_model(kilograd, port, graph, model):
    other = compile_model(graph, load_scheme("head", graph))
    with pytest.raises(DeviceError, match=r"holds another model: tiny, last:2 \(id ") as caught:
        open_device(other, port.name)
    assert f"not tiny, head (id {other.model_id:08x})" in str(caught.value)
    outcome = kilograd("verify", model, "--classes", 4, "--scheme", "head", "--devices", port.name)
    outcome.refused("the firmware holds another model: tiny, last:2", "compile these into")


def test_a_port_that_is_not_there(kilograd, model):
    name = "serial:/dev/ttyNONE7"
    refused_at(kilograd, model, name, "there is no port /dev/ttyNONE7", "ports of this computer: ")


@posix
def test_a_port_that_another_program_uses(kilograd, model, port, program):
    with open_device(program, port.name):
        what = f"another program uses {port.path}"
        refused_at(kilograd, model, port.name, what, "close its connection to the board")


def test_what_is_no_serial_port(kilograd, model, tmp_path):
    (tmp_path / "file").write_text("")
    what = f"{tmp_path}/file cannot be used as a serial port"
    refused_at(kilograd, model, f"serial:{tmp_path}/file", what)


def test_a_port_that_may_not_be_opened(monkeypatch, program):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("serial.serial_for_url", refuse)
    with pytest.raises(DeviceError, match="/dev/ttyX may not be opened") as caught:
        open_device(program, "serial:/dev/ttyX")
    assert "dialout" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("serial:", "'serial:' names no board", "serial:PORT[@BAUD] or serial:tcp://HOST:PORT"),
        ("serial:COM3@fast", "'fast' is no baud rate", "@115200"),
        ("serial:COM3@0", "'0' is no baud rate", "@115200"),
        ("serial:COM3@-5", "'-5' is no baud rate", "@115200"),
        ("serial:@9600", "'9600' is no baud rate", "@115200"),
        ("serial:tcp://", "'' is no host with a port", "localhost:5555"),
        ("serial:tcp://here", "'here' is no host with a port", "localhost:5555"),
        ("serial:tcp://here:99999", "'here:99999' is no host with a port", "localhost:5555"),
    ],
)
def test_names_that_are_none(kilograd, model, name, what, hint):
    with pytest.raises(DeviceError) as caught:
        check_device(name)
    assert what in str(caught.value)
    assert hint in str(caught.value)
    kilograd("verify", model, "--devices", name).refused(what)


def test_names_of_boards():
    parse = SerialAddress.parse
    assert parse("serial:COM3") == SerialAddress("serial:COM3", "COM3", 115200)
    assert parse("serial:/dev/x@9600").baud == 9600
    assert parse("serial:tcp://[::1]:70").port == "::1"
    assert parse("serial:tcp://a:70").tcp_port == 70
    assert parse("serial:/dev/x@1200").patience.retry_seconds > 5
    assert parse("serial:/dev/x@1200").patience.answer_seconds > 40


def test_the_list_of_devices_names_boards(kilograd, model):
    kilograd("verify", model, "--devices", "gpu").refused("serial:PORT[@BAUD]")
    assert "serial:PORT[@BAUD]" in " ".join(kilograd("predict", "--help").out.split())


def test_what_a_board_is_to_the_rest(program):
    assert not is_emulated("serial:COM3")
    assert compiler_of(program, "serial:COM3") is None
    assert target_of(program, "serial:COM3") == program.target


@pytest.mark.parametrize(("module", "package"), [("serial", "pyserial"), ("cobs.cobs", "cobs")])
def test_the_packages_may_be_missing(kilograd, model, monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    name = "serial:/dev/ttyNONE7" if package == "pyserial" else "serial:loop://"
    what = f"a serial line needs the package {package}, which is not installed"
    kilograd("verify", model, "--devices", name).refused(what, "pip install 'kilograd[serial]'")


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_board_behind_tcp(listener, program, board):
    def serve():
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                board.write(data)
                connection.sendall(board.read(0))

    thread = Thread(target=serve, daemon=True)
    thread.start()
    with open_device(program, f"serial:tcp://127.0.0.1:{listener.getsockname()[1]}") as device:
        device.train_step(np.zeros((16, 16, 3), np.int8), 1, RATE)
        assert board.steps == 1
    thread.join(5)
    assert not thread.is_alive()


def test_a_connection_that_is_closed(listener, program):
    def serve():
        listener.accept()[0].close()

    Thread(target=serve, daemon=True).start()
    with pytest.raises(DeviceError, match="the board is gone: "):
        open_device(program, f"serial:tcp://127.0.0.1:{listener.getsockname()[1]}")


def test_nobody_listens(kilograd, model, listener):
    number = listener.getsockname()[1]
    listener.close()
    name = f"serial:tcp://127.0.0.1:{number}"
    refused_at(kilograd, model, name, "cannot connect: Connection refused", "does something listen")
    refused_at(kilograd, model, "serial:tcp://no.such.host.invalid:7", "cannot connect: ")


@posix
def test_a_board_that_is_slow_says_that_it_works(program, board):
    """What it works on may take longer than an answer to anything else."""
    late = []

    def answer(data):
        board.write(data)
        came = board.read(0)
        busy, rest = came[: came.find(b"\0", 1) + 1], came[came.find(b"\0", 1) + 1 :]
        if not rest:
            return came
        late.append(rest)  # the answer itself is lost, and asked for again
        return busy

    with Port(answer) as port:
        address = SerialAddress.parse(port.name)
        device = SerialDevice(address.open(), program, patience=IMPATIENT)
        with device, pytest.raises(DeviceError, match=r"no answer within 1(\.\d+)? seconds"):
            device.self_test()
    assert late
