"""1×1 convolutions and dense layers."""

from kilograd.ops.pointwise.input_gradient import PointwiseInputGradient
from kilograd.ops.pointwise.op import Dense, Pointwise
from kilograd.ops.pointwise.weight_update import PointwiseWeightUpdate

OPERATORS = (Pointwise(), Dense(), PointwiseInputGradient(), PointwiseWeightUpdate())
