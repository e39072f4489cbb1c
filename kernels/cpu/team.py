"""How many threads run a chunk: all of them, unless other work on the machine makes one faster.

Threads that meet at a barrier every microsecond are as slow as the one that has just lost its core. Results do not
depend on the number of threads, so it may change between chunks.
"""

from __future__ import annotations

_TRIAL_EVERY = 128  # chunks: a trial costs half a chunk or so, and conditions change slowly


class Team:
    """Chooses between all threads and one by the rates it is told.

    Parameters
    ----------
    threads : int
        How many there are.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._rates: dict[int, float] = {}
        self._chunks = 0

    def size(self) -> int:
        """Threads for the next chunk."""
        untried = [size for size in (self.threads, 1) if size not in self._rates]
        if untried:
            return untried[0]
        best = max(self._rates, key=lambda size: self._rates[size])
        return min(self._rates, key=lambda size: self._rates[size]) if self._chunks >= _TRIAL_EVERY else best

    def note(self, size: int, rate: float) -> None:
        """Learn the rate in steps per second of a chunk that ``size`` threads ran."""
        self._chunks = self._chunks + 1 if self._chunks < _TRIAL_EVERY else 0
        self._rates[size] = rate
