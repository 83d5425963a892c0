"""Converts networks in Keras to build/converted/keras, for the part "converted" of the experiment.

    python -m experiments.importing.converting.keras_files

In an environment with tensorflow-cpu 2.21, which kilograd does not need. Takes ten minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.importing.converting.keras_networks import NETWORKS, K, L

_FOLDER = Path("build/converted/keras")

#: What quantization is calibrated with.
_SAMPLES = 8


def _spread_statistics(model: Any, rng: np.random.Generator) -> None:
    """Give batch normalizations something to do."""
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            names = [weight.name for weight in layer.weights]
            drawn = {
                "gamma": rng.uniform(0.5, 1.5, layer.weights[0].shape),
                "beta": rng.normal(0, 0.2, layer.weights[0].shape),
                "moving_mean": rng.normal(0, 0.2, layer.weights[0].shape),
                "moving_variance": rng.uniform(0.5, 1.5, layer.weights[0].shape),
            }
            layer.set_weights([drawn[name] for name in names])


def _converted(model: Any, rng: np.random.Generator) -> bytes:
    shape = (1, *model.input_shape[1:])

    def samples() -> Iterator[list[Any]]:
        for _ in range(_SAMPLES):
            yield [rng.uniform(-1, 1, shape).astype(np.float32)]

    with tempfile.TemporaryDirectory() as folder:
        # A batch of one: TensorFlow Lite Micro takes the shapes in the file as they are.
        signature = [tf.TensorSpec(shape, tf.float32)]
        model.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()


def main() -> None:
    """Write them all."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    for name, build in NETWORKS.items():
        K.utils.set_random_seed(0)
        rng = np.random.default_rng(0)
        model = build()
        _spread_statistics(model, rng)
        (_FOLDER / f"{name}.tflite").write_bytes(_converted(model, rng))
        print(name, flush=True)


if __name__ == "__main__":
    main()
