"""Confusion matrices before and after, or the most confused pairs of many classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kilograd.report.svg import escape, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kilograd.training.loop import Evaluation, TrainingResult

#: More classes than this are not shown as a matrix.
MATRIX_CLASSES = 20

_PAIRS = 15

#: Cells coloured more strongly than this have light text.
_STRONG = 0.55


def confusion(result: TrainingResult, class_names: Sequence[str]) -> str:
    """Two heat tables; for many classes, a table of the most confused pairs.

    Args:
        result: of the run.
        class_names: by label; numbers stand in for names that are missing.
    """
    count = len(result.after.confusion)
    names = [class_names[i] if i < len(class_names) else str(i) for i in range(count)]
    if count > MATRIX_CLASSES:
        return _pairs(result, names)
    before = _matrix(result.before, names, "before training")
    after = _matrix(result.after, names, "after training")
    return f'<div class="pair">{before}{after}</div>'


def _matrix(evaluation: Evaluation, names: Sequence[str], when: str) -> str:
    heads = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    rows: list[str] = []
    for true, name in enumerate(names):
        counts = [int(count) for count in evaluation.confusion[true]]
        total = sum(counts)
        cells = "".join(_cell(counts, total, true, p, names) for p in range(len(names)))
        recall = f"{100 * counts[true] / total:.0f}%" if total else ""
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th>{cells}<td class="recall">{recall}</td></tr>'
        )
    caption = (
        f"<figcaption><b>{percent(evaluation.accuracy)}</b> {when}, "
        f"{evaluation.count:,} test samples</figcaption>"
    )
    return (
        f'<figure>{caption}<div class="scroll"><table class="heat"><thead><tr>'
        f'<th class="corner">true ↓<br />predicted →</th>{heads}'
        '<th scope="col"><span>recall</span></th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></figure>"
    )


def _cell(
    counts: Sequence[int], total: int, true: int, predicted: int, names: Sequence[str]
) -> str:
    count = counts[predicted]
    share = count / total if total else 0.0
    css = "right" if true == predicted else "wrong"
    strong = " strong" if share > _STRONG else ""
    title = escape(f"{names[true]} taken for {names[predicted]}: {count} of {total}")
    return f'<td class="{css}{strong}" style="--a:{share:.2f}" title="{title}">{count or ""}</td>'


def _pairs(result: TrainingResult, names: Sequence[str]) -> str:
    before, after = result.before.confusion, result.after.confusion
    classes = range(len(names))
    wrong = [(int(after[t, p]), t, p) for t in classes for p in classes if t != p and after[t, p]]
    wrong.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    if not wrong:
        return '<p class="note">No test sample is taken for another class.</p>'
    rows = [
        f'<tr><th scope="row">{escape(names[true])}</th><td>{escape(names[predicted])}</td>'
        f'<td class="n bar" style="--w:{100 * count / max(1, int(after[true].sum())):.1f}%">'
        f"{count} of {int(after[true].sum())}</td>"
        f'<td class="n">{int(before[true, predicted])}</td></tr>'
        for count, true, predicted in wrong[:_PAIRS]
    ]
    head = (
        '<tr><th>true class</th><th>taken for</th><th class="n">after training</th>'
        '<th class="n">before</th></tr>'
    )
    shown = min(_PAIRS, len(wrong))
    note = (
        f'<p class="note">{len(names)} classes; the {shown} most confused of {len(wrong)} pairs '
        f"that occur. Test accuracy {percent(result.before.accuracy)} before and "
        f"<b>{percent(result.after.accuracy)}</b> after training, "
        f"{result.after.count:,} samples.</p>"
    )
    return f'{note}<table class="data"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
