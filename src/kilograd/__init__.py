"""kilograd: train int8 networks inside a microcontroller.

The public interface, in the order in which it is used::

    model = load_model("kilograd-48", classes=2)
    scheme = load_scheme("last:3", model)  # or search_scheme(model, [dataset], target).scheme
    program = compile_model(model, scheme, get_target("cortex-m7"))
    with open_device(program, "host") as device:
        result = train(device, dataset, TrainingOptions(epochs=3))
    measure(program)
    verify(program, ("reference", "host", "unicorn"), steps=3)

Everything else may change between versions. Names are imported when they are first used, so that
the command line starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kilograd.version import VERSION

if TYPE_CHECKING:
    from kilograd.compiler import Program, compile_model
    from kilograd.data import Dataset, Samples, load_dataset
    from kilograd.data.faces import faces_dataset
    from kilograd.device.open import open_device
    from kilograd.device.protocol import Device, LearningRate
    from kilograd.errors import KilogradError, UserError
    from kilograd.export import export_c, export_weights, export_zip
    from kilograd.frontend.open import input_spec, load_model
    from kilograd.ir import Graph
    from kilograd.measuring.equivalence import verify_devices as verify
    from kilograd.measuring.firmware import Measurement, measure
    from kilograd.quantization.pytorch import from_torch
    from kilograd.scheme import Scheme, load_scheme
    from kilograd.search.search import search_scheme
    from kilograd.targets import Target, get_target
    from kilograd.training.loop import TrainingOptions, TrainingResult, evaluate, train

__version__ = VERSION

#: Public name -> the module that defines it, and what it is called there.
_WHERE = {
    "Dataset": ("kilograd.data", "Dataset"),
    "Device": ("kilograd.device.protocol", "Device"),
    "Graph": ("kilograd.ir", "Graph"),
    "KilogradError": ("kilograd.errors", "KilogradError"),
    "LearningRate": ("kilograd.device.protocol", "LearningRate"),
    "Measurement": ("kilograd.measuring.firmware", "Measurement"),
    "Program": ("kilograd.compiler", "Program"),
    "Samples": ("kilograd.data", "Samples"),
    "Scheme": ("kilograd.scheme", "Scheme"),
    "Target": ("kilograd.targets", "Target"),
    "TrainingOptions": ("kilograd.training.loop", "TrainingOptions"),
    "TrainingResult": ("kilograd.training.loop", "TrainingResult"),
    "UserError": ("kilograd.errors", "UserError"),
    "compile_model": ("kilograd.compiler", "compile_model"),
    "evaluate": ("kilograd.training.loop", "evaluate"),
    "export_c": ("kilograd.export", "export_c"),
    "export_weights": ("kilograd.export", "export_weights"),
    "export_zip": ("kilograd.export", "export_zip"),
    "faces_dataset": ("kilograd.data.faces", "faces_dataset"),
    "from_torch": ("kilograd.quantization.pytorch", "from_torch"),
    "get_target": ("kilograd.targets", "get_target"),
    "input_spec": ("kilograd.frontend.open", "input_spec"),
    "load_dataset": ("kilograd.data", "load_dataset"),
    "load_model": ("kilograd.frontend.open", "load_model"),
    "load_scheme": ("kilograd.scheme", "load_scheme"),
    "measure": ("kilograd.measuring.firmware", "measure"),
    "open_device": ("kilograd.device.open", "open_device"),
    "search_scheme": ("kilograd.search.search", "search_scheme"),
    "train": ("kilograd.training.loop", "train"),
    "verify": ("kilograd.measuring.equivalence", "verify_devices"),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        msg = f"module 'kilograd' has no attribute {name!r}"
        raise AttributeError(msg)
    module, attribute = _WHERE[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted((*globals(), *_WHERE))


__all__ = [
    "Dataset",
    "Device",
    "Graph",
    "KilogradError",
    "LearningRate",
    "Measurement",
    "Program",
    "Samples",
    "Scheme",
    "Target",
    "TrainingOptions",
    "TrainingResult",
    "UserError",
    "__version__",
    "compile_model",
    "evaluate",
    "export_c",
    "export_weights",
    "export_zip",
    "faces_dataset",
    "from_torch",
    "get_target",
    "input_spec",
    "load_dataset",
    "load_model",
    "load_scheme",
    "measure",
    "open_device",
    "search_scheme",
    "train",
    "verify",
]
