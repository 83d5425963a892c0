"""A board at a serial line: in this process and on QEMU's boards, behind a line that goes wrong."""
