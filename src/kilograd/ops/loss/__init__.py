"""Softmax cross-entropy."""

from kilograd.ops.loss.op import SoftmaxCrossEntropy

OPERATORS = (SoftmaxCrossEntropy(),)
