"""1×1 convolutions and dense layers."""

from kilograd.ops.pointwise.backward import PointwiseInputGradient, PointwiseWeightUpdate
from kilograd.ops.pointwise.op import Dense, Pointwise

OPERATORS = (Pointwise(), Dense(), PointwiseInputGradient(), PointwiseWeightUpdate())
