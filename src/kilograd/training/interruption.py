"""Ctrl-C while a device runs: first a request to stop, then an end at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

_Handler = Callable[[int, FrameType | None], object] | int | None


class Interruption:
    """Turns the first SIGINT into a request, which a run is asked for between two samples.

    A second SIGINT raises KeyboardInterrupt. Does nothing outside of the main thread, where Python
    delivers no signals.
    """

    def __init__(self) -> None:
        self._before: _Handler = None
        self._is_installed = False
        self._is_requested = False

    def is_requested(self) -> bool:
        """Whether to stop."""
        return self._is_requested

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
            self._is_installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_installed:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_requested:
            raise KeyboardInterrupt
        self._is_requested = True
