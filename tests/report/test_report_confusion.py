"""Confusion matrices, and the most confused pairs of many classes."""

from dataclasses import replace

import numpy as np
from report_cases import page, reported, section, trained

from kilograd.report import render_report
from kilograd.training.answers import Evaluation


def shown(program, result, class_names):
    return section(reported(program, result=result, class_names=class_names), "Confusion")


def test_matrix_cells(partly):
    result = trained()
    root = shown(partly, result, ("cat", "b & c", '"dog"'))
    tables = list(root.iter("table"))
    assert len(tables) == 2
    for table, evaluation in zip(tables, (result.before, result.after), strict=True):
        rows = table.findall("tbody/tr")
        counts = [[int(cell.text or 0) for cell in row.findall("td")[:-1]] for row in rows]
        assert counts == evaluation.confusion.tolist()
    titles = {cell.get("title") for cell in root.iter("td")}
    count, total = result.before.confusion[0, 1], result.before.confusion[0].sum()
    assert f"{count} of {total} samples of cat were predicted as b & c" in titles


def test_numbers_stand_in_for_missing_names(partly):
    root = shown(partly, trained(), ("cat",))
    heads = [th.text for th in root.iter("th") if th.get("scope") == "row"]
    assert heads == ["cat", "1", "2"] * 2


def test_class_without_samples(partly):
    empty = Evaluation(np.zeros((3, 3), np.int64))
    result = replace(trained(), before=empty, after=empty)
    root = shown(partly, result, ("a", "b", "c"))
    assert {cell.text for cell in root.iter("td")} == {None}


def test_many_classes_show_the_most_confused_pairs(partly):
    result = trained(classes=25)
    matrix = np.diag(np.full(25, 10))
    matrix[3, 7], matrix[4, 2] = 5, 8
    result = replace(result, after=Evaluation(matrix))
    root = shown(partly, result, [f"<{i}>" for i in range(25)])
    rows = [[cell.text for cell in row] for row in root.findall(".//tbody/tr")]
    assert [row[:3] for row in rows] == [["<4>", "<2>", "8 of 18"], ["<3>", "<7>", "5 of 15"]]


def test_many_classes_without_a_mistake(partly):
    result = replace(trained(classes=25), after=Evaluation(np.diag(np.full(25, 10))))
    assert (
        "no test sample is predicted as a wrong class" in shown(partly, result, []).find("p").text
    )


def test_hundreds_of_classes_stay_small(program):
    result = trained(classes=300)
    text = render_report(reported(program, result=result, class_names=("n" * 100,) * 300))
    page(text)
    assert len(text) < 1_000_000
