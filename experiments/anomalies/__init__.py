"""A network that knows the fans of a factory learns the one that it watches."""

from pathlib import Path

from experiments.common.ledgers import ledger_path

LEDGER = ledger_path("anomalies")

#: The network, as `experiments.anomalies.network` makes it.
NETWORK = Path(__file__).parent / "fan.onnx"

#: Where it was trained, and where it has to work.
FACTORY, FIELD = "coolfan12.npz", "coolfan12_silentB.npz"
