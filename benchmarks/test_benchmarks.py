"""The five rows and their ceilings under pytest-benchmark.

With timing off each runs once, on a small case; with ``--benchmark-enable`` at the sizes that the tables quote.
Peers are timed by run.py only, where all take turns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from cases import DTYPES, ROWS, Case, DType, Row, small, standard
from ceilings import FLOOR, ceilings
from contest import CHECKED_STEPS, Contestant, check, steps_for
from ours import ours

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

PASS_SECONDS = 0.02


def case_for(row: Row, benchmark: BenchmarkFixture) -> Case:
    """Standard size when times are taken, small otherwise."""
    return standard(row) if benchmark.enabled else small(row)


def run_timed(contestant: Contestant, benchmark: BenchmarkFixture) -> None:
    """Time passes long enough for the clock; the cost of one right-hand side goes beside the figures."""
    n_steps = steps_for(contestant, PASS_SECONDS) if benchmark.enabled else CHECKED_STEPS
    benchmark.pedantic(contestant.advance, args=(n_steps,), rounds=9, warmup_rounds=1)
    if benchmark.enabled:
        per_pass = benchmark.stats.stats.min
        benchmark.extra_info["us_per_rhs"] = 1e6 * per_pass / (n_steps * contestant.evaluations)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", ROWS)
def test_ours_integrates_the_case_it_is_timed_on(
    row: Row, dtype: DType, threads: int, benchmark: BenchmarkFixture
) -> None:
    """A fast wrong answer is no benchmark: velocities and paths are compared with float64 numpy first."""
    case = case_for(row, benchmark)
    entries = ours(case, dtype, threads)
    for entry in entries:
        check(entry, case)
    run_timed(entries[0], benchmark)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", ROWS)
def test_ceilings_cover_every_piece_of_the_floor(
    row: Row, dtype: DType, threads: int, benchmark: BenchmarkFixture
) -> None:
    """A piece without a probe would drop out of the floor; one probe alone would be no second opinion."""
    probes = ceilings(case_for(row, benchmark), dtype, threads)
    for piece in FLOOR[row]:
        assert sum(p.component == piece for p in probes) >= 2
    assert all(math.isfinite(p.evaluations) and p.evaluations > 0 for p in probes)
    for probe in probes[1:]:
        probe.advance(CHECKED_STEPS)
    run_timed(probes[0], benchmark)
