"""Schedule and memory plan to C sources."""

from kilograd.codegen.model import emit
from kilograd.codegen.model_header import Deployment, Pixels, Rate, model_header, model_id

__all__ = ["Deployment", "Pixels", "Rate", "emit", "model_header", "model_id"]
