"""What leaves kilograd: a program as a folder for another firmware, weights for other tools."""

from kilograd.export.folder import export_c, export_zip
from kilograd.export.prefix import DEFAULT_PREFIX
from kilograd.export.weights import export_weights

__all__ = ["DEFAULT_PREFIX", "export_c", "export_weights", "export_zip"]
