"""What answers at a port of this computer: a pseudo terminal with Python behind it."""

import os
import select
import threading
import tty


class Port:
    """A port; `answer` gets what comes and returns what goes back.

    Args:
        answer: bytes to bytes.
        talk: sent again and again, whatever comes.
    """

    def __init__(self, answer=lambda data: b"", *, talk=b""):
        self._answer = answer
        self._talk = talk
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def name(self):
        """Of the device."""
        return f"serial:{self.path}"

    def unplug(self):
        """The port is gone, also for who has opened it."""
        if not self._is_closed.is_set():
            self._is_closed.set()
            if threading.current_thread() is not self._thread:
                self._thread.join()
            os.close(self._slave)
            os.close(self._master)

    def _serve(self):
        while not self._is_closed.is_set():
            if select.select([self._master], [], [], 0.01)[0]:
                back = self._answer(os.read(self._master, 4096))
                if back:
                    os.write(self._master, back)
            elif self._talk:
                os.write(self._master, self._talk)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unplug()
