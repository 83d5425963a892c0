"""Samples are chosen, split and ordered by class."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.data import Dataset, Samples, with_class_order
from kilograd.data.choose import choose_balanced, split_by_class

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(labels=LABELS, limit=st.integers(0, 70), seed=st.integers(0, 5))
def test_choice_is_balanced_nested_and_reproducible(labels, limit, seed):
    everything = range(len(labels))
    chosen = choose_balanced(everything, labels, limit, seed)
    assert len(chosen) == len(set(chosen)) == min(limit, len(labels))
    assert chosen == choose_balanced(everything, labels, limit, seed)
    assert set(chosen) <= set(choose_balanced(everything, labels, limit + 1, seed))
    counts = {label: sum(labels[i] == label for i in chosen) for label in set(labels)}
    for label, count in counts.items():
        if count < labels.count(label):  # it could give more, so nobody has over one more
            assert max(counts.values()) <= count + 1


@settings(max_examples=100, deadline=None)
@given(labels=LABELS, share=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_split_keeps_every_class_on_both_sides(labels, share, seed):
    labels = labels + labels  # at least two of each
    train, test = split_by_class(labels, "abcde", share=share, seed=seed)
    assert sorted(train + test) == list(range(len(labels)))
    for label in set(labels):
        size = labels.count(label)
        held_out = sum(labels[index] == label for index in test)
        assert 1 <= held_out <= size - 1
        assert abs(held_out - share * size) <= 1


def test_the_choice_does_not_change_between_versions():
    labels = [index % 3 for index in range(30)]
    known = [25, 15, 20, 29, 0]
    assert choose_balanced(range(30), labels, 5, seed=7) == known
    assert choose_balanced(range(30), labels, 5, seed=8) != known


def test_classes_in_another_order():
    inputs = np.arange(6, dtype=np.int8).reshape(6, 1, 1, 1)
    samples = Samples(inputs, np.array([0, 1, 2, 2, 1, 0], np.int32))
    data = with_class_order(Dataset("d", samples, samples, ("a", "b", "c")), ("c", "a", "b"))
    assert data.class_names == ("c", "a", "b")
    assert data.train.labels.tolist() == data.test.labels.tolist() == [1, 2, 0, 0, 2, 1]
    assert data.train.labels.dtype == np.int32
    assert np.array_equal(data.train.inputs, inputs)
