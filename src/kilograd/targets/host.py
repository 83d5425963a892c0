"""The machine that kilograd itself runs on; also the fastest simulator of all the others."""

from kilograd.targets.target import Target

HOST = Target(
    name="host",
    part="this computer",
    zig_flags=("-mcpu=native",),
    gcc_flags=("-march=native",),
)
