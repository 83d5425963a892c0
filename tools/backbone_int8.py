"""Integer form of the backbone: images, quantization rules, reference layers and the file.

Needs NumPy and Pillow, not PyTorch. Images and feature maps are channels-last, int8
`[N, H, W, C]`; a real value is `scale * (q - zero_point)`. Accumulators are sums of integer
products computed in float64, where they are exact, and are checked to fit int32.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

Int8Array = NDArray[np.int8]
Layer = dict[str, Any]

SIDE = 48
INPUT_SCALE = 1.0 / 127.5
INT32_LIMIT = 2**31
BIAS_LIMIT = 2**24
RANGE_QUANTILE = 0.9999


@dataclass(frozen=True)
class Images:
    """One labelled split: `rgb` uint8 `[N, 48, 48, 3]`, `labels` int64 `[N]`."""

    rgb: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_split(path: Path, split: int, limit: int | None, seed: int) -> Images:
    """Decode one split of a data pack and resize it bilinearly to 48x48.

    `limit` keeps that many images drawn at random; None keeps all.
    """
    with np.load(path) as pack:
        jpeg, offsets, labels = pack["jpeg"].tobytes(), pack["offsets"], pack["labels"]
        chosen = np.flatnonzero(pack["split"] == split)
    chosen = np.sort(np.random.default_rng(seed).permutation(chosen)[:limit])
    rgb = np.empty((len(chosen), SIDE, SIDE, 3), np.uint8)
    for row, i in enumerate(chosen):
        with Image.open(io.BytesIO(jpeg[offsets[i] : offsets[i + 1]])) as image:
            rgb[row] = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return Images(rgb, labels[chosen].astype(np.int64))


def quantize_image(rgb: NDArray[np.uint8]) -> Int8Array:
    """Map uint8 RGB of any shape to int8 by `round(rgb - 127.5)`, scale 1/127.5, zero point 0."""
    centred = np.rint(rgb.astype(np.float32) - 127.5)
    return np.clip(centred, -128, 127).astype(np.int8)


def requantize(real_in_steps: NDArray[np.float64], zero_point: int) -> Int8Array:
    """Round values given in output steps, shift by `zero_point` and clamp to int8."""
    return np.clip(np.rint(real_in_steps) + zero_point, -128, 127).astype(np.int8)


def activation_range(y: NDArray[np.floating[Any]], *, relu6: bool) -> tuple[float, int]:
    """Choose scale and zero point from observed outputs: 99.99 % quantiles, zero included.

    A ReLU6 output gets zero point -128 and a scale of at most 6/255.
    """
    low, high = np.quantile(y, (1 - RANGE_QUANTILE, RANGE_QUANTILE))
    if relu6:
        return min(float(np.float32(max(high, 1e-3) / 255)), 6 / 255), -128
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    scale = float(np.float32(max(high - low, 1e-3) / 255))
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def quantize_weights(
    weight: NDArray[np.float32], bias: NDArray[np.float32], x_scale: float
) -> dict[str, NDArray[Any]]:
    """Quantize one layer: int8 `weight`, int32 `bias` in units x_scale * w_scale, `w_scales` `[O]`.

    A scale is raised where a nearly constant channel would need a bias beyond 2**24 steps.
    """
    w, b = weight.astype(np.float64), bias.astype(np.float64)
    peak = np.abs(w).reshape(len(w), -1).max(axis=1)
    scales = np.maximum(peak / 127, np.abs(b) / (x_scale * BIAS_LIMIT))
    scales = np.maximum(scales, 1e-12).astype(np.float32)
    steps = np.rint(w / scales.astype(np.float64).reshape(-1, *[1] * (w.ndim - 1)))
    return {
        "weight": np.clip(steps, -127, 127).astype(np.int8),
        "bias": np.rint(b / (x_scale * scales.astype(np.float64))).astype(np.int32),
        "w_scales": scales,
    }


def accumulate(
    x: NDArray[np.float64], weight: Int8Array, kind: str, kernel: int, stride: int
) -> NDArray[np.float64]:
    """Convolve a zero-centred map `[N, H, W, C]` with OIHW weights, padding `kernel // 2`.

    Returns `[N, ceil(H / stride), ceil(W / stride), O]` in units `x_scale * w_scale`.
    """
    w = weight.astype(np.float64)
    if kind == "pointwise":
        return x @ w[:, :, 0, 0].T
    pad = kernel // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    total = np.zeros((x.shape[0], rows, columns, w.shape[0]))
    for i in range(kernel):
        for j in range(kernel):
            rows_at = slice(i, i + stride * (rows - 1) + 1, stride)
            columns_at = slice(j, j + stride * (columns - 1) + 1, stride)
            tap = padded[:, rows_at, columns_at]
            total += tap * w[:, 0, i, j] if kind == "depthwise" else tap @ w[:, :, i, j].T
    return total


def run_weighted_layer(layer: Layer, arrays: dict[str, NDArray[Any]], x: Int8Array) -> Int8Array:
    """Run one conv, pointwise or depthwise layer: `y = clamp(round(acc * M) + y_zero)`."""
    name = layer["name"]
    centred = x.astype(np.float64) - layer["x_zero"]
    acc = accumulate(
        centred, arrays[f"{name}.weight"], layer["kind"], layer["kernel"], layer["stride"]
    )
    acc += arrays[f"{name}.bias"]
    if np.abs(acc).max() >= INT32_LIMIT:
        raise OverflowError(f"{name}: an accumulator does not fit int32")
    multiplier = layer["x_scale"] * arrays[f"{name}.w_scales"].astype(np.float64)
    return requantize(acc * (multiplier / layer["y_scale"]), layer["y_zero"])


def run_backbone(
    structure: dict[str, Any], arrays: dict[str, NDArray[Any]], images: Int8Array
) -> Int8Array:
    """Run the backbone on int8 images `[N, H, W, 3]`; returns the last feature map, int8."""
    x = images
    scale, zero = structure["input"]["scale"], structure["input"]["zero_point"]
    block, skip = "", (x, scale, zero)
    for layer in structure["layers"]:
        prefix = layer["name"].rsplit(".", 1)[0]
        if prefix != block:
            block, skip = prefix, (x, scale, zero)
        if layer["kind"] == "add":
            skip_map, skip_scale, skip_zero = skip
            real = skip_scale * (skip_map.astype(np.float64) - skip_zero)
            real += scale * (x.astype(np.float64) - zero)
            x = requantize(real / layer["y_scale"], layer["y_zero"])
        else:
            x = run_weighted_layer(layer, arrays, x)
        scale, zero = layer["y_scale"], layer["y_zero"]
    return x


def average_pool(feature_map: Int8Array) -> Int8Array:
    """Average int8 `[N, H, W, C]` over H and W, same scale and zero point; returns `[N, C]`."""
    mean = feature_map.astype(np.float64).mean(axis=(1, 2))
    return requantize(mean, 0)


def pooled_features(
    structure: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    rgb: NDArray[np.uint8],
    batch: int = 100,
) -> Int8Array:
    """Compute pooled int8 features `[N, C]` of uint8 RGB images `[N, H, W, 3]`."""
    parts = [
        average_pool(run_backbone(structure, arrays, quantize_image(rgb[i : i + batch])))
        for i in range(0, len(rgb), batch)
    ]
    return np.concatenate(parts)


def head_logits(arrays: dict[str, NDArray[Any]], features: Int8Array) -> NDArray[np.float64]:
    """Apply the int8 dense head to pooled features `[N, C]`; returns real logits `[N, 10]`."""
    centred = features.astype(np.float64) - int(arrays["head.x_zero"])
    acc = centred @ arrays["head.weight"].astype(np.float64).T + arrays["head.bias"]
    return acc * arrays["head.w_scales"] * float(arrays["head.x_scale"])


def top1_percent(
    structure: dict[str, Any], arrays: dict[str, NDArray[Any]], images: Images
) -> float:
    """Top-1 accuracy in percent of the integer network with its exported head."""
    logits = head_logits(arrays, pooled_features(structure, arrays, images.rgb))
    return 100.0 * float((logits.argmax(axis=1) == images.labels).mean())


def count_macs(structure: dict[str, Any]) -> tuple[int, int, int]:
    """Count the backbone's forward work.

    Returns multiply-accumulates per image, parameters (weights and biases) and the largest
    input plus output of one layer in bytes.
    """
    side = structure["input"]["height"]
    macs = parameters = peak_bytes = 0
    for layer in structure["layers"]:
        if layer["kind"] == "add":
            continue
        c_in, c_out = layer["in_channels"], layer["out_channels"]
        fan_in = layer["kernel"] ** 2 * (1 if layer["kind"] == "depthwise" else c_in)
        out_side = -(-side // layer["stride"])
        macs += out_side**2 * c_out * fan_in
        parameters += c_out * (fan_in + 1)
        peak_bytes = max(peak_bytes, side**2 * c_in + out_side**2 * c_out)
        side = out_side
    return macs, parameters, peak_bytes


def save_backbone(
    path: Path,
    structure: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    metrics: dict[str, Any],
) -> None:
    """Write the compressed .npz; `structure` and `metrics` are 0-d unicode arrays of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        structure=np.array(json.dumps(structure)),
        metrics=np.array(json.dumps(metrics)),
        **arrays,
    )
