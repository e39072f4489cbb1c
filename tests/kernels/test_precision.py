"""The precision study in its short form: the measurements behind docs/precision.md still run, and still say so."""

import math
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
STEPS = 1_000_000
GUARDED = "binary angle, guarded (float32, kernels)"


@pytest.fixture
def precision(monkeypatch):
    """The study; benchmarks import each other by their bare names."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("precision")


@pytest.mark.slow
def test_kernels_keep_phases_and_simpler_storages_lose_them(precision):
    """A bias of one unit a step, far below what parity can see, is radians after 1e8 steps."""
    found = precision.measure(STEPS)
    errors = found["errors"]
    assert max(errors["float64, kernels"].values()) < 1e-9
    guarded, fastest = errors[GUARDED], max(precision.ROTATIONS)
    for w in precision.ROTATIONS:
        # Rotations are rounded to half a guarded unit: less than 2^-31 of the fastest in the run.
        assert guarded[f"free {w:g}"] <= STEPS * w * 2.0**-31 + 2e-9
        assert guarded[f"together {w:g}"] <= STEPS * fastest * 2.0**-31 + 2e-9
    for name, pull in (("locked", precision.LOCKED), ("drifting", precision.DRIFTING)):
        torque = pull * 2.0**-23  # 24 bits
        assert guarded[f"{name}, mean"] <= STEPS * (sum(precision.PAIR) * 2.0**-31 + torque)
    assert guarded["locked, difference"] < 1e-6
    for name in ("float32, unwrapped", "float32, wrapped", "binary angle, rounded"):
        assert errors[name]["free 0.0001"] > 1000 * guarded["free 0.0001"], name
    assert errors["two float32, wrapped"]["free 0.0001"] < 1e-8
    assert min(*found["move_ns"].values(), *found["step_ns"].values()) > 0.0


def test_closed_form_of_a_drifting_pair_solves_its_equation(precision):
    """The reference itself: after each period 2 pi / sqrt(dw^2 - 4 K^2) the difference has made one turn."""
    period = 2.8099258924162904  # dw = 3, K = 1 (Adler)
    for turns in (1, 2, 50):
        assert precision.drift(3.0, 1.0, turns * period) == pytest.approx(2.0 * math.pi * turns, rel=1e-13)
    h, start = 1e-4, 1.234
    slope = (precision.drift(3.0, 1.0, start + h) - precision.drift(3.0, 1.0, start - h)) / (2 * h)
    assert slope == pytest.approx(3.0 - 2.0 * math.sin(precision.drift(3.0, 1.0, start)), abs=1e-6)
