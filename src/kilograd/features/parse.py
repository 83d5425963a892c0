"""From what a model file says to features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from kilograd.errors import KilogradError, ModelError
from kilograd.features.base import Features
from kilograd.features.log_mel import LogMel
from kilograd.features.motion import Motion
from kilograd.ir import Graph, TensorType

_FIELDS = {
    LogMel.kind: {"rate", "window", "hop", "low_hz", "high_hz", "centre"},
    Motion.kind: {"rate", "channels", "units", "scales"},
}


def parse_features(stated: Any, input_type: TensorType) -> Features:
    """Features as a model file states them.

    Args:
        stated: the object under ``features``: its "kind", and the fields of that kind.
        input_type: of the network's input, whose shape, scale and zero point are the rest.

    Raises:
        ModelError: an unknown kind, a field that is missing, unknown or out of range, or an input
            of another shape.
    """
    if not isinstance(stated, dict):
        raise ModelError("features must be an object with a kind")
    fields = dict(cast("dict[str, Any]", stated))
    kind = fields.pop("kind", None)
    if kind not in _FIELDS:
        known = ", ".join(_FIELDS)
        raise ModelError(f"there are no features of kind {kind!r}", hint=f"known: {known}")
    if fields.keys() != _FIELDS[kind]:
        difference = ", ".join(sorted(fields.keys() ^ _FIELDS[kind]))
        raise ModelError(f"{kind}: missing or unknown: {difference}")
    read = _log_mel if kind == LogMel.kind else _motion
    try:
        features = read(fields, input_type)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{kind}: {error}") from error
    if features.shape != input_type.shape:
        made, wanted = ("×".join(map(str, s)) for s in (features.shape, input_type.shape))
        raise ModelError(f"{kind} makes {made}, and the input is {wanted}")
    return features


def features_of(graph: Graph) -> Features | None:
    """What a graph wants its input to be made of; None where that is pixels, or not said."""
    if graph.features is None:
        return None
    if not isinstance(graph.features, Features):
        raise KilogradError(f"{type(graph.features).__name__} are no features of kilograd")
    return graph.features


def _log_mel(fields: Mapping[str, Any], type_: TensorType) -> LogMel:
    height, width, _ = type_.shape
    return LogMel(
        rate=_whole(fields["rate"]),
        window=_whole(fields["window"]),
        hop=_whole(fields["hop"]),
        frames=height,
        bands=width,
        low_hz=float(fields["low_hz"]),
        high_hz=float(fields["high_hz"]),
        centre=float(fields["centre"]),
        scale=type_.scale,
        zero_point=type_.zero_point,
    )


def _motion(fields: Mapping[str, Any], type_: TensorType) -> Motion:
    return Motion(
        rate=float(fields["rate"]),
        length=type_.shape[0],
        channels=tuple(map(str, fields["channels"])),
        units=tuple(map(float, fields["units"])),
        scales=tuple(map(float, fields["scales"])),
    )


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"{value!r} is no whole number"
        raise TypeError(msg)
    return value
