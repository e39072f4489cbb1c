"""Progress of a run: its arithmetic, and how it is shown where."""

import io
import math

import pytest

from gpu_pipeline import progress as shown
from gpu_pipeline.progress import Progress, reporting


def test_rate_and_time_to_go_follow_from_steps_and_elapsed():
    """A remaining time computed from the total, not from the rest, would never reach zero."""
    progress = Progress(done=250, total=1000, elapsed=2.0, coherence=0.5)
    assert progress.rate == 125.0
    assert progress.eta == 6.0
    assert Progress(1000, 1000, 8.0).eta == 0.0


def test_unknown_rate_is_nan_not_a_division_error():
    """The first message can come before any time has passed or any step was taken."""
    assert math.isnan(Progress(0, 10, 0.0).rate)
    assert math.isnan(Progress(0, 10, 1.0).eta)
    assert "starting" in str(Progress(0, 10, 0.0))


def test_text_names_share_rate_rest_and_coherence():
    """Units are scaled for reading: a wrong prefix is off by a thousand."""
    text = str(Progress(done=30_000, total=120_000, elapsed=2.0, coherence=0.1234))
    assert text == "step 30,000 of 120,000 (25 %), 15 k steps/s, 6 s left, coherence 0.123"
    assert "1 h 40 min left" in str(Progress(1, 6001, 1.0))


def test_a_function_receives_every_message_unchanged():
    """Callers count on every chunk, so nothing may be throttled on the way to them."""
    seen: list[Progress] = []
    with reporting(seen.append) as report:
        for done in (1, 2, 3):
            report(Progress(done, 3, 0.1))
    assert [p.done for p in seen] == [1, 2, 3]


def test_plain_lines_are_few_and_short_runs_print_none():
    """A batch log with a line per chunk would bury everything else."""
    out = io.StringIO()
    with shown._plain("grid", out) as report:
        report(Progress(1, 100, 0.5))
        assert out.getvalue() == ""
        for tick in range(1, 120):
            report(Progress(tick, 120, tick / 10))
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("grid: step ") for line in lines)


def test_standard_error_without_terminal_gets_plain_lines(monkeypatch):
    """Escape sequences of a bar make a log file unreadable."""
    err = io.StringIO()
    monkeypatch.setattr("sys.stderr", err)
    with reporting("auto", label="run") as report:
        report(Progress(5, 10, 6.0, 0.9))
    assert err.getvalue() == "run: step 5 of 10 (50 %), 0.833 steps/s, 6 s left, coherence 0.900\n"


def test_terminal_gets_a_bar_with_coherence(monkeypatch):
    """The bar is the only display most users meet; it must take the same messages."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    err = Terminal()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with reporting("auto", label="onset") as report:
        report(Progress(5, 10, 1.0, 0.25))
    assert "onset" in err.getvalue()
    assert "coherence 0.250" in err.getvalue()


def test_notebook_gets_a_text_bar_that_counts_steps(monkeypatch):
    """tqdm adds increments while messages carry totals: mixing them up counts 1 + 2 + 3."""
    err = io.StringIO()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr(shown, "_in_notebook", lambda: True)
    monkeypatch.setattr(shown, "NOTEBOOK_DELAY", 0.0)
    with reporting("auto", label="run") as report:
        for done in (1, 2, 3):
            report(Progress(done, 3, 1.0, 0.75))
    assert "3.00/3.00" in err.getvalue()


def test_unknown_display_is_refused():
    """A typo such as 'off' would otherwise silence the run or crash late."""
    with pytest.raises(ValueError, match="'off'"), reporting("off"):  # type: ignore[arg-type]
        pass
