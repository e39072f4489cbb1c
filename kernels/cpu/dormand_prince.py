"""Dormand-Prince 5(4) with adaptive steps: the compiled loop that walks over a grid of times.

The step taken last stays pending: its start, displacement, slopes and bulge are kept until the grid leaves it behind.
Values on the grid are read from its interpolant of order 4, so the steps depend neither on the samples nor on where a
chunk of the grid ends. Displacements are added to phases only when a step is settled, which is also when phases are
wrapped.

Sources: Dormand and Prince, J. Comput. Appl. Math. 6, 19 (1980); interpolant of Shampine, Math. Comp. 46, 135 (1986),
as in Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.6 (1993); step control
by Gustafsson, ACM TOMS 17, 533 (1991).
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]

MEAN_FIELD, DENSE, SPARSE, SPARSE_UNWEIGHTED = range(4)
# Places in the clock of a step: where it begins (a step of the grid, and seconds after it), its length, and what
# decides the length of the next. Two parts, so that times lose no digits in long runs.
GRID, OFFSET, LENGTH, NEXT, LAST_ERROR = range(5)
CLOCKS = 5
STAGES = 7
MOST_REJECTED = 1_000_000

_TURN, _TURN_LOW = 2.0 * math.pi, 2.4492935982947064e-16
_FURTHEST = 64.0  # rad in one step: beyond, the sum of phase and displacement would lose digits
_LEAST_ERROR = 1e-10  # an error of zero would stop the controller, which divides by powers of it

# Row s gives the displacement at which the slope s is taken; the last row is also the solution of order 5.
_TABLEAU = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0],
        [1 / 5, 0, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
    ]
)
# Solution of order 5 minus that of order 4.
_ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])

# What the interpolant adds to a cubic Hermite polynomial, times s^2 (1 - s)^2.
_BULGE = np.array(
    [
        -12715105075 / 11282082432,
        0,
        87487479700 / 32700410799,
        -10690763975 / 1880347072,
        701980252875 / 199316789632,
        -1453857185 / 822651844,
        69997945 / 29380423,
    ]
)

_compiled = partial(njit, nogil=True, error_model="numpy")


class System(NamedTuple):
    """The right-hand side. Flat states hold R N phases and, if ``second``, R N velocities.

    Attributes
    ----------
    kind : int
        MEAN_FIELD, DENSE (``weights`` holds the transposed matrix), SPARSE or SPARSE_UNWEIGHTED.
    gains : ndarray, (R, 2)
        K cos(alpha) and K sin(alpha).
    """

    kind: int
    second: bool
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: Float
    drive: Float
    gains: Float
    inertia: Float
    damping: Float


class Step(NamedTuple):
    """The pending step.

    Attributes
    ----------
    start, change : ndarray, (R N,) or (2 R N,)
        State at the beginning, with wrapped phases, and what the step adds to it.
    bulge : ndarray
        How far the way between them is from a cubic polynomial.
    winding : ndarray of float64, (R N,)
        Whole turns at the beginning.
    slopes : ndarray, (7, ...)
        The first and the last are those at the ends of the step.
    clock : ndarray, (5,)
    """

    start: Float
    winding: Float
    change: Float
    bulge: Float
    slopes: Float
    clock: Float


class Scratch(NamedTuple):
    """Memory for the state at a stage, a displacement, sines and cosines and their sums over neighbors."""

    point: Float
    shift: Float
    table: Float
    sums: Float


@_compiled()
def _sum_neighbors(system, table, sums):
    """sums[0], sums[1] = sum_j A_ij sin theta_j, sum_j A_ij cos theta_j, in the order of j."""
    n = table.shape[1]
    sines, cosines = table[0], table[1]
    pull_sin, pull_cos = sums[0], sums[1]
    pull_sin[:] = 0.0
    pull_cos[:] = 0.0
    if system.kind == MEAN_FIELD:
        total_sin = total_cos = 0.0
        for j in range(n):
            total_sin += sines[j]
            total_cos += cosines[j]
        pull_sin[:] = total_sin / n
        pull_cos[:] = total_cos / n
    elif system.kind == DENSE:
        for j in range(n):  # over the rows of the transposed matrix: sums of different i fill the lanes
            column, sine, cosine = system.weights[j * n : (j + 1) * n], sines[j], cosines[j]
            for i in range(n):
                pull_sin[i] += column[i] * sine
                pull_cos[i] += column[i] * cosine
    else:
        for i in range(n):
            for e in range(system.indptr[i], system.indptr[i + 1]):
                j = system.indices[e]
                weight = 1.0 if system.kind == SPARSE_UNWEIGHTED else system.weights[e]
                pull_sin[i] += weight * sines[j]
                pull_cos[i] += weight * cosines[j]


@_compiled()
def slope(system, state, out, scratch):
    """Time derivative of a state, by the addition theorem: one sine and cosine per oscillator."""
    table, sums = scratch.table, scratch.sums
    replicas, n = system.drive.shape
    for r in range(replicas):
        first = r * n
        for i in range(n):
            table[0, i] = math.sin(state[first + i])
            table[1, i] = math.cos(state[first + i])
        _sum_neighbors(system, table, sums)
        for i in range(n):
            sine, cosine = table[0, i], table[1, i]
            across = sums[0, i] * cosine - sums[1, i] * sine
            along = sums[0, i] * sine + sums[1, i] * cosine
            force = system.drive[r, i] + (system.gains[r, 0] * across - system.gains[r, 1] * along)
            if system.second:
                velocity = state[replicas * n + first + i]
                out[first + i] = velocity
                out[replicas * n + first + i] = (force - system.damping[i] * velocity) / system.inertia[i]
            else:
                out[first + i] = force


@_compiled()
def _weigh(weights, count, slopes, h, out):
    """out = h sum_s weights[s] slopes[s] over the first ``count`` slopes."""
    out[:] = 0.0
    for s in range(count):
        factor = h * weights[s]
        if factor != 0.0:
            row = slopes[s]
            for i in range(out.size):
                out[i] += factor * row[i]


@_compiled()
def attempt(system, step, h, scratch):
    """Fill in displacement and slopes of a step of length h; largest error estimate, and the component it is of."""
    point, shift = scratch.point, scratch.shift
    for s in range(1, STAGES):
        change = step.change if s == STAGES - 1 else shift
        _weigh(_TABLEAU[s], s, step.slopes, h, change)
        for i in range(point.size):
            point[i] = step.start[i] + change[i]
        slope(system, point, step.slopes[s], scratch)
    _weigh(_ERROR, STAGES, step.slopes, h, shift)
    worst, largest = 0, 0.0
    for i in range(shift.size):
        size = abs(shift[i])
        if not math.isfinite(size):
            return math.inf, i
        if size > largest:
            worst, largest = i, size
    return largest, worst


@_compiled()
def _wrapped(x):
    turns = math.floor((x + math.pi) / _TURN)
    return x - turns * _TURN - turns * _TURN_LOW, turns


@_compiled()
def settle(system, step, dt, scratch):
    """Begin a new step where the pending one ends; the component of the fastest phase, and its speed."""
    clock, phases = step.clock, step.winding.size
    if clock[LENGTH] == 0.0:
        slope(system, step.start, step.slopes[STAGES - 1], scratch)
    else:
        for i in range(step.start.size):
            step.start[i] += step.change[i]
        for i in range(phases):
            step.start[i], turns = _wrapped(step.start[i])
            step.winding[i] += turns
        offset = clock[OFFSET] + clock[LENGTH]
        whole = math.floor(offset / dt)
        clock[GRID] += whole
        clock[OFFSET] = offset - whole * dt
    step.slopes[0, :] = step.slopes[STAGES - 1]
    at, fastest = 0, 0.0
    for i in range(phases):
        if abs(step.slopes[0, i]) > fastest:
            at, fastest = i, abs(step.slopes[0, i])
    return at, fastest


@_compiled()
def _take_step(system, step, dt, atol, counts, most_rejected, scratch):
    """Settle the pending step and make the next one; -1, or the component that did not let it."""
    clock = step.clock
    worst, fastest = settle(system, step, dt, scratch)
    h = min(clock[NEXT], _FURTHEST / fastest)
    # Near time zero its resolution says nothing; that of the grid does.
    least = 16.0 * np.spacing(max(clock[GRID] * dt + clock[OFFSET], dt))
    while h >= least and counts[1] < most_rejected:
        error, worst = attempt(system, step, h, scratch)
        error = max(error / atol, _LEAST_ERROR)
        if error <= 1.0:
            growth = 0.9 * error ** (-0.7 / 5.0) * clock[LAST_ERROR] ** (0.4 / 5.0)
            _weigh(_BULGE, STAGES, step.slopes, h, step.bulge)
            clock[LENGTH], clock[LAST_ERROR] = h, error
            clock[NEXT] = h * min(max(growth, 0.2), 5.0)
            counts[0] += 1
            return -1
        counts[1] += 1
        h *= max(0.2, 0.9 * error ** (-1.0 / 5.0))
    clock[NEXT] = h
    return worst


@_compiled(cache=True)
def interpolate(step, grid, dt, phase, winding, velocity):
    """State at a time of the grid within the pending step, by the interpolant of order 4 of the displacement."""
    clock, phases = step.clock, phase.size
    h = clock[LENGTH]
    s = 0.0 if h == 0.0 else ((grid - clock[GRID]) * dt - clock[OFFSET]) / h
    end, rise, fall = s * s * (3.0 - 2.0 * s), h * s * (1.0 - s) * (1.0 - s), h * s * s * (1.0 - s)
    middle = s * s * (1.0 - s) * (1.0 - s)
    for i in range(step.start.size):
        bend = rise * step.slopes[0, i] - fall * step.slopes[STAGES - 1, i]
        x = step.start[i] + (end * step.change[i] + (bend + middle * step.bulge[i]))
        if i < phases:
            phase[i], turns = _wrapped(x)
            winding[i] = int(step.winding[i] + turns)
        else:
            velocity[i - phases] = x


@_compiled()
def _order_parameter(phase, z):
    n = phase.size // z.size
    for r in range(z.size):
        real = imaginary = 0.0
        for x in phase[r * n : (r + 1) * n]:
            real += math.cos(x)
            imaginary += math.sin(x)
        z[r] = complex(real / n, imaginary / n)


@_compiled(cache=True)
def walk(system, step, plan, limits, counts, scratch, records):
    """Walk over the grid, from one of its times to another.

    Parameters
    ----------
    plan : tuple
        dt in s; step of the grid at which the chunk begins, has arrived and ends; steps of the grid per sample.
    limits : tuple
        Tolerance, number of rejected steps at which to give up, number of steps after which to come back.
    counts : ndarray of int64, (2,)
        Steps accepted and rejected, counted on.
    records : tuple of ndarray
        Order parameter (S, R), phase, winding and velocity; of the latter, only one row if they are not wanted.

    Returns
    -------
    now : int
        Step of the grid at which it has arrived.
    worst : int
        -1, or the component because of which no step could be made.
    """
    dt, begin, now, last, every = plan
    atol, most_rejected, steps = limits
    order_parameter, phase, winding, velocity = records
    clock = step.clock
    while True:
        while now < last and (now + 1 - clock[GRID]) * dt - clock[OFFSET] <= clock[LENGTH]:
            now += 1
            if (now - begin) % every == 0:
                sample = (now - begin) // every - 1
                row = min(sample, len(phase) - 1)
                interpolate(step, now, dt, phase[row], winding[row], velocity[row])
                _order_parameter(phase[row], order_parameter[sample])
        if now == last or steps == 0:
            return now, -1
        worst = _take_step(system, step, dt, atol, counts, most_rejected, scratch)
        if worst >= 0:
            return now, worst
        steps -= 1
