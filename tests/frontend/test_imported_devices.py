"""Published files, as they come: a training step of their own head has the same bits everywhere."""

import pytest

from experiments.common.paths import SHARED
from kilograd.compiler import compile_model
from kilograd.frontend.open import load_model
from kilograd.measuring.equivalence import verify_devices
from kilograd.scheme import load_scheme
from kilograd.targets import get_target

DEVICES = ["reference", "host", "cortex-m7", "cortex-m0plus", "riscv32"]

QUICK = ("mlperftiny_kws_ref_model", "zoo/tiny__str_ww_ref_model")
LONG = (
    "mlperftiny_vww_96_int8",
    "mlperftiny_pretrainedResnet_quant",
    "tflm_person_detect",
    "zoo/mltk__rock_paper_scissors",
    "zoo/tiny__model_ToyCar_quant_fullint_micro_intio",
)

#: A last layer of 640 values: with the one before it, the Cortex-M0+ is too small.
WIDE = LONG[-1:]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in LONG)]
)
def test_a_step_is_the_same_on_every_device(name):
    path = SHARED / "models" / f"{name}.tflite"
    if not path.is_file():
        pytest.skip("no published models")
    graph = load_model(str(path))
    scheme = load_scheme("head" if name in WIDE else "last:2", graph)
    program = compile_model(graph, scheme, get_target("cortex-m7"))
    found = verify_devices(program, DEVICES, steps=2)
    assert found.identical, found.first_difference
