"""TensorFlow Lite's files: ``reader.py`` walks one, ``operators.py`` knows its operators."""

from kilograd.frontend.tflite.identifier import is_tflite
from kilograd.frontend.tflite.labels import tflite_classes
from kilograd.frontend.tflite.reader import FULL_INTEGER, read_c_array, read_tflite

__all__ = ["FULL_INTEGER", "is_tflite", "read_c_array", "read_tflite", "tflite_classes"]
