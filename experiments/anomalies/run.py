"""A network that knows the fans of a factory learns the one that it watches, and is tried there.

    python -m experiments.anomalies.run     rewrites experiments/anomalies/results.json

The network of `experiments.anomalies.network` learns 90, 300 or 900 normal spectra of another place
at the default rate, as `kilograd train` does, and is judged by spectra of sound and damaged fans
there; so does one that was never trained before. Beside them stands what no network is needed for:
means and spreads of the bands.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.anomalies import FACTORY, FIELD, LEDGER, NETWORK
from experiments.anomalies.spectra import Place, Statistics, read_place, write_pack
from experiments.common.ledgers import Ledger, Row, write_ledger
from experiments.common.paths import data_file, require_shared
from experiments.common.programs import HOST, compiled, measure_anywhere
from kilograd.compiler import Program
from kilograd.data import Dataset, as_anomalies, load_dataset
from kilograd.device.open import open_device
from kilograd.frontend.open import input_spec, load_model
from kilograd.training.anomalies import Detection
from kilograd.training.loop import TrainingOptions, evaluate
from kilograd.training.rate import default_rate
from kilograd.training.run import run_training

SCHEMES = ("head", "last:2", "full")
#: Of the same widths, everything in it trained; its samples have the statistics of what it learns.
UNTRAINED = "autoencoder-64-32-8"
#: Spectra, and passes over them: 3, 10 and 30 minutes of a fan, the last of them never stored.
LEARNED = ((90, 30), (300, 9), (900, 1))
SEEDS = (0, 1, 2)
BOARD = "cortex-m4"
_FACTORY_SPECTRA = 900


def figures(found: Detection) -> Row:
    """What a detector finds of both damages, and how often it is wrong."""
    return {
        "auc": found.auc,
        "auc_by_damage": [found.auc_of(1), found.auc_of(2)],
        "false_alarm_rate": found.share_above(0),
        "detection_rate": found.share_above(),
    }


def _mean(rows: list[Row]) -> Row:
    return {
        name: np.round(np.mean([row[name] for row in rows], axis=0), 4).tolist() for name in rows[0]
    }


def as_it_came(dataset: Dataset) -> Row:
    """The network before it learns, with the threshold that the factory would give it."""
    with open_device(compiled(str(NETWORK), "head"), HOST) as device:
        device.initialize(0)
        found, known = evaluate(device, dataset.test), evaluate(device, dataset.train)
    assert isinstance(found, Detection)
    return _mean([figures(found.with_threshold(known))])


def learn(program: Program, dataset: Dataset, epochs: int) -> Row:
    """What is found then, in the mean of all seeds."""
    rate = default_rate(program)
    rows: list[Row] = []
    for seed in SEEDS:
        options = TrainingOptions(epochs, rate, seed=seed)
        found = run_training(program, dataset, HOST, options).result.after
        assert isinstance(found, Detection)
        rows.append(figures(found))
    return {"rate": rate, "epochs": epochs, **_mean(rows)}


def of_bands(learned: NDArray[np.float64], place: Place) -> Row:
    """The same of means and spreads of the bands: the mean squared deviation in spreads."""
    statistics = Statistics.of(learned)

    def scores(bands: NDArray[np.float64]) -> NDArray[np.int64]:
        deviations = np.square(statistics.standardized(bands)).mean(axis=1)
        found: NDArray[np.int64] = np.rint(deviations * (1 << 20)).astype(np.int64)
        return found

    normal = scores(learned)
    rows = np.stack([place.labels, scores(place.tested)], axis=1)
    known = Detection(
        np.zeros((0, 0), np.int64), scores=np.stack([np.zeros_like(normal), normal], axis=1)
    )
    found = Detection(np.zeros((0, 0), np.int64), scores=rows).with_threshold(known)
    return _mean([figures(found)])


def samples(
    learned: NDArray[np.float64], place: Place, statistics: Statistics, model: str = str(NETWORK)
) -> Dataset:
    """Spectra to learn, and those of a place to be judged by."""
    graph = load_model(model)
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / "fan.npz"
        write_pack(pack, learned, place, statistics)
        return as_anomalies(load_dataset(pack, input_spec(graph)), graph.value_range)


def measured() -> dict[str, Row]:
    """What each scheme takes on a board."""
    rows: dict[str, Row] = {}
    networks = {**dict.fromkeys(SCHEMES, str(NETWORK)), UNTRAINED: UNTRAINED}
    for name, network in networks.items():
        scheme = name if name in SCHEMES else "full"
        found, _ = measure_anywhere(compiled(network, scheme, target=BOARD))
        rows[name] = {
            "sram_bytes": found.sram_total_bytes,
            "flash_bytes": found.flash_bytes,
            "instructions": found.instructions_train_step,
        }
    return rows


def main() -> None:
    """Measure and write."""
    require_shared()
    factory, field = (read_place(data_file(name)) for name in (FACTORY, FIELD))
    at_the_factory = factory.first(_FACTORY_SPECTRA)
    statistics = Statistics.of(at_the_factory)
    ledger: Ledger = {"board": BOARD, "seeds": list(SEEDS), "measured": measured(), "learned": {}}
    ledger["bands"] = {"factory": of_bands(at_the_factory, field)}
    ledger["as it came"] = as_it_came(samples(at_the_factory, field, statistics))
    for count, epochs in LEARNED:
        learned = field.first(count)
        ledger["bands"][str(count)] = of_bands(learned, field)
        dataset = samples(learned, field, statistics)
        for scheme in SCHEMES:
            row = learn(compiled(str(NETWORK), scheme), dataset, epochs)
            ledger["learned"][f"{count} | {scheme}"] = row
            print(count, scheme, row, flush=True)
        dataset = samples(learned, field, Statistics.of(learned), UNTRAINED)
        row = learn(compiled(UNTRAINED, "full"), dataset, epochs)
        ledger["learned"][f"{count} | {UNTRAINED}"] = row
        print(count, UNTRAINED, row, flush=True)
    write_ledger(LEDGER, ledger)


if __name__ == "__main__":
    main()
