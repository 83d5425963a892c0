"""Tables of networks from files, from experiments/importing/results.json."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean

from experiments.common.ledgers import Ledger, Row
from experiments.common.markdown import table
from experiments.importing.wanted import (
    LARGEST_FRESH,
    LARGEST_OWN,
    LIMITED_FRESH,
    LIMITED_OWN,
    RATES,
    RESOLUTIONS,
    TUNINGS,
    Tuning,
)


def _mean(rows: list[Row], what: str = "accuracy") -> float:
    return 100 * mean(row[what] for row in rows)


def tuning(ledger: Ledger) -> str:
    """Accuracy on test samples before and after."""
    rows = [
        [
            one.name,
            one.pack.rsplit("_", 1)[0],
            one.scheme,
            f"{ledger['tuning'][one.name][0]['rate']:g}",
            f"{_mean(ledger['tuning'][one.name], 'before'):.1f}",
            f"{_mean(ledger['tuning'][one.name]):.1f}",
        ]
        for one in TUNINGS
    ]
    return table(["network", "data", "scheme", "rate", "before (%)", "after (%)"], rows)


def rates(ledger: Ledger) -> str:
    """Accuracy on validation samples at each rate, and what the default loses to the best."""
    rows: list[list[str]] = []
    for one in TUNINGS:
        by_rate = [_mean(ledger["rates"][f"{one.name} | {rate:g}"]) for rate in RATES]
        default = ledger["rates"][f"{one.name} | default"]
        found = _mean(default)
        cells = [f"{accuracy:.1f}" for accuracy in by_rate]
        chosen = f"{default[0]['rate']:g}"
        lost = f"{found - max(by_rate):+.1f}".replace("-", "−")
        rows.append([one.name, *cells, chosen, f"{found:.1f}", lost])
    header = ["network", *(f"{rate:g}" for rate in RATES), "default", "there", "default − best"]
    return table(header, rows)


def largest_rates(ledger: Ledger) -> str:
    """Accuracy by cross-validation at each rate, from a trained head on."""
    return _cross_validated(ledger, LIMITED_OWN, LARGEST_OWN)


def largest_fresh_rates(ledger: Ledger) -> str:
    """The same with a new last layer."""
    return _cross_validated(ledger, LIMITED_FRESH, LARGEST_FRESH)


def _cross_validated(ledger: Ledger, several: Sequence[Tuning], rates: Iterable[float]) -> str:
    columns = [f"{rate:g}" for rate in rates]
    found = {
        one.name: [_mean(ledger["largest"][f"{one.name} | {column}"]) for column in columns]
        for one in several
    }
    found["mean"] = [mean(column) for column in zip(*found.values(), strict=True)]
    rows = [
        [name, *(f"{accuracy:.1f}" for accuracy in accuracies)]
        for name, accuracies in found.items()
    ]
    return table(["network", *columns], rows)


def resolutions(ledger: Ledger) -> str:
    """What MCUNet takes and learns at each resolution."""
    rows = [
        [
            f"{extent}×{extent}",
            f"{row['held_sram_bytes']:,}",
            f"{row['streamed_sram_bytes']:,}",
            f"{row['held_instructions'] / 1e6:.1f}",
            f"{100 * row['accuracy']:.1f}",
        ]
        for extent in RESOLUTIONS
        for row in (ledger["resolutions"][str(extent)],)
    ]
    header = ["samples", "SRAM, held (B)", "SRAM, streamed (B)", "instructions (M)", "accuracy (%)"]
    return table(header, rows)


#: What made networks, by its folder.
_CONVERTERS = {"keras": "Keras, TensorFlow", "torch": "PyTorch, LiteRT Torch"}


def converted(ledger: Ledger) -> str:
    """How many networks of each converter are carried, and what of them was compared."""
    rows: list[list[str]] = []
    for folder, title in _CONVERTERS.items():
        found = [row for key, row in ledger["converted"].items() if key.startswith(f"{folder} |")]
        carried = [row for row in found if "refused" not in row]
        sums = [f"{sum(row[what] for row in carried):,}" for what in _COMPARED]
        rows.append([title, str(len(found)), str(len(carried)), *sums])
    return table(["converter", "networks", "carried", *_COMPARED.values()], rows)


#: Columns of what was compared, by their names in the ledger.
_COMPARED = {"tensors": "tensors", "bytes": "bytes of them", "different": "bytes that differ"}


def not_converted(ledger: Ledger) -> str:
    """Networks that are refused, and why."""
    rows = [
        [_CONVERTERS[folder].split(",", maxsplit=1)[0], name, row["refused"]]
        for key, row in ledger["converted"].items()
        if "refused" in row
        for folder, name in (key.split(" | "),)
    ]
    return table(["from", "network", "refused for"], rows)


def onnx_networks(ledger: Ledger) -> str:
    """How many networks of PyTorch are carried by way of ONNX, and how near their layers are."""
    rows: list[list[str]] = []
    for library in ("torchvision", "timm"):
        found = [row for key, row in ledger["onnx"].items() if key.startswith(f"{library} ")]
        carried = [row for row in found if "refused" not in row]
        elements, differing = (
            sum(row[what] for row in carried) for what in ("elements", "differing")
        )
        rows.append(
            [
                *(library, str(len(found)), str(len(carried))),
                f"{sum(row['layers'] for row in carried):,}",
                f"{elements:,}",
                f"{100 * differing / elements:.2f}%",
                str(max(row["most"] for row in carried)),
            ]
        )
    header = ["from", "networks", "carried", "layers", "elements", "that differ", "steps at most"]
    return table(header, rows)


def not_from_onnx(ledger: Ledger) -> str:
    """Those that are refused, and why."""
    rows = [
        [key.split(" ", maxsplit=1)[1], row["refused"]]
        for key, row in ledger["onnx"].items()
        if "refused" in row
    ]
    return table(["network", "refused for"], rows)


TABLES = {
    "onnx_networks": onnx_networks,
    "not_from_onnx": not_from_onnx,
    "converted": converted,
    "not_converted": not_converted,
    "tuning": tuning,
    "foreign_rates": rates,
    "largest_rates": largest_rates,
    "largest_fresh_rates": largest_fresh_rates,
    "resolutions": resolutions,
}
