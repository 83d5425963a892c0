"""Running nodes a row at a time: which rows are kept, and the C that runs them."""

from kilograd.rowwise.plan import (
    ALIGNMENT,
    RowPlan,
    RowStage,
    RowValue,
    aligned,
    leading_rows,
    plan_rows,
    row_rule,
    simulate,
    whole_reads,
)

__all__ = [
    "ALIGNMENT",
    "RowPlan",
    "RowStage",
    "RowValue",
    "aligned",
    "leading_rows",
    "plan_rows",
    "row_rule",
    "simulate",
    "whole_reads",
]
