"""Losses: cross-entropy of one class or of each label, Huber's of a value or of a whole sample."""

from kilograd.ops.loss.label_sets import SigmoidCrossEntropy
from kilograd.ops.loss.op import SoftmaxCrossEntropy
from kilograd.ops.loss.reconstruction import ReconstructionError, ReconstructionLoss
from kilograd.ops.loss.value import HuberLoss

OPERATORS = (
    SoftmaxCrossEntropy(),
    SigmoidCrossEntropy(),
    HuberLoss(),
    ReconstructionError(),
    ReconstructionLoss(),
)
