"""The product of two maps, as squeeze-and-excite blocks scale a map by channel."""

from kilograd.ops.multiply.backward import MultiplyFactorGradient, MultiplyInputGradient
from kilograd.ops.multiply.op import Multiply

OPERATORS = (Multiply(), MultiplyInputGradient(), MultiplyFactorGradient())
