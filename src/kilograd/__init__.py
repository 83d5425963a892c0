"""kilograd: train int8 networks inside a microcontroller."""

__version__ = "0.1.0"
