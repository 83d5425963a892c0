"""The table of what is found after learning, from experiments/anomalies/results.json."""

from __future__ import annotations

from experiments.common.ledgers import Ledger, Row
from experiments.common.markdown import NOTHING, table

_PLACE = "factory"


def _shown(found: Row) -> list[str]:
    first, second = found["auc_by_damage"]
    areas = [f"{area:.3f}" for area in (first, second, found["auc"])]
    return [*areas, f"{100 * found['false_alarm_rate']:.1f}"]


def anomalies(ledger: Ledger) -> str:
    """The network before and after, and means and spreads of bands."""
    learned, bands = ledger["learned"], ledger["bands"]
    empty = [NOTHING, NOTHING]
    rows = [[NOTHING, "the network as it came", *_shown(ledger["as it came"]), *empty]]
    order = ("head", "last:2", "full")
    keys = [key.split(" | ") for key in learned]
    keys.sort(
        key=lambda key: (
            key[1] not in order,
            int(key[0]),
            order.index(key[1]) if key[1] in order else 0,
        )
    )
    for count, scheme in keys:
        row, taken = learned[f"{count} | {scheme}"], ledger["measured"][scheme]
        passes = "once" if row["epochs"] == 1 else f"{row['epochs']} times"
        sizes = [f"{taken['sram_bytes']:,}", f"{taken['instructions']:,}"]
        rows.append([f"{count} spectra {passes}", scheme, *_shown(row), *sizes])
    rows.append([NOTHING, "bands, as in the factory", *_shown(bands[_PLACE]), *empty])
    counts = sorted((name for name in bands if name != _PLACE), key=int)
    rows += [[f"{count} spectra", "bands", *_shown(bands[count]), *empty] for count in counts]
    header = ["learned", "what", "AUC, unbalanced", "AUC, chipped", "AUC, both"]
    return table([*header, "false alarms (%)", "SRAM (B)", "instructions a step"], rows)


TABLES = {"anomalies": anomalies}
