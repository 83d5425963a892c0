"""Ctrl-C while foreign code runs that calls back: exceptions do not come through it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class Stoppable:
    """Raises what SIGINT would raise, but behind the foreign code and not within it.

    Whoever handles SIGINT is asked as usual; if that raises KeyboardInterrupt, the foreign code is
    stopped, and the exception raised at the end of the block.

    Args:
        stop: makes the foreign code return soon; called within one of its calls back.
    """

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._before: Callable[[int, FrameType | None], object] | None = None
        self._is_interrupted = False

    def __enter__(self) -> Self:
        before = signal.getsignal(signal.SIGINT)
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self._is_interrupted:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        try:
            if self._before is not None:
                self._before(number, frame)
        except KeyboardInterrupt:
            self._is_interrupted = True
            self._stop()
