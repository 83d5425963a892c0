"""What docs/serial.md shows: its examples compile, and its walk-through prints what it says."""

import re
import socket
import subprocess
import sys

import pytest

from applications import needs, run
from command_line import kilograd
from kilograd.device.serial_port import SerialAddress
from test_serial_boards import connected
from test_serial_builds import exported

STM32 = """
#pragma once
#include <stdint.h>
typedef struct { volatile uint32_t SR, DR, BRR, CR1; } USART_TypeDef;
typedef struct { volatile uint32_t CTRL, CYCCNT; } DWT_Type;
typedef struct { volatile uint32_t DHCSR, DCRSR, DCRDR, DEMCR; } CoreDebug_Type;
typedef enum { USART2_IRQn = 38 } IRQn_Type;
#define USART2 ((USART_TypeDef *)0x40004400u)
#define DWT ((DWT_Type *)0xE0001000u)
#define CoreDebug ((CoreDebug_Type *)0xE000EDF0u)
#define USART_SR_RXNE (1u << 5)
#define USART_SR_TXE (1u << 7)
#define USART_CR1_RXNEIE (1u << 5)
#define CoreDebug_DEMCR_TRCENA_Msk (1u << 24)
#define DWT_CTRL_CYCCNTENA_Msk 1u
extern uint32_t SystemCoreClock;
void NVIC_EnableIRQ(IRQn_Type number);
void USART2_IRQHandler(void);
void serve_the_pc(void);
"""
ARDUINO = """
#pragma once
#include <stddef.h>
#include <stdint.h>
struct Stream {
    void begin(unsigned long baud);
    int read();
    size_t write(const uint8_t *bytes, size_t count);
};
extern Stream Serial;
unsigned long micros();
void setup();
void loop();
"""
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror")
PORT = "5555"


@pytest.fixture(scope="module")
def page(request):
    return (request.config.rootpath / "docs" / "serial.md").read_text(encoding="utf-8")


def blocks(page, language):
    every = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [text for name, text in every if name == language]


@needs("arm-none-eabi-gcc", "g++")
def test_the_examples_compile(page, tmp_path):
    exported(tmp_path)
    (tmp_path / "stm32f4xx.h").write_text(STM32)
    (tmp_path / "Arduino.h").write_text(ARDUINO)
    stm32, _ = blocks(page, "c")
    (arduino,) = blocks(page, "cpp")
    (tmp_path / "stm32.c").write_text(stm32)
    (tmp_path / "arduino.cpp").write_text(arduino)
    arm = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O2", "-std=c11", *WARNINGS]
    run([*arm, "-Ic", "-I.", "-c", "stm32.c"], tmp_path)
    run(["g++", "-std=c++11", *WARNINGS, "-Ic", "-I.", "-c", "arduino.cpp"], tmp_path)


def ran(command, folder):
    """A command of the page: its exit code, and what it prints."""
    words = command.split()
    if words[0] == "kilograd":
        words = kilograd(*words[1:])
    if words[0] == "python":
        words[0] = sys.executable
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, done.stdout + done.stderr.lstrip("\n")


@pytest.mark.thorough
@needs("arm-none-eabi-gcc", "qemu-system-arm")
@pytest.mark.skipif(sys.platform == "win32", reason="commands of a shell")
def test_the_walk_through_prints_what_the_page_says(page, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = str(free.getsockname()[1])
    (tmp_path / "main.c").write_text(blocks(page, "c")[1])
    (tmp_path / "board.ld").write_text(blocks(page, "ld")[0])
    plain = blocks(page, "")
    (setup,) = (text for text in plain if "qemu-system-arm" in text)
    compiled, built, emulator = setup.replace("\\\n", "").strip().splitlines()
    assert ran(compiled, tmp_path)[0] == 0
    run(["sh", "-c", built], tmp_path)
    command = emulator.replace(PORT, number).removesuffix("&").split()
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL) as process:
        try:
            connected(SerialAddress.parse(f"serial:tcp://localhost:{number}")).close()
            shown = [text for text in plain if text.startswith("$ ")]
            for text, code in zip(shown, (0, 2), strict=True):
                asked, _, expected = text.removeprefix("$ ").partition("\n")
                found = ran(asked.replace(PORT, number), tmp_path)
                assert found == (code, expected.replace(PORT, number))
        finally:
            process.kill()


def test_the_figures_are_right(page):
    """Of a sample of 48x48x3 in pieces of 240, with their answers, and of the step."""
    frames = -(-6912 // 240)
    line = 6912 + 32 * frames + (16 + 12) + 16 + (16 + 8)
    assert "about 7,900 bytes" in page
    assert round(line, -2) == 7900
    for baud in (9600, 115_200, 921_600):
        assert f"| {baud:,} | {line * 10 / baud:.2g} |" in page
