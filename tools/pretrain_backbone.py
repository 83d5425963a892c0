"""Pretrain the int8 backbone `kilograd-48` on CPU and export it as a NumPy archive.

The backbone is trained jointly on CIFAR-10 and a Tiny-ImageNet subset (one dense head each),
first in float with batch normalization, then with fake quantization after folding it:

    python tools/pretrain_backbone.py --data ../shared/data --output build/backbone48_int8.npz

This tool is the only part of the project that needs PyTorch.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from backbone_int8 import (
    INPUT_SCALE,
    SIDE,
    Images,
    activation_range,
    count_macs,
    load_split,
    quantize_image,
    quantize_weights,
    save_backbone,
    top1_percent,
)
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Batches = Iterator[tuple[Tensor, Tensor]]

THREADS = 2
STEM_CHANNELS = 16
# Per block: expanded channels, depthwise kernel, stride, output channels.
BLOCKS = (
    (16, 3, 1, 12),
    (36, 3, 2, 24),
    (72, 3, 1, 24),
    (96, 5, 2, 40),
    (120, 3, 1, 40),
    (160, 5, 1, 40),
    (160, 3, 1, 48),
    (192, 5, 2, 72),
    (256, 3, 1, 72),
    (256, 3, 1, 128),
)
FEATURES = BLOCKS[-1][3]
# Data pack, split (0 train, 1 test) and number of images in a smoke run.
SPLITS = (
    ("cifar10_jpeg32.npz", 0, 150),
    ("tinyimagenet200_jpeg64_subset.npz", 0, 50),
    ("cifar10_jpeg32.npz", 1, 100),
    ("tinyimagenet200_jpeg64_subset.npz", 1, 100),
)
CIFAR_PER_BATCH, TINY_PER_BATCH = 96, 32
QAT_SHARE = 0.12
LABEL_SMOOTHING = 0.1
GREY_SHARE = 0.1
CALIBRATION_IMAGES = 512


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
        kernel: int = 1,
        stride: int = 1,
        relu6: bool = True,
    ) -> None:
        super().__init__()
        self.name, self.kind, self.relu6 = name, kind, relu6
        c_in, c_out = channels
        groups = c_in if kind == "depthwise" else 1
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
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


class Block(nn.Module):
    """Inverted residual block: pointwise1, depthwise, pointwise2 and the residual add."""

    def __init__(self, index: int, c_in: int, settings: tuple[int, int, int, int]) -> None:
        super().__init__()
        expanded, kernel, stride, c_out = settings
        prefix, inner = f"blocks.{index}", (expanded, expanded)
        units = []
        if expanded != c_in:
            units.append(ConvUnit(f"{prefix}.pointwise1", "pointwise", (c_in, expanded)))
        units += [
            ConvUnit(f"{prefix}.depthwise", "depthwise", inner, kernel=kernel, stride=stride),
            ConvUnit(f"{prefix}.pointwise2", "pointwise", (expanded, c_out), relu6=False),
        ]
        self.units = nn.Sequential(*units)
        self.add = ResidualAdd(f"{prefix}.add") if stride == 1 and c_in == c_out else None

    def forward(self, x: Tensor) -> Tensor:
        """Map `[N, C_in, H, W]` to `[N, C_out, H / stride, W / stride]`."""
        y = self.units(x)
        return y if self.add is None else self.add(x, y)


class Backbone(nn.Module):
    """The shared backbone with a CIFAR-10 head and a Tiny-ImageNet head."""

    def __init__(self, tiny_classes: int) -> None:
        super().__init__()
        self.stem = ConvUnit("stem", "conv", (3, STEM_CHANNELS), kernel=3, stride=2)
        widths = (STEM_CHANNELS, *(block[3] for block in BLOCKS))
        self.blocks = nn.Sequential(*(Block(i, widths[i], block) for i, block in enumerate(BLOCKS)))
        self.heads = nn.ModuleList([nn.Linear(FEATURES, 10), nn.Linear(FEATURES, tiny_classes)])
        self.pool_quant: QuantParams | None = None

    def pooled(self, x: Tensor) -> Tensor:
        """Map `[N, 3, 48, 48]` in [-1, 1] to averaged features `[N, C]`."""
        y = self.blocks(self.stem(x)).mean(dim=(2, 3))
        return y if self.pool_quant is None else self.pool_quant.fake_quantize(y)

    def logits(self, features: Tensor, task: int) -> Tensor:
        """Apply head `task` (0 CIFAR-10, 1 Tiny-ImageNet) to features `[N, C]`."""
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


def augment(x: Tensor) -> Tensor:
    """Randomly zoom, shift, mirror and recolour images `[N, 3, H, W]` in [-1, 1]."""
    n = len(x)
    theta = torch.zeros(n, 2, 3)
    zoom = torch.empty(n).uniform_(0.75, 1.05)
    theta[:, 0, 0] = zoom * torch.empty(n).uniform_(0.9, 1.1) * (torch.randint(2, (n,)) * 2 - 1)
    theta[:, 1, 1] = zoom
    theta[:, :, 2].uniform_(-0.15, 0.15)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    x = functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    grey = x.mean(dim=1, keepdim=True)
    saturation = torch.empty(n, 1, 1, 1).uniform_(0.6, 1.4)
    saturation[torch.rand(n) < GREY_SHARE] = 0.0
    contrast = torch.empty(n, 1, 1, 1).uniform_(0.75, 1.25)
    brightness = torch.empty(n, 1, 1, 1).uniform_(-0.2, 0.2)
    return ((grey + saturation * (x - grey)) * contrast + brightness).clamp(-1, 1)


def to_input(rgb: NDArray[np.uint8]) -> Tensor:
    """Convert uint8 `[N, H, W, 3]` to the real values of its int8 code, `[N, 3, H, W]`."""
    return torch.from_numpy(quantize_image(rgb)).permute(0, 3, 1, 2).float() * INPUT_SCALE


def shuffled_batches(images: Images, batch: int) -> Batches:
    """Yield augmented batches for ever, reshuffling after every pass."""
    while True:
        order = torch.randperm(len(images.labels)).numpy()
        for i in range(0, len(order) - batch + 1, batch):
            rows = order[i : i + batch]
            yield augment(to_input(images.rgb[rows])), torch.from_numpy(images.labels[rows])


@torch.no_grad()
def top1_float(model: Backbone, images: Images, task: int) -> float:
    """Top-1 accuracy in percent of the PyTorch model in its present mode of quantization."""
    model.eval()
    hits = 0
    for i in range(0, len(images.labels), 500):
        logits = model.logits(model.pooled(to_input(images.rgb[i : i + 500])), task)
        hits += int((logits.argmax(1).numpy() == images.labels[i : i + 500]).sum())
    return 100.0 * hits / len(images.labels)


def train(
    model: Backbone, batches: list[Batches], steps: int, *, peak_rate: float, weight_decay: float
) -> None:
    """Run `steps` of AdamW, linear warm-up then cosine, on the mean loss of both tasks."""
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
def start_quantization(model: Backbone, x: Tensor) -> None:
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


def export(model: Backbone) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the structure of the file and its integer arrays."""
    layers: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    x_quant = QuantParams(INPUT_SCALE, 0)
    for stage in model.stages():
        y_quant = stage.quant
        output = {"y_scale": y_quant.scale, "y_zero": y_quant.zero}
        if isinstance(stage, ConvUnit):
            conv = stage.conv
            arrays |= quantized_tensors(stage.name, conv, x_quant.scale)
            output = {
                "kernel": conv.kernel_size[0],
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
    entry = {"height": SIDE, "width": SIDE, "channels": 3, "scale": INPUT_SCALE, "zero_point": 0}
    return {"name": "kilograd-48", "input": entry, "layers": layers}, arrays


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data packs")
    parser.add_argument("--output", type=Path, default=Path("build/backbone48_int8.npz"))
    parser.add_argument("--epochs", type=int, default=8, help="passes over CIFAR-10, QAT included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="200 training images, one epoch")
    return parser.parse_args()


def main() -> None:
    """Train, quantize, measure and write the backbone."""
    args = parse_arguments()
    started = time.time()
    torch.manual_seed(args.seed)
    torch.set_num_threads(THREADS)
    epochs = 1 if args.smoke else args.epochs
    cifar, tiny, cifar_test, tiny_test = (
        load_split(args.data / pack, split, limit if args.smoke else None, args.seed)
        for pack, split, limit in SPLITS
    )
    print(f"data ready after {time.time() - started:.0f} s", flush=True)
    model = Backbone(tiny_classes=200).to(memory_format=torch.channels_last)
    batches = [shuffled_batches(cifar, CIFAR_PER_BATCH), shuffled_batches(tiny, TINY_PER_BATCH)]
    steps = max(2, epochs * (len(cifar.labels) // CIFAR_PER_BATCH))
    qat_steps = max(1, round(QAT_SHARE * steps))
    float_steps = steps - qat_steps
    train(model, batches, float_steps, peak_rate=3e-3, weight_decay=0.05)
    metrics: dict[str, Any] = {
        "cifar10_test_top1_float": top1_float(model, cifar_test, 0),
        "tinyimagenet200_test_top1_float": top1_float(model, tiny_test, 1),
    }
    print(metrics, flush=True)
    rows = np.random.default_rng(args.seed).permutation(len(cifar.rgb) + len(tiny.rgb))
    calibration = np.concatenate((cifar.rgb, tiny.rgb))[rows[:CALIBRATION_IMAGES]]
    start_quantization(model, to_input(calibration))
    structure, arrays = export(model)
    metrics["cifar10_test_top1_int8_before_qat"] = top1_percent(structure, arrays, cifar_test)
    train(model, batches, qat_steps, peak_rate=2e-4, weight_decay=0.0)
    structure, arrays = export(model)
    macs, parameters, peak_bytes = count_macs(structure)
    metrics |= {
        "cifar10_test_top1_int8": top1_percent(structure, arrays, cifar_test),
        "tinyimagenet200_test_top1_fake_quantized": top1_float(model, tiny_test, 1),
        "parameters": parameters,
        "macs": macs,
        "largest_layer_in_plus_out_bytes": peak_bytes,
        "array_bytes": sum(a.nbytes for name, a in arrays.items() if "head" not in name),
        "epochs": epochs,
        "float_steps": float_steps,
        "qat_steps": qat_steps,
        "seed": args.seed,
        "smoke": args.smoke,
        "wall_seconds": round(time.time() - started),
        "torch": torch.__version__,
        "recipe": (
            f"{epochs} epochs over CIFAR-10 (JPEG copy), each batch {CIFAR_PER_BATCH} CIFAR-10 and "
            f"{TINY_PER_BATCH} Tiny-ImageNet images at 48x48 with one head per data set; AdamW "
            f"3e-3, weight decay 0.05, cosine, label smoothing {LABEL_SMOOTHING}, random zoom, "
            f"shift, mirror and colour; the last {QAT_SHARE:.0%} of the steps with batch "
            "normalization folded and fake int8 quantization, AdamW 2e-4."
        ),
    }
    print(metrics, flush=True)
    save_backbone(args.output, structure, arrays, metrics)


if __name__ == "__main__":
    main()
