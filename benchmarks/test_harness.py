"""The harness itself: what it must refuse, skip and count."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import contest
import probes
import run
from cases import DTYPES, ROWS, DType, Row, reference_velocity, small
from ceilings import floor
from contest import Contestant, WrongResultError, check, round_robin, steps_for
from peers import PEERS, numpy_as_written, numpy_identity, peers
from report import figures, table


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("library", ["numpy as written", "numpy with the identity", "scipy"])
def test_peers_integrate_the_case(row: Row, dtype: DType, library: str) -> None:
    """A transposed matrix or a wrong sign in a peer would make ours look better or worse than it is."""
    case = small(row)
    for contestant in PEERS[library](case, dtype, 1):
        check(contestant, case)


def test_reference_is_the_sum_over_edges() -> None:
    """The vectorized reference is what everything is measured by; two loops cannot share its mistakes."""
    case = small("e")
    indptr, indices = case.csr
    got = reference_velocity(case, case.theta0)
    for r in range(case.replicas):
        for i in range(case.n_nodes):
            angles = case.theta0[r, indices[indptr[i] : indptr[i + 1]]] - case.theta0[r, i]
            want = case.omega[i] + case.coupling[r] * sum(math.sin(a) for a in angles)
            assert got[r, i] == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("row", ROWS)
def test_wrong_velocity_is_refused(row: Row) -> None:
    """The most likely error of a peer is the sign of the coupling; it must not pass as rounding."""
    case = small(row)
    (contestant,) = numpy_as_written(case, "float32", 1)
    wrong = replace(contestant, velocity=lambda theta: 2 * case.omega - reference_velocity(case, theta))
    with pytest.raises(WrongResultError, match="velocity is off by"):
        check(wrong, case)


def test_wrong_path_is_refused() -> None:
    """A right velocity proves nothing about the solver around it, which may take another number of steps."""
    case = small("b")
    (contestant,) = numpy_identity(case, "float64", 1)
    phases = contestant.phases
    assert phases is not None
    with pytest.raises(WrongResultError, match="path over"):
        check(replace(contestant, phases=lambda n: phases(n + 1)), case)


def test_wrong_noise_is_refused() -> None:
    """A factor of sqrt(2) in the noise is easily lost and changes nothing that a drift check sees."""
    case = small("d")
    quiet = replace(case, noise=case.noise / 2)
    (contestant,) = numpy_identity(quiet, "float64", 1)
    check(contestant, quiet)
    with pytest.raises(WrongResultError, match="deviation"):
        check(contestant, case)


def test_missing_library_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers are optional: without one the rest of the table must still appear."""
    monkeypatch.setitem(sys.modules, "peers_torch", None)
    monkeypatch.setitem(sys.modules, "peers_jax", None)
    monkeypatch.setitem(sys.modules, "peers_diffrax", None)
    skipped: dict[str, str] = {}
    found = peers(small("b"), "float64", 1, skipped)
    assert [c.name for c in found] == ["numpy as written", "numpy with the identity"]
    assert set(skipped) == {"torchdiffeq", "torchsde", "jax", "diffrax"}
    assert all("peers_" in reason for reason in skipped.values())


@pytest.fixture
def stepwise(monkeypatch: pytest.MonkeyPatch) -> Contestant:
    """Four right-hand sides and 10 microseconds a step, on a clock that only steps move."""
    now = [0.0]

    def advance(n_steps: int) -> None:
        now[0] += 1e-5 * n_steps

    monkeypatch.setattr(contest, "time", SimpleNamespace(perf_counter=lambda: now[0], sleep=lambda seconds: None))
    return Contestant("stepwise", "peer", "float64", advance, evaluations=4)


def test_time_is_per_right_hand_side(stepwise: Contestant) -> None:
    """Four stages of Runge-Kutta counted as one would be a factor of four."""
    round_robin([stepwise], rounds=3, seconds=0.01)
    assert len(stepwise.seconds) == 3
    assert stepwise.best == pytest.approx(2.5)
    assert stepwise.median == pytest.approx(2.5)


def test_passes_grow_until_they_fill_the_time(stepwise: Contestant) -> None:
    """A pass shorter than the clock can see would be noise, one much longer than asked for a waste."""
    assert 1_000 <= steps_for(stepwise, 0.01) <= 2_000


def test_floor_adds_the_fastest_program_of_each_piece() -> None:
    """Slow programs must not raise a floor, and no piece may be forgotten."""
    probed = [
        Contestant(name, "ceiling", "float32", print, component=piece, seconds=[seconds])
        for name, piece, seconds in (
            ("slow", "matrix read", 3e-6),
            ("fast", "matrix read", 2e-6),
            ("normals", "normals", 1e-6),
        )
    ]
    assert floor("d", probed) == pytest.approx(3.0)
    assert floor("b", probed) == pytest.approx(2.0)


def test_table_and_figures_agree() -> None:
    """The JSON is what is kept; it must hold what was printed."""
    case = small("b")
    timed = [
        Contestant("gpu-pipeline, rk4", "ours", "float32", print, 4, seconds=[4e-6, 5e-6]),
        Contestant("numpy", "peer", "float32", print, 4, seconds=[8e-6, 9e-6]),
        Contestant("matrix read: x", "ceiling", "float32", print, component="matrix read", seconds=[2e-6, 2e-6]),
    ]
    (line,) = (line for line in table(case, "float32", timed).splitlines() if line.startswith("* gpu-pipeline"))
    assert line.split()[-4:] == ["4.00", "4.50", "2.00", "0.50"]
    kept = json.loads(json.dumps(figures(case, "float32", timed)))
    assert kept["floor"]["best"] == pytest.approx(2.0)
    assert kept["contestants"][0]["rounds"] == pytest.approx([4.0, 5.0])


@pytest.mark.parametrize(("option", "value"), [("--rows", "abz"), ("--threads", "0"), ("--dtype", "float16")])
def test_unknown_option_ends_with_one_line(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error must not surface as a traceback after minutes of timing."""
    with pytest.raises(SystemExit) as stopped:
        run.arguments([option, value])
    assert stopped.value.code == 2
    assert value in capsys.readouterr().err


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", probes.WIDTHS)
def test_probe_computes_sines_and_cosines(dtype: DType, width: str) -> None:
    """A probe that computes something cheaper would set a floor that nobody can reach."""
    x = np.linspace(-9, 9, 1001).astype(dtype)
    sine, cosine = np.empty_like(x), np.empty_like(x)
    probes.SINCOS[dtype, width](x, sine, cosine, 1)
    tolerance = 2 * np.finfo(dtype).eps
    np.testing.assert_allclose(sine, np.sin(x.astype(np.float64)), rtol=0, atol=tolerance)
    np.testing.assert_allclose(cosine, np.cos(x.astype(np.float64)), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", probes.WIDTHS)
def test_probe_draws_normals(dtype: DType, width: str) -> None:
    """The polynomial logarithm and the quadrants are ours: moments and the largest deviate show a slip in either."""
    out = np.empty(40_000, dtype)
    probes.NORMALS[dtype, width](7, out, 1)
    z = out.astype(np.float64)
    assert abs(z.mean()) < 5 / math.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / z.size)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / z.size)
    assert 3.5 < np.abs(z).max() < 6.5


def test_probe_philox_gives_the_published_words() -> None:
    """Known answers of Philox4x32-10 (Random123): a faster generator of other words would be another floor."""
    counter = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    key = (0xA4093822, 0x299F31D0)
    words = probes.philox(*(np.uint64(word) for word in counter + key))
    assert tuple(int(word) for word in words) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


def test_results_name_machine_and_revision(tmp_path: Path) -> None:
    """A figure without its machine cannot be compared with anything."""
    facts = run.machine.describe(1)
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    assert {"date", "revision", "processor", "versions", "threads"} <= facts.keys()
    assert facts["versions"]["numpy"] == np.__version__
