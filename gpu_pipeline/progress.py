"""Progress of a run: what is told, and the three ways of showing it.

A terminal gets a bar drawn by rich, a notebook a bar of tqdm, and everything else, such as a batch log, one plain line
every few seconds. Nothing here reads a clock: the elapsed time comes with each message.
"""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, TextIO

from gpu_pipeline.errors import InputError

__all__ = ["Progress", "ProgressOption", "Reporter", "reporting"]

PLAIN_EVERY = 5.0
"""Seconds between two plain lines; a run shorter than this prints none."""

NOTEBOOK_DELAY = 1.0
"""Seconds before a notebook shows a bar: what is over sooner should not litter the page."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands at the end of a chunk.

    Parameters
    ----------
    done, total : int
        Steps taken and steps to take in this call.
    elapsed : float
        Seconds since the call began, compilation left out.
    coherence : float
        Mean coherence of the replicas, in [0, 1]; NaN if it is not known.
    """

    done: int
    total: int
    elapsed: float
    coherence: float = math.nan

    @property
    def rate(self) -> float:
        """Steps per second so far; NaN before any time has passed."""
        return self.done / self.elapsed if self.elapsed > 0 else math.nan

    @property
    def eta(self) -> float:
        """Seconds to go at this rate; NaN as long as the rate is not known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else math.nan

    def __str__(self) -> str:
        share = 100 * self.done / self.total if self.total else 100.0
        return f"step {self.done:,} of {self.total:,} ({share:.0f} %), {_details(self)}"


Reporter = Callable[[Progress], None]
ProgressOption = Literal["auto", "none"] | Reporter


def _details(progress: Progress) -> str:
    """Rate, time to go and coherence, leaving out what is not known."""
    parts = []
    if math.isfinite(progress.rate):
        parts.append(f"{_count(progress.rate)} steps/s")
    if math.isfinite(progress.eta):
        parts.append(f"{_span(progress.eta)} left")
    if math.isfinite(progress.coherence):
        parts.append(f"coherence {progress.coherence:.3f}")
    return ", ".join(parts) or "starting"


def _count(number: float) -> str:
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {suffix}"
    return f"{number:.3g}"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


@contextmanager
def reporting(progress: ProgressOption = "auto", *, label: str = "run") -> Iterator[Reporter]:
    """Open the display that fits where the output goes, and close it however the run ends.

    Parameters
    ----------
    progress : {"auto", "none"} or callable, default "auto"
        "auto" looks at where standard error goes; a callable receives every message itself.
    label : str, default "run"
        Name shown beside the bar.

    Yields
    ------
    report : callable
        Takes one `Progress` per chunk. Cheap enough to be called many times a second.

    Raises
    ------
    InputError
        If `progress` is none of these.
    """
    if callable(progress):
        yield progress
    elif progress == "none":
        yield _silent
    elif progress == "auto":
        with _display()(label) as report:
            yield report
    else:
        raise InputError(f"progress is {progress!r}, expected 'auto', 'none' or a function of one Progress")


def _silent(progress: Progress) -> None:
    """Show nothing."""


def _display() -> Callable[[str], AbstractContextManager[Reporter]]:
    if _in_notebook():
        return _notebook
    return _terminal if sys.stderr.isatty() else _plain


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this; IPython is never imported for the question."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def _terminal(label: str) -> Iterator[Reporter]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    texts = TextColumn("{task.description}"), TextColumn("{task.fields[details]}")
    columns = texts[0], BarColumn(24), TaskProgressColumn(), texts[1]
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None, details="starting")

        def report(progress: Progress) -> None:
            bars.update(task, total=progress.total, completed=progress.done, details=_details(progress))

        yield report


@contextmanager
def _notebook(label: str) -> Iterator[Reporter]:
    from tqdm import tqdm

    # The text bar: the widget needs ipywidgets, and is lost when a notebook is saved or converted.
    shape = {"unit": "step", "unit_scale": True, "dynamic_ncols": True}
    with tqdm(desc=label, delay=NOTEBOOK_DELAY, file=sys.stderr, **shape) as bar:

        def report(progress: Progress) -> None:
            bar.total = progress.total
            if math.isfinite(progress.coherence):
                bar.set_postfix_str(f"coherence {progress.coherence:.3f}", refresh=False)
            bar.update(progress.done - bar.n)

        yield report


@contextmanager
def _plain(label: str, file: TextIO | None = None) -> Iterator[Reporter]:
    due = PLAIN_EVERY
    stream = sys.stderr if file is None else file

    def report(progress: Progress) -> None:
        nonlocal due
        if progress.elapsed >= due:
            due = progress.elapsed + PLAIN_EVERY
            stream.write(f"{label}: {progress}\n")
            stream.flush()

    yield report
