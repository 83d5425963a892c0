"""kilograd verify: the same bits on every device."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from kilograd.cli.compile import NamedModel
from kilograd.device.open import DEVICES, EMULATED
from kilograd.errors import DeviceError
from kilograd.measuring.equivalence import verify_devices
from kilograd.measuring.firmware import build_program


def verify_model(
    console: Console,
    named: NamedModel,
    steps: int,
    devices: str,
    target: str,
    seed: int,
) -> dict[str, Any]:
    """Train on each device, show and return whether they agree."""
    names = [name.strip() for name in devices.split(",") if name.strip()]
    unknown = [name for name in names if name not in DEVICES]
    if unknown or not names:
        raise DeviceError(
            f"there is no device {', '.join(unknown) or devices!r}",
            where="--devices",
            hint=f"devices: {', '.join(DEVICES)}",
        )
    program = named.compile()
    if set(names) & set(EMULATED):
        build_program(program, target)
    with console.status("") as status:
        equivalence = verify_devices(
            program,
            names,
            steps=steps,
            seed=seed,
            target=target,
            progress=lambda name, step: status.update(f"{name}: step {step} of {steps}"),
        )
    for name, digests in equivalence.digests.items():
        console.print(f"{name:>10}  {digests[-1]}", markup=False, highlight=False)
    verdict = "identical" if equivalence.identical else "DIFFERENT"
    console.print(f"{verdict} after {steps} steps", style="bold")
    return {
        "identical": equivalence.identical,
        "digest": equivalence.digest,
        "steps": steps,
        "devices": names,
        "first_difference": equivalence.first_difference,
    }
