"""Pooling: means and maxima over a map, or under windows."""

from kilograd.ops.pool.max import MaxPool, MaxPoolInputGradient
from kilograd.ops.pool.mean import Mean, MeanInputGradient
from kilograd.ops.pool.op import AveragePool, AveragePoolInputGradient
from kilograd.ops.pool.windowed_average import (
    WindowedAveragePool,
    WindowedAveragePoolInputGradient,
)

OPERATORS = (
    AveragePool(),
    AveragePoolInputGradient(),
    Mean(),
    MeanInputGradient(),
    MaxPool(),
    MaxPoolInputGradient(),
    WindowedAveragePool(),
    WindowedAveragePoolInputGradient(),
)
