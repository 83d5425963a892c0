"""A small network as plain values, and the checkpoint files that hold it.

The network reads an image of 8x8x3; it has one bottleneck with a residual, and 5 classes.
"""

import io
import pickle
import zipfile

import numpy as np
import pytest

from kilograd.errors import ModelError
from kilograd.frontend.checkpoint import read_checkpoint


def conv(in_channels, out_channels, x, y, *, kernel=1, groups=1, size=4, stride=1):
    rng = np.random.default_rng(in_channels * 100 + out_channels)
    shape = (out_channels, in_channels // groups, kernel, kernel)
    return {
        "in_channel": in_channels,
        "in_shape": size,
        "out_channel": out_channels,
        "out_shape": -(-size // stride),
        "kernel_size": (kernel, kernel),
        "stride": stride,
        "groups": groups,
        "depthwise": groups > 1,
        "act": None,
        "params": {
            "weight": rng.integers(-127, 128, shape).astype(np.int8),
            "bias": rng.integers(-1000, 1000, out_channels).astype(np.int32),
            "x_scale": x[0],
            "x_zero": x[1],
            "y_scale": y[0],
            "y_zero": y[1],
            "w_scales": rng.uniform(0.001, 0.1, out_channels).astype(np.float32),
        },
    }


def network():
    image, low, wide, out, total = (1 / 127.5, 0), (0.05, -3), (0.02, -128), (0.04, 5), (0.06, 1)
    classifier = conv(4, 5, total, (0.1, -20))
    for key in ("in_shape", "out_shape", "depthwise", "act"):
        del classifier[key]
    residual = {"x_scale": low[0], "x_zero": low[1], "y_scale": total[0], "y_zero": total[1]}
    return {
        "first_conv": conv(3, 4, image, low, kernel=3, size=8, stride=2),
        "blocks": [
            {
                "pointwise1": conv(4, 6, low, wide),
                "depthwise": conv(6, 6, wide, wide, kernel=3, groups=6),
                "pointwise2": conv(6, 4, wide, out),
                "residual": {"in_channel": 4, "in_shape": 4, "params": residual},
                "se": None,
            }
        ],
        "feature_mix": None,
        "classifier": classifier,
    }


def pickled(tree):
    """Pickle a tree as in the published files: protocol 2, the module names of numpy 1."""
    data = pickle.dumps(tree, protocol=2)
    return data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def zipped(data, *, compression=zipfile.ZIP_STORED, member="archive/data.pkl"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr(member, data)
        file.writestr("archive/version", "3\n")
    return stream.getvalue()


def read_in(folder, content):
    """Write a file ``small.pkl``, and read the checkpoint in it."""
    path = folder / "small.pkl"
    path.write_bytes(content)
    return read_checkpoint(path)


def refused(folder, content):
    """Return the reason why a file is refused; the message names the file."""
    with pytest.raises(ModelError) as caught:
        read_in(folder, content)
    assert caught.value.where.startswith(str(folder / "small.pkl"))
    assert caught.value.hint
    return caught.value.what
