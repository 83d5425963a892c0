"""Cross-entropy, of one class among several or of each label by itself."""

from kilograd.ops.loss.label_sets import SigmoidCrossEntropy
from kilograd.ops.loss.op import SoftmaxCrossEntropy

OPERATORS = (SoftmaxCrossEntropy(), SigmoidCrossEntropy())
