"""What a network's logits say, and so what a sample's label is."""

from __future__ import annotations

import enum

import numpy as np

#: Of a set of labels, which is a number that int32 holds.
MOST_LABELS = 31

#: Of the values that a network estimates where nobody says otherwise.
VALUE_RANGE = (-1.0, 1.0)


def is_value_range(low: float, high: float) -> bool:
    """Whether values rise from one to the other, also in float32, which firmware computes with."""
    with np.errstate(over="ignore"):
        ends = np.array([low, high], np.float32)
    return bool(np.isfinite(ends).all() and ends[0] < ends[1])


class LabelKind(str, enum.Enum):
    """What a sample's label is; always a number that int32 holds.

    A value is in units of 2^-16 of half its range, from the middle of the range on: -65,536 is the
    lowest and 65,536 the highest that is expected, as the logit that estimates it.

    A network that makes its sample again learns without labels: those of normal samples are 0, and
    others, which tell kinds of anomalies apart, only serve to judge it.
    """

    CLASS = "class"  # the number of the sample's class
    SET = "set"  # bit k is 1 where class k applies
    VALUE = "value"  # what the network's only logit estimates
    ANOMALY = "anomaly"  # 0 where the sample is normal, which alone is learned

    @property
    def noun(self) -> str:
        """What samples have, for messages."""
        nouns = {"class": "one class each", "set": "sets of labels", "value": "values"}
        return nouns.get(self.value, "no labels to learn from")

    @property
    def has_errors(self) -> bool:
        """Whether what a network says is off by some error, and not right or wrong."""
        return self in {LabelKind.VALUE, LabelKind.ANOMALY}
