"""Reports: a self-contained HTML page, and a memory map for the terminal."""

from kilograd.report.contents import Report
from kilograd.report.html import render_report, write_report
from kilograd.report.terminal import terminal_memory_map

__all__ = ["Report", "render_report", "terminal_memory_map", "write_report"]
