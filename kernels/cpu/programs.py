"""Integrators as programs of passes (Butcher tableaux turned into the coefficients of :mod:`passes`).

euler, heun and rk4 are the classical Runge-Kutta methods of order 1, 2 and 4; em is Euler-Maruyama; heun with noise is
the stochastic Heun method; sra1 is the strong order 1.5, weak order 2 scheme for additive noise of Roessler, SIAM J.
Numer. Anal. 48, 922 (2010); baoab is that of Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gpu_pipeline.kernels.cpu.angles import (
    CLOSE,
    COEFFICIENTS,
    FRACTION,
    GAIN,
    LIMIT,
    NOISE_0,
    NOISE_1,
    NOISE_Q,
    PHASE_A,
    PHASE_B,
    A,
    B,
)
from gpu_pipeline.kernels.problem import Problem

Program = tuple[NDArray[np.int64], NDArray[np.float64]]

FIRST_ORDER = {"only": 0, "only_noisy": 1, "first": 2, "first_noisy": 3, "middle": 4, "last": 5}
SECOND_ORDER = {"only": 0, "first": 1, "middle": 2, "last": 3}
SPLITTING = {"drift": 0, "drift_noisy": 1, "close": 2}

_SWING_GUARD = 2  # velocities are not bounded beforehand: a step may turn a phase by pi/4, and is checked
# Stages as (weight b of the slope in the step, weight a in the next inner phase), each times h.
_TABLEAUX: dict[str, list[tuple[float, float]]] = {
    "euler": [(1.0, 0.0)],
    "em": [(1.0, 0.0)],
    "heun": [(1 / 2, 1.0), (1 / 2, 0.0)],
    "rk4": [(1 / 6, 1 / 2), (1 / 3, 1 / 2), (1 / 3, 1.0), (1 / 6, 0.0)],
    "sra1": [(1 / 3, 3 / 4), (2 / 3, 0.0)],
}
# Weights of sqrt(h) z0 in the step, and of z0 and z1 in the inner phase.
_NOISE = {"em": (1.0, 0.0, 0.0), "heun": (1.0, 1.0, 0.0), "sra1": (1.0, 3 / 4, 3 / 4 / math.sqrt(3.0))}


def guard_bits(problem: Problem) -> int:
    """Number of halvings of half a turn that still exceed what one step can move a phase (0 to 16)."""
    if problem.order == "second":
        return _SWING_GUARD
    bound = problem.step_bound()
    if bound == 0.0:
        return 16
    # Rounded torques, and the dither, must not carry a displacement of half a turn over the edge of an int32.
    reach = 1.0001 * bound + 2.0 * math.pi / 2**32
    return max(0, min(16, math.floor(math.log2(math.pi / reach))))


def units_per_radian(problem: Problem) -> float:
    """Displacement units: 2^-(32+guard) turns in float32 runs, rad in float64 runs."""
    return 2.0 ** (32 + guard_bits(problem)) / (2.0 * math.pi) if problem.dtype == "float32" else 1.0


def program(problem: Problem) -> Program:
    """Kinds of the passes of one step, and their coefficients."""
    if problem.method == "baoab":
        return _baoab(problem)
    return _first_order(problem) if problem.order == "first" else _second_order(problem)


def _names(stages: int, noisy: bool) -> list[str]:
    suffix = "_noisy" if noisy else ""
    return [f"only{suffix}"] if stages == 1 else [f"first{suffix}", *["middle"] * (stages - 2), "last"]


def _first_order(problem: Problem) -> Program:
    tableau, units, h = _TABLEAUX[problem.method], units_per_radian(problem), problem.dt
    kinds = [FIRST_ORDER[name] for name in _names(len(tableau), problem.stochastic)]
    rows = np.zeros((len(tableau), COEFFICIENTS))
    for row, (b, a) in zip(rows, tableau, strict=True):
        row[GAIN], row[A], row[FRACTION] = b * h * units, a / b, a
    if problem.stochastic:
        rows[0, [NOISE_Q, NOISE_0, NOISE_1]] = np.array(_NOISE[problem.method]) * math.sqrt(h) * units
    return np.array(kinds), rows


def _second_order(problem: Problem) -> Program:
    tableau, units, h = _TABLEAUX[problem.method], units_per_radian(problem), problem.dt
    kinds = [SECOND_ORDER[name] for name in _names(len(tableau), noisy=False)]
    rows = np.zeros((len(tableau), COEFFICIENTS))
    for row, (b, a) in zip(rows, tableau, strict=True):
        row[[A, B, PHASE_A, PHASE_B, GAIN]] = a * h, b * h, a * h * units, b * h * units, 1.0
    rows[:, LIMIT] = _limit(problem)
    return np.array(kinds), rows


def _baoab(problem: Problem) -> Program:
    half = problem.dt / 2.0
    row = np.zeros((1, COEFFICIENTS))
    row[0, [A, CLOSE, PHASE_A, GAIN, LIMIT]] = half, half, half * units_per_radian(problem), 1.0, _limit(problem)
    return np.array([SPLITTING["drift_noisy" if problem.stochastic else "drift"]]), row


def _limit(problem: Problem) -> float:
    return 2.0**31 if problem.dtype == "float32" else math.pi / 2**_SWING_GUARD
