"""TensorFlow Lite's files: ``reader.py`` walks one, ``operators.py`` knows its operators."""

from kilograd.frontend.tflite.reader import read_tflite

__all__ = ["read_tflite"]
