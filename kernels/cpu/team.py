"""How many threads run a chunk: all of them, unless other work on the machine makes one faster.

Threads that meet at a barrier every microsecond are as slow as the one that has just lost its core. Results do not
depend on the number of threads, so it may change between chunks.
"""

from __future__ import annotations

_CLEARLY = 1.1  # one thread has to be faster by so much
_PATIENCE = 128  # chunks between trials at most: a trial costs half a chunk or so, and conditions change slowly


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
        self._chunks, self._patience = -1, 4  # the first chunk warms caches and is not judged

    def size(self) -> int:
        """Threads for the next chunk."""
        if self.threads not in self._rates or self.threads == 1:
            return self.threads
        if 1 not in self._rates:
            return 1
        alone = self._rates[1] > _CLEARLY * self._rates[self.threads]
        trial = self._chunks >= self._patience
        return 1 if alone != trial else self.threads

    def note(self, size: int, rate: float) -> None:
        """Learn the rate in steps per second of a chunk that ``size`` threads ran."""
        self._chunks += 1
        if self._chunks == 0:
            return
        self._rates[size] = rate
        if self._chunks > self._patience:  # that was a trial
            self._chunks, self._patience = 0, min(_PATIENCE, 2 * self._patience)
