"""ONNX files in the QDQ format: ``graph.py`` parses one, ``reader.py`` walks its nodes."""

from kilograd.frontend.onnx.reader import network_of, read_onnx

__all__ = ["network_of", "read_onnx"]
