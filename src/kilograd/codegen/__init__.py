"""Schedule and memory plan to C sources."""

from kilograd.codegen.model import emit

__all__ = ["emit"]
