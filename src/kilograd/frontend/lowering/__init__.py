"""Networks to forward graphs: what kilograd can carry is carried exactly, all else is refused."""

from kilograd.frontend.lowering.autoencoders import as_autoencoder
from kilograd.frontend.lowering.lowering import Lowering, lower

__all__ = ["Lowering", "as_autoencoder", "lower"]
