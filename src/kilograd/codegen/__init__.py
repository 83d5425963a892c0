"""Schedule and memory plan to C sources."""

from kilograd.codegen.model import emit
from kilograd.codegen.model_header import model_header, model_id

__all__ = ["emit", "model_header", "model_id"]
