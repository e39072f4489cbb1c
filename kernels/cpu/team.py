"""How many threads run a chunk: all of them, unless other work on the machine makes one faster.

Threads that meet at a barrier every microsecond are as slow as the one that has just lost its core. Results do not
depend on the number of threads, so it may change between chunks.
"""

from __future__ import annotations

_CLEARLY = 1.1  # one thread has to be faster by so much
_RETRY_ALL, _RETRY_ONE = 8, 128  # chunks after which the other choice is tried again


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
        self._chunks = -1  # the first chunk warms caches and is not judged

    @property
    def trying(self) -> bool:
        """Whether the next chunk tests the other choice; it may be slow and should be short."""
        if self.threads == 1 or self.threads not in self._rates:
            return False
        return 1 not in self._rates or self._chunks >= (_RETRY_ALL if self._alone else _RETRY_ONE)

    @property
    def _alone(self) -> bool:
        return self._rates.get(1, 0.0) > _CLEARLY * self._rates[self.threads]

    def size(self) -> int:
        """Threads for the next chunk."""
        if self.threads == 1 or self.threads not in self._rates:
            return self.threads
        return 1 if self._alone != self.trying else self.threads

    def note(self, size: int, rate: float) -> None:
        """Learn the rate in steps per second of a chunk that ``size`` threads ran."""
        if self._chunks < 0:
            self._chunks = 0
            return
        self._chunks = 0 if self.trying else self._chunks + 1
        self._rates[size] = rate
