"""Published files that import, against TensorFlow Lite Micro: every byte of every activation."""

from contextlib import suppress

import pytest
from micro import assert_same_bytes

from experiments.common.paths import SHARED
from kilograd.errors import ModelError
from kilograd.frontend.open import load_model

pytestmark = pytest.mark.oracle

MODELS = SHARED / "models"

IMPORTED = (
    "mlperftiny_kws_ref_model",
    "mlperftiny_pretrainedResnet_quant",
    "mlperftiny_vww_96_int8",
    "tflm_person_detect",
    "zoo/emlearn-micropython__mnist_cnn_int8",
    "zoo/mltk__audio_example1",
    "zoo/mltk__autoencoder_example",
    "zoo/mltk__fingerprint_signature_generator",
    "zoo/mltk__image_example1",
    "zoo/mltk__keyword_spotting_alexa",
    "zoo/mltk__keyword_spotting_mobilenetv2",
    "zoo/mltk__rock_paper_scissors",
    "zoo/mltk__tflite_micro_magic_wand",
    "zoo/tflite-micro-arduino-examples__magic_wand_c",
    "zoo/tflite-micro__micro_speech_quantized",
    "zoo/tiny__model_ToyCar_quant_fullint_micro_intio",
    "zoo/tiny__str_ww_ref_model",
    "zoo/tinyengine__vww",
)


#: These make one value, so they need another head.
REGRESSIONS = ("zoo/tflite-micro__hello_world_int8",)


@pytest.mark.parametrize("name", [*IMPORTED, *REGRESSIONS])
def test_every_tensor_has_the_bytes_of_tensorflow_lite_micro(name):
    path = MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"no models at {MODELS}")
    assert_same_bytes(path, classes=2 if name in REGRESSIONS else None)


def test_no_other_file_imports():
    files = sorted(MODELS.rglob("*.tflite"))
    if not files:
        pytest.skip(f"no models at {MODELS}")
    imported = set()
    for path in files:
        with suppress(ModelError):
            load_model(str(path))
            imported.add(path.relative_to(MODELS).with_suffix("").as_posix())
    assert imported == set(IMPORTED)
