"""What all clients of the load have in common, and the count of all that they were promised."""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping


class Score:
    """How many promises were made by all; wakes who waits for so many."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.promises = 0

    def add(self) -> None:
        with self._changed:
            self.promises += 1
            self._changed.notify_all()

    def wait(self, promises: int, patience_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.promises >= promises, patience_s)


class Client(ABC):
    """One thread's work; `work` loops until the connection breaks."""

    def __init__(self, name: str, seed: int, score: Score) -> None:
        self.name = name
        self.lot = random.Random(f"{name} {seed}")
        self.score = score
        self.count = 0
        self.fault: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self, ports: Mapping[str, int]) -> None:
        self._thread = threading.Thread(target=self._run, args=(ports,), name=self.name)
        self._thread.start()

    @property
    def works(self) -> bool:
        """Not yet ended: nobody ends before the server does."""
        return self._thread is not None and self._thread.is_alive()

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join()
        if self.fault is not None:
            raise AssertionError(f"{self.name}: {self.fault!r}") from self.fault

    def _run(self, ports: Mapping[str, int]) -> None:
        try:
            while True:
                self.work(ports)
        except OSError:         # it was killed, as it should be
            pass
        except BaseException as fault:
            self.fault = fault

    @abstractmethod
    def work(self, ports: Mapping[str, int]) -> None:
        """One round: connect, do it, note in the ledger or score what the server has promised."""

    def key(self) -> str:
        self.count += 1
        return f"{self.name}-{self.count}"
