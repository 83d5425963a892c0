"""Arm Cortex-M: startup, linker script, fault handlers, semihosting."""
