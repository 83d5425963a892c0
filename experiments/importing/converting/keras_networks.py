"""Networks in Keras, and Keras' own, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

K = tf.keras
L = K.layers
A = K.applications

Build = Callable[[], Any]

_IMAGE, _SEQUENCE = (24, 24, 3), (61, 6)


def _chain(shape: tuple[int, ...], *layers: Any, classes: int = 5) -> Build:
    """Layers one after the other, then an average over the map if it is one, and a dense layer."""

    def build() -> Any:
        model = K.Sequential([L.Input(shape, batch_size=1), *layers])
        rank = len(model.output_shape)
        average = {4: L.GlobalAveragePooling2D, 3: L.GlobalAveragePooling1D}.get(rank)
        for layer in [*([average()] if average else []), L.Dense(classes)]:
            model.add(layer)
        return model

    return build


def _of(shape: tuple[int, ...], function: Callable[[Any], Any]) -> Build:
    """What a function makes of a sample, then a dense layer."""

    def build() -> Any:
        sample = L.Input(shape, batch_size=1)
        return K.Model(sample, L.Dense(5)(function(sample)))

    return build


def _application(name: str, **options: Any) -> Build:
    return lambda: getattr(A, name)(weights=None, classes=10, input_shape=(96, 96, 3), **options)


def _convolutions(x: Any, count: int) -> list[Any]:
    return [L.Conv2D(8, 3, padding="same")(x) for _ in range(count)]


def _squeeze_and_excite(x: Any) -> Any:
    x = L.Conv2D(16, 3, activation="relu")(x)
    gate = L.Dense(4, activation="relu")(L.GlobalAveragePooling2D()(x))
    gate = L.Reshape((1, 1, 16))(L.Dense(16, activation="sigmoid")(gate))
    return L.GlobalAveragePooling2D()(L.Multiply()([x, gate]))


def _dense_block(x: Any) -> Any:
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(x)))
    x = L.MaxPooling2D()(x)
    for _ in range(2):
        y = L.Conv2D(8, 1)(L.ReLU()(L.BatchNormalization()(x)))
        y = L.Conv2D(4, 3, padding="same")(L.ReLU()(L.BatchNormalization()(y)))
        x = L.Concatenate()([x, y])
    return L.GlobalAveragePooling2D()(L.ReLU()(x))


def _inception(x: Any) -> Any:
    branches = [
        L.Conv2D(4, 1, activation="relu")(x),
        L.Conv2D(4, 3, padding="same", activation="relu6")(x),
        L.Conv2D(4, 1)(L.MaxPooling2D(3, 1, padding="same")(x)),
        L.Conv2D(4, 1, activation="tanh")(x),
    ]
    return L.GlobalAveragePooling2D()(L.Concatenate()(branches))


def _ds_cnn(x: Any) -> Any:
    x = L.Conv2D(8, (10, 4), strides=2, padding="same")(L.Reshape((49, 10, 1))(x))
    for layer in (L.DepthwiseConv2D(3, padding="same"), L.Conv2D(8, 1)):
        x = layer(L.ReLU()(L.BatchNormalization()(x)))
    return L.Flatten()(L.AveragePooling2D((25, 5))(L.ReLU()(L.BatchNormalization()(x))))


def _tcn(x: Any) -> Any:
    """Bai et al., 2018: the last step of dilated causal convolutions with joins."""
    for dilation in (1, 2, 4, 8):
        y = L.Conv1D(8, 3, padding="causal", dilation_rate=dilation)(x)
        y = L.ReLU()(L.BatchNormalization()(y))
        y = L.Conv1D(8, 3, padding="causal", dilation_rate=dilation)(y)
        x = L.ReLU()(L.Add()([y, x if x.shape[-1] == y.shape[-1] else L.Conv1D(8, 1)(x)]))
    return x[:, -1, :]


def _wavenet(x: Any) -> Any:
    x = L.Conv1D(8, 1)(x)
    for dilation in (1, 2, 4):
        gates = [
            L.Conv1D(8, 2, padding="causal", dilation_rate=dilation, activation=kind)(x)
            for kind in ("tanh", "sigmoid")
        ]
        x = L.Add()([x, L.Conv1D(8, 1)(L.Multiply()(gates))])
    return L.Flatten()(x)


def _again(shape: tuple[int, ...], *layers: Any) -> Build:
    """Layers that make the sample again."""
    return lambda: K.Sequential([L.Input(shape, batch_size=1), *layers])


def _unet() -> Any:
    sample = L.Input((16, 16, 1), batch_size=1)
    map_ = L.Conv2D(6, 3, padding="same", activation="relu")(sample)
    half = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(map_)
    whole = L.Conv2DTranspose(6, 2, strides=2, padding="same")(half)
    return K.Model(sample, L.Conv2D(1, 1)(L.Concatenate()([map_, whole])))


NETWORKS: Mapping[str, Build] = {
    "MobileNet": _application("MobileNet", alpha=0.25),
    "MobileNetV2": _application("MobileNetV2", alpha=0.35),
    "MobileNetV3Small": _application("MobileNetV3Small"),
    "EfficientNetB0": _application("EfficientNetB0"),
    "EfficientNetV2B0": _application("EfficientNetV2B0"),
    "DenseNet121": _application("DenseNet121"),
    "NASNetMobile": _application("NASNetMobile"),
    "InceptionV3": _application("InceptionV3"),
    "Xception": _application("Xception"),
    "ResNet50": _application("ResNet50"),
    "ResNet50V2": _application("ResNet50V2"),
    "VGG16": _application("VGG16"),
    "ConvNeXtTiny": _application("ConvNeXtTiny"),
    "pixels scaled": _chain(
        _IMAGE, L.Rescaling(1 / 255), L.Conv2D(8, 3, activation="relu"), L.MaxPooling2D()
    ),
    "pixels resized": _chain(_IMAGE, L.Resizing(16, 16), L.Conv2D(8, 3)),
    "flattened map": _chain(_IMAGE, L.Conv2D(4, 3), L.MaxPooling2D(), L.Flatten(), L.Dense(16)),
    "channels first": _chain((3, 24, 24), L.Permute((2, 3, 1)), L.Conv2D(8, 3)),
    "padded and cropped": _chain(
        _IMAGE,
        L.ZeroPadding2D(3),
        L.MaxPooling2D(3, 2),
        L.Cropping2D(1),
        L.ZeroPadding2D(4),
        L.Conv2D(6, 3),
    ),
    "dilated map": _chain(
        _IMAGE,
        L.Conv2D(8, 3, dilation_rate=2, activation="relu"),
        L.DepthwiseConv2D(3, dilation_rate=2, padding="same", activation="relu6"),
    ),
    "activations": _chain(
        _IMAGE,
        *(L.Conv2D(8, 3, activation=kind) for kind in ("swish", "elu", "hard_sigmoid")),
        *(L.LeakyReLU(), L.Conv2D(8, 3), L.PReLU(shared_axes=[1, 2])),
        *(L.Conv2D(8, 3), L.ReLU(max_value=1.0), L.Conv2D(8, 3), L.ReLU(negative_slope=0.1)),
    ),
    "softplus": _chain(_IMAGE, L.Conv2D(8, 3, activation="softplus")),
    "SELU": _chain(_IMAGE, L.Conv2D(8, 3, activation="selu")),
    "upsampled": _chain(_IMAGE, L.Conv2D(8, 3, strides=2), L.UpSampling2D(), L.Conv2D(8, 3)),
    "layer normalization": _chain(_IMAGE, L.Conv2D(8, 3), L.LayerNormalization()),
    "dense layers": _chain((33,), L.Dense(20, activation="relu"), L.Dense(10, activation="tanh")),
    "gait": _chain(
        (128, 3), L.Conv1D(16, 5, activation="relu"), L.MaxPooling1D(2), L.Conv1D(16, 3)
    ),
    "separable sequence": _chain(_SEQUENCE, L.SeparableConv1D(8, 3), L.GlobalMaxPooling1D()),
    "causal sequence": _chain(
        _SEQUENCE,
        L.Conv1D(8, 3, padding="causal", dilation_rate=2, activation="relu"),
        L.Conv1D(8, 3, padding="same", dilation_rate=4),
    ),
    "autoencoder": _again(
        (640,), *(L.Dense(n, activation="relu") for n in (32, 8, 32)), L.Dense(640)
    ),
    "autoencoder of flat pictures": _again(
        (28, 28),
        L.Flatten(),
        L.Dense(32, activation="relu"),
        L.Dense(784, activation="sigmoid"),
        L.Reshape((28, 28)),
    ),
    "autoencoder of maps": _again(
        (28, 28, 1),
        *(L.Conv2D(n, 3, strides=2, padding="same", activation="relu") for n in (8, 4)),
        *(L.Conv2DTranspose(n, 3, strides=2, padding="same", activation="relu") for n in (4, 8)),
        L.Conv2D(1, 3, padding="same", activation="sigmoid"),
    ),
    "autoencoder by upsampling": _again(
        (28, 28, 1),
        *(L.Conv2D(8, 3, padding="same", activation="relu"), L.MaxPooling2D()),
        *(L.Conv2D(8, 3, padding="same"), L.BatchNormalization(), L.ReLU(), L.UpSampling2D()),
        L.Conv2D(1, 3, padding="same", activation="sigmoid"),
    ),
    "autoencoder of sequences": _again(
        (64, 3),
        *(L.Conv1D(n, 5, strides=2, padding="same", activation="relu") for n in (8, 4)),
        L.Conv1DTranspose(8, 5, strides=2, padding="same", activation="relu"),
        L.Conv1DTranspose(3, 5, strides=2, padding="same"),
    ),
    "U-Net": _unet,
    "simple RNN": _chain((8, 4), L.SimpleRNN(8, unroll=True)),
    "squeeze and excite": _of(_IMAGE, _squeeze_and_excite),
    "dense block": _of(_IMAGE, _dense_block),
    "inception block": _of(_IMAGE, _inception),
    "DS-CNN": _of((490,), _ds_cnn),
    "TCN": _of((50, 6), _tcn),
    "WaveNet": _of((32, 3), _wavenet),
    "attention": _of((16, 8), lambda x: L.Flatten()(L.MultiHeadAttention(2, 8)(x, x))),
    "difference of maps": _of(
        _IMAGE, lambda x: L.GlobalAveragePooling2D()(L.Subtract()(_convolutions(x, 2)))
    ),
    "two pools": _of(
        _IMAGE,
        lambda x: L.Concatenate()([L.GlobalAveragePooling2D()(x), L.GlobalMaxPooling2D()(x)]),
    ),
}
"""How each is built, for samples one at a time."""
