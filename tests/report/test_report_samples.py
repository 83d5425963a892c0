"""Thumbnails of samples."""

import re

import numpy as np
import pytest
from report_cases import reported, section

from kilograd.report.samples import MOST_SAMPLES


@pytest.mark.parametrize("shape", [(9, 9, 3), (128, 128, 3), (49, 10, 1), (8, 8, 2), (96, 200, 4)])
def test_thumbnails_of_any_shape(partly, shape):
    generator = np.random.default_rng(0)
    sample = generator.integers(-128, 128, shape).astype(np.int8)
    samples = [(sample, "x")] * (MOST_SAMPLES + 5)
    root = section(reported(partly, samples=samples), "Samples")
    images = [img.get("src") for img in root.iter("img")]
    assert len(images) == MOST_SAMPLES
    assert sum(map(len, images)) < 400_000
    assert all(re.match(r"data:image/(png|jpeg);base64,", image) for image in images)
