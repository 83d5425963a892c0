"""Losses: cross-entropy of one class or of each label, and the Huber loss of a value."""

from kilograd.ops.loss.label_sets import SigmoidCrossEntropy
from kilograd.ops.loss.op import SoftmaxCrossEntropy
from kilograd.ops.loss.value import HuberLoss

OPERATORS = (SoftmaxCrossEntropy(), SigmoidCrossEntropy(), HuberLoss())
