"""kilograd verify checks that every device computes the same bits."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from kilograd.cli.blame import blame
from kilograd.cli.compile import NamedModel
from kilograd.device.open import EMULATORS, check_device, is_emulated, target_of
from kilograd.errors import DeviceError
from kilograd.measuring.equivalence import verify_devices
from kilograd.measuring.firmware import build_program, check_firmware_target
from kilograd.targets import get_target


def verify_model(
    console: Console,
    answers: Console,
    named: NamedModel,
    steps: int,
    devices: str | None,
    beside: list[str],
    target: str,
    seed: int,
) -> dict[str, Any]:
    """Train on each device, show and return whether they agree."""
    if devices is None:
        devices = "reference,host" if beside else "reference,host,unicorn"
    names = [name.strip() for name in devices.split(",") if name.strip()]
    if not names:
        raise DeviceError("name at least one device", where="--devices")
    for option, given in (("--devices", names), ("--device", beside)):
        with blame(option):
            for name in given:
                check_device(name)
    names = list(dict.fromkeys((*names, *beside)))
    with blame("--target"):
        chosen = get_target(target)
        if set(names) & set(EMULATORS):
            check_firmware_target(chosen)
    program = named.compile(chosen)
    for name in filter(is_emulated, names):
        build_program(program.for_target(target_of(program, name)))
    with console.status("") as status:
        equivalence = verify_devices(
            program,
            names,
            steps=steps,
            seed=seed,
            progress=lambda name, step: status.update(f"{name}: step {step} of {steps}"),
        )
    for name, digests in equivalence.digests.items():
        answers.print(f"{name:>10}  {digests[-1]}", markup=False, highlight=False, soft_wrap=True)
    verdict = "identical" if equivalence.identical else "DIFFERENT"
    answers.print(f"the devices are {verdict} after {steps} steps", style="bold")
    return {
        "identical": equivalence.identical,
        "digest": equivalence.digest,
        "steps": steps,
        "devices": names,
        "first_difference": equivalence.first_difference,
    }
