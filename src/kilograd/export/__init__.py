"""A program as a folder that somebody else's firmware can take in."""

from kilograd.export.folder import export_c
from kilograd.export.prefix import DEFAULT_PREFIX

__all__ = ["DEFAULT_PREFIX", "export_c"]
