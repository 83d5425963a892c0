"""The walk of docs/board.md: a board that loses its power prints what the page says."""

import socket
import subprocess
import sys

import pytest

from applications import needs, run
from kilograd.device.serial_port import SerialAddress
from test_serial_boards import connected
from test_serial_page import blocks, ran

PORT = "5556"


@pytest.fixture(scope="module")
def page(request):
    return (request.config.rootpath / "docs" / "board.md").read_text(encoding="utf-8")


class Emulator:
    """The page's command of QEMU, which can be started again."""

    def __init__(self, command, folder, number):
        self._command = command.replace(PORT, number).removesuffix("&").split()
        self._folder = folder
        self._address = SerialAddress.parse(f"serial:tcp://localhost:{number}")

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command, cwd=self._folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        connected(self._address).close()
        return self

    @property
    def pid(self):
        return (self._folder / "qemu.pid").read_text().strip()

    def is_killed(self):
        return self._process.wait(10) == -9

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()


@pytest.mark.thorough
@needs("arm-none-eabi-gcc", "qemu-system-arm")
@pytest.mark.skipif(sys.platform == "win32", reason="commands of a shell")
def test_the_walk_prints_what_the_page_says(page, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = str(free.getsockname()[1])
    for name, language in (("main.c", "c"), ("board.ld", "ld"), ("learn.py", "python")):
        (text,) = blocks(page, language)
        (tmp_path / name).write_text(text)
    plain = blocks(page, "")
    (setup,) = (text for text in plain if "qemu-system-arm" in text)
    compiled, built, erased, emulator = setup.replace("\\\n", "").strip().splitlines()
    assert ran(compiled, tmp_path)[0] == 0
    run(["sh", "-c", built], tmp_path)
    run(["sh", "-c", erased.replace("python", sys.executable, 1)], tmp_path)
    before, after, proof = (text for text in plain if text.startswith("$ "))
    qemu = Emulator(emulator, tmp_path, number)
    with qemu:
        check(before.replace("$(cat qemu.pid)", qemu.pid), tmp_path, number)
        assert qemu.is_killed()
    with qemu:
        check(after + proof, tmp_path, number)


def check(block, folder, number):
    """Each command of a block prints what stands behind it."""
    for text in block.removeprefix("$ ").split("\n$ "):
        asked, _, expected = text.partition("\n")
        code, found = ran(asked.replace(PORT, number), folder)
        assert code == 0, found
        assert found.replace(number, PORT).strip() == expected.strip(), asked
