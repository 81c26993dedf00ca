"""A runtime of which the slots are taken until the test says so."""

from __future__ import annotations

import threading

import polyreme as pr


class Busy:
    """A runtime of which a body keeps one slot, by default the only one, busy until the block ends or open() is called."""

    def __init__(self, workers: int = 1) -> None:
        self.rt = pr.Runtime(workers=workers)
        self._started = threading.Event()
        self._hold = threading.Event()
        self.body = self.rt.spawn(self._occupy, name="busy")
        self._started.wait()

    def _occupy(self) -> None:
        self._started.set()
        self._hold.wait()

    def open(self) -> None:
        self._hold.set()

    def __enter__(self) -> Busy:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()
        self.rt.close()
