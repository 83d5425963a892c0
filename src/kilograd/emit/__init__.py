"""Schedule and memory plan to C sources."""

from kilograd.emit.model import emit

__all__ = ["emit"]
