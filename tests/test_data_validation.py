"""Parts of the training samples to be judged by: of each class, apart, and never test samples."""

from itertools import chain

import numpy as np
import pytest

from kilograd.data import Dataset, Samples, folds, hold_back
from kilograd.errors import DataError
from kilograd.ir import LabelKind


def numbered(labels, tested=3, *, sets=False):
    """Each training sample shows its number; test samples show 100."""
    count = len(labels)
    inputs = np.arange(count, dtype=np.int8).reshape(count, 1, 1, 1)
    test = Samples(np.full((tested, 1, 1, 1), 100, np.int8), np.zeros(tested, np.int32))
    names = ("a", "b", "c")
    kind = LabelKind.SET if sets else LabelKind.CLASS
    return Dataset("some", Samples(inputs, np.array(labels, np.int32)), test, names, kind)


def numbers(samples):
    return samples.inputs.ravel().tolist()


LABELS = [0] * 10 + [1] * 5 + [2] * 21


def test_a_part_of_each_class_is_held_back():
    dataset = numbered(LABELS)
    held = hold_back(dataset, 0.2, seed=1)
    assert sorted(numbers(held.train) + numbers(held.test)) == list(range(36))
    assert np.bincount(held.test.labels).tolist() == [2, 1, 4]
    assert [LABELS[number] for number in numbers(held.test)] == held.test.labels.tolist()
    assert numbers(hold_back(dataset, 0.2, seed=1).test) == numbers(held.test)
    assert numbers(hold_back(dataset, 0.2, seed=2).test) != numbers(held.test)


def test_folds_are_apart_and_make_up_the_whole():
    parts = folds(numbered(LABELS), 4, seed=0)
    judged = [numbers(part.test) for part in parts]
    assert sorted(chain(*judged)) == list(range(36))
    for part in parts:
        assert sorted(numbers(part.train) + numbers(part.test)) == list(range(36))
        assert [LABELS[number] for number in numbers(part.train)] == part.train.labels.tolist()
    for label, count in enumerate((10, 5, 21)):
        of_class = [int(np.sum(part.test.labels == label)) for part in parts]
        assert max(of_class) - min(of_class) <= 1
        assert sum(of_class) == count
    assert {len(part.test) for part in parts} <= {8, 9, 10}


def test_sets_of_labels_are_split_as_they_are():
    parts = folds(numbered([5] * 7 + [0] * 2, sets=True), 3, seed=0)
    assert [len(part.test) for part in parts] == [3, 3, 3]
    assert len(hold_back(numbered([5] * 7 + [0] * 2, sets=True), 0.4, seed=0).test) == 4


@pytest.mark.parametrize("share", [0, 1, -0.5, 2, float("nan")])
def test_no_share(share):
    with pytest.raises(DataError, match="a part between 0 and 1 of the training samples"):
        hold_back(numbered(LABELS), share, seed=0)


def test_too_few_samples():
    with pytest.raises(DataError, match="the class 'b' has a single sample"):
        hold_back(numbered([0, 0, 1, 2, 2]), 0.5, seed=0)
    with pytest.raises(DataError) as caught:
        folds(numbered(LABELS), 6, seed=0)
    assert "the class 'b' has 5 training samples for 6 folds" in str(caught.value)
    assert "ask for at most 5 folds" in str(caught.value)
    with pytest.raises(DataError, match="at least 2 folds, not 1"):
        folds(numbered(LABELS), 1, seed=0)
