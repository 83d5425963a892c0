"""Networks that are trained in float, then with fake quantization, and exported as int8.

What the pretraining scripts share of PyTorch: units, training, calibration, export.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pretraining.int8_network import activation_range, quantize_weights
from pretraining.recipe import LABEL_SMOOTHING

Batches = Iterator[tuple[Tensor, Tensor]]
Kernel = int | tuple[int, int]


@dataclass(frozen=True)
class QuantParams:
    """Per-tensor quantization: real = scale * (q - zero), q int8."""

    scale: float
    zero: int

    def fake_quantize(self, x: Tensor) -> Tensor:
        """Round `x` to the int8 grid; the gradient passes straight through inside the range."""
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, -128, 127)


class ConvUnit(nn.Module):
    """Convolution, batch normalization and an optional ReLU6, on `[N, C, H, W]`."""

    def __init__(
        self,
        name: str,
        kind: str,
        channels: tuple[int, int],
        *,
        kernel: Kernel = 1,
        stride: int = 1,
        relu6: bool = True,
    ) -> None:
        super().__init__()
        self.name, self.kind, self.relu6 = name, kind, relu6
        c_in, c_out = channels
        groups = c_in if kind == "depthwise" else 1
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        pad = (height // 2, width // 2)
        self.conv = nn.Conv2d(c_in, c_out, (height, width), stride, pad, groups=groups, bias=False)
        self.norm: nn.BatchNorm2d | nn.Identity = nn.BatchNorm2d(c_out)
        self.quant: QuantParams | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Run in float, or with fake-quantized weights and output once `quant` is set."""
        conv = self.conv
        weight = conv.weight if self.quant is None else fake_quantize_weight(conv.weight)
        y = functional.conv2d(x, weight, conv.bias, conv.stride, conv.padding, 1, conv.groups)
        y = self.norm(y)
        y = functional.relu6(y) if self.relu6 else y
        return y if self.quant is None else self.quant.fake_quantize(y)

    @torch.no_grad()
    def fold(self) -> None:
        """Absorb the running statistics of the normalization into weight and bias."""
        norm = self.norm
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self.conv.weight.mul_(gain[:, None, None, None])
        self.conv.bias = nn.Parameter(norm.bias - norm.running_mean * gain)
        self.norm = nn.Identity()


class ResidualAdd(nn.Module):
    """Sum of a block's input and its last pointwise output."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.kind, self.relu6 = name, "add", False
        self.quant: QuantParams | None = None

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """Add two maps of the same shape."""
        y = skip + x
        return y if self.quant is None else self.quant.fake_quantize(y)


class SeparableBlock(nn.Module):
    """Depthwise and pointwise unit, with a residual add where the shape stays.

    With `expanded` channels a pointwise unit goes before them: an inverted residual block. The
    last unit is linear where something is added to it, and in every inverted residual block.
    """

    def __init__(
        self,
        index: int,
        channels: tuple[int, int],
        *,
        kernel: Kernel = 3,
        stride: int = 1,
        expanded: int | None = None,
    ) -> None:
        super().__init__()
        c_in, c_out = channels
        inner = c_in if expanded is None else expanded
        prefix, is_residual = f"blocks.{index}", stride == 1 and c_in == c_out
        units = []
        if inner != c_in:
            units.append(ConvUnit(f"{prefix}.pointwise1", "pointwise", (c_in, inner)))
        relu6 = expanded is None and not is_residual
        units += [
            ConvUnit(
                f"{prefix}.depthwise", "depthwise", (inner, inner), kernel=kernel, stride=stride
            ),
            ConvUnit(f"{prefix}.pointwise2", "pointwise", (inner, c_out), relu6=relu6),
        ]
        self.units = nn.Sequential(*units)
        self.add = ResidualAdd(f"{prefix}.add") if is_residual else None

    def forward(self, x: Tensor) -> Tensor:
        """Map `[N, C_in, H, W]` to `[N, C_out, H / stride, W / stride]`."""
        y = self.units(x)
        return y if self.add is None else self.add(x, y)


class QuantizedNetwork(nn.Module):
    """A stem, blocks, global average pooling, and one dense head a task."""

    def __init__(self, stem: ConvUnit, blocks: nn.Sequential, heads: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.stem, self.blocks, self.heads = stem, blocks, nn.ModuleList(heads)
        self.pool_quant: QuantParams | None = None

    def pooled(self, x: Tensor) -> Tensor:
        """Map real inputs `[N, C, H, W]` to averaged features `[N, F]`."""
        y = self.blocks(self.stem(x)).mean(dim=(2, 3))
        return y if self.pool_quant is None else self.pool_quant.fake_quantize(y)

    def logits(self, features: Tensor, task: int = 0) -> Tensor:
        """Apply the head of a task to features `[N, F]`."""
        head = self.heads[task]
        weight = head.weight if self.pool_quant is None else fake_quantize_weight(head.weight)
        return functional.linear(features, weight, head.bias)

    def stages(self) -> list[ConvUnit | ResidualAdd]:
        """All quantized operations in forward order."""
        return [m for m in self.modules() if isinstance(m, ConvUnit | ResidualAdd)]


def fake_quantize_weight(weight: Tensor) -> Tensor:
    """Round weights to the per-output-channel symmetric int8 grid, straight-through."""
    scales = (weight.detach().abs().flatten(1).amax(1) / 127).clamp_min(1e-12)
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -127, 127)


@torch.no_grad()
def top1_float(
    model: QuantizedNetwork, inputs: Tensor, labels: NDArray[np.int64], task: int = 0
) -> float:
    """Top-1 accuracy in percent of the PyTorch model in its present mode of quantization."""
    model.eval()
    hits = 0
    for i in range(0, len(labels), 500):
        logits = model.logits(model.pooled(inputs[i : i + 500]), task)
        hits += int((logits.argmax(1).numpy() == labels[i : i + 500]).sum())
    return 100.0 * hits / len(labels)


def train(
    model: QuantizedNetwork,
    batches: Sequence[Batches],
    steps: int,
    *,
    peak_rate: float,
    weight_decay: float,
) -> None:
    """Run `steps` of AdamW, linear warm-up then cosine, on the mean loss of all tasks."""
    model.train()
    criterion = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING, reduction="sum")
    warmup = min(500, steps // 10)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=peak_rate, weight_decay=weight_decay, fused=True)
    for step in range(steps):
        progress = max(0, step - warmup) / max(1, steps - warmup)
        rate = peak_rate * min((step + 1) / (warmup + 1), 0.5 + 0.5 * math.cos(math.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, labels = zip(*(next(task) for task in batches), strict=True)
        features = model.pooled(torch.cat(x).to(memory_format=torch.channels_last))
        parts = features.split([len(y) for y in labels])
        losses = [
            criterion(model.logits(part, task), y)
            for task, (part, y) in enumerate(zip(parts, labels, strict=True))
        ]
        loss = torch.stack(losses).sum() / len(features)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"{time.strftime('%H:%M:%S')} step {step}/{steps} loss {loss:.3f}", flush=True)


@torch.no_grad()
def start_quantization(model: QuantizedNetwork, x: Tensor) -> None:
    """Fold the normalizations, calibrate every output on `x` and switch fake quantization on."""
    model.eval()
    ranges: dict[str, QuantParams] = {}

    def observe(stage: ConvUnit | ResidualAdd, _: tuple[Tensor, ...], y: Tensor) -> None:
        ranges[stage.name] = QuantParams(*activation_range(y.numpy(), relu6=stage.relu6))

    stages = model.stages()
    for stage in stages:
        if isinstance(stage, ConvUnit):
            stage.fold()
    hooks = [stage.register_forward_hook(observe) for stage in stages]
    model.pooled(x)
    for hook in hooks:
        hook.remove()
    for stage in stages:
        stage.quant = ranges[stage.name]
    model.pool_quant = stages[-1].quant


def quantized_tensors(
    name: str, layer: nn.Conv2d | nn.Linear, x_scale: float
) -> dict[str, NDArray[Any]]:
    """Quantize a layer's parameters; keys `<name>.weight`, `<name>.bias`, `<name>.w_scales`."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    parts = quantize_weights(weight, bias, x_scale)
    return {f"{name}.{suffix}": tensor for suffix, tensor in parts.items()}


def export(
    model: QuantizedNetwork, name: str, entry: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the structure of the file, whose input is `entry`, and its integer arrays."""
    layers: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    x_quant = QuantParams(entry["scale"], entry["zero_point"])
    for stage in model.stages():
        y_quant = stage.quant
        output = {"y_scale": y_quant.scale, "y_zero": y_quant.zero}
        if isinstance(stage, ConvUnit):
            conv = stage.conv
            height, width = conv.kernel_size
            arrays |= quantized_tensors(stage.name, conv, x_quant.scale)
            output = {
                "kernel": height if height == width else [height, width],
                "stride": conv.stride[0],
                "in_channels": conv.in_channels,
                "out_channels": conv.out_channels,
                "x_scale": x_quant.scale,
                "x_zero": x_quant.zero,
                **output,
            }
        layers.append({"name": stage.name, "kind": stage.kind, **output})
        x_quant = y_quant
    arrays |= quantized_tensors("head", model.heads[0], x_quant.scale)
    arrays["head.x_scale"] = np.array(x_quant.scale, np.float32)
    arrays["head.x_zero"] = np.array(x_quant.zero, np.int32)
    return {"name": name, "input": entry, "layers": layers}, arrays
