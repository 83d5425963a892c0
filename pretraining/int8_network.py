"""Integer form of the networks that are pretrained here: quantization, reference layers, the file.

Needs NumPy, not PyTorch. Samples and feature maps are channels-last, int8 `[N, H, W, C]`; a real
value is `scale * (q - zero_point)`. Accumulators are sums of integer products computed in float64,
where they are exact, and are checked to fit int32.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

Int8Array = NDArray[np.int8]
Layer = dict[str, Any]

INT32_LIMIT = 2**31
BIAS_LIMIT = 2**24
RANGE_QUANTILE = 0.9999


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


def taps(kernel: Any) -> tuple[int, int]:
    """Height and width of a kernel as a model file states it: one number where it is square."""
    height, width = kernel if isinstance(kernel, list) else (kernel, kernel)
    return height, width


def accumulate(
    x: NDArray[np.float64], weight: Int8Array, kind: str, kernel: Any, stride: int
) -> NDArray[np.float64]:
    """Convolve a zero-centred map `[N, H, W, C]` with OIHW weights, padding half of the kernel.

    Returns `[N, ceil(H / stride), ceil(W / stride), O]` in units `x_scale * w_scale`.
    """
    w = weight.astype(np.float64)
    if kind == "pointwise":
        return x @ w[:, :, 0, 0].T
    height, width = taps(kernel)
    pads = ((height // 2,) * 2, (width // 2,) * 2)
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    total = np.zeros((x.shape[0], rows, columns, w.shape[0]))
    for i in range(height):
        for j in range(width):
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


def run_network(
    structure: dict[str, Any], arrays: dict[str, NDArray[Any]], samples: Int8Array
) -> Int8Array:
    """Run the layers on int8 samples `[N, H, W, C]`; returns the last feature map, int8."""
    x = samples
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
    samples: Int8Array,
    batch: int = 100,
) -> Int8Array:
    """Compute pooled int8 features `[N, C]` of int8 samples `[N, H, W, C]`."""
    parts = [
        average_pool(run_network(structure, arrays, samples[i : i + batch]))
        for i in range(0, len(samples), batch)
    ]
    return np.concatenate(parts)


def head_logits(arrays: dict[str, NDArray[Any]], features: Int8Array) -> NDArray[np.float64]:
    """Apply the int8 dense head to pooled features `[N, C]`; returns real logits."""
    centred = features.astype(np.float64) - int(arrays["head.x_zero"])
    acc = centred @ arrays["head.weight"].astype(np.float64).T + arrays["head.bias"]
    return acc * arrays["head.w_scales"] * float(arrays["head.x_scale"])


def top1_percent(
    structure: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    samples: Int8Array,
    labels: NDArray[Any],
) -> float:
    """Top-1 accuracy in percent of the integer network with its exported head."""
    logits = head_logits(arrays, pooled_features(structure, arrays, samples))
    return 100.0 * float((logits.argmax(axis=1) == labels).mean())


def count_macs(structure: dict[str, Any]) -> tuple[int, int, int]:
    """Count the network's forward work.

    Returns multiply-accumulates per sample, parameters (weights and biases) and the largest
    input plus output of one layer in bytes.
    """
    height, width = structure["input"]["height"], structure["input"]["width"]
    macs = parameters = peak_bytes = 0
    for layer in structure["layers"]:
        if layer["kind"] == "add":
            continue
        c_in, c_out = layer["in_channels"], layer["out_channels"]
        rows, columns = taps(layer["kernel"])
        fan_in = rows * columns * (1 if layer["kind"] == "depthwise" else c_in)
        before = height * width * c_in
        height, width = -(-height // layer["stride"]), -(-width // layer["stride"])
        macs += height * width * c_out * fan_in
        parameters += c_out * (fan_in + 1)
        peak_bytes = max(peak_bytes, before + height * width * c_out)
    return macs, parameters, peak_bytes


def save_network(
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
