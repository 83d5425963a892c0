"""1×1 convolutions and dense layers."""

from kilograd.ops.pointwise.backward import PointwiseInputGradient, PointwiseWeightStep
from kilograd.ops.pointwise.op import Dense, Pointwise

OPERATORS = (Pointwise(), Dense(), PointwiseInputGradient(), PointwiseWeightStep())
