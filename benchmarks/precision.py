"""How far phases stray in long runs, by the way they are stored, and what each way costs.

    python benchmarks/precision.py                  1e8 steps: the figures of docs/precision.md, about five minutes
    python benchmarks/precision.py --steps 1000000  the same measurements, in seconds

Exact are: the free rotation n w; the mean phase of two oscillators that pull each other equally, n times the mean of
their rotations whatever the method; the difference of a locked pair, asin(dw / 2K); and that of a drifting pair, whose
half angle follows a tangent (Adler, Proc. IRE 34, 351, 1946). Sums are taken in rational numbers, pi has 50 digits.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

import machine
from gpu_pipeline import Kuramoto, MeanField, Simulation

PI = Fraction("3.14159265358979323846264338327950288419716939937510")
TURN = 2 * PI
ROTATIONS = (0.31, 0.0123, 1e-4, 1e-6)  # rad per step
PAIR = 0.0123, 0.0045  # rad per step: the rotations of two oscillators
LOCKED, DRIFTING = 0.008, 0.002  # h K in rad per step; they lock above half the difference, 0.0039
DT = 2.0**-6  # a power of two, so that the rotation w per step is omega dt exactly
DRIFT_DT, DRIFT_OMEGA, DRIFT_COUPLING = 2.0**-8, (1.5, -1.5), 1.0

F32, I32 = np.float32, np.int32
PI32, TURN32, UNIT32 = F32(math.pi), F32(2.0 * math.pi), F32(2.0 * math.pi / 2**32)
TURN32_LOW = F32(2.0 * math.pi - float(TURN32))  # what the float32 2 pi lacks
UNITS32 = F32(2**32 / (2.0 * math.pi))
PI64, TURN64, TURN64_LOW = math.pi, 2.0 * math.pi, 2.4492935982947064e-16


@njit(inline="always")
def two_sum(a, b):
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@njit(inline="always")
def add_plain(x, winding, i, rotation, torque):
    x[0, i] += rotation[0, i] + torque


@njit(inline="always")
def add_wrapped32(x, winding, i, rotation, torque):
    moved = x[0, i] + (rotation[0, i] + torque)
    turn = F32(moved >= PI32) - F32(moved < -PI32)
    x[0, i] = moved - turn * TURN32
    winding[i] += I32(turn)


@njit(inline="always")
def add_pair32(x, winding, i, rotation, torque):
    """Sums of two float32 numbers keep what the larger one drops (Dekker, Numer. Math. 18, 224, 1971)."""
    high, low = two_sum(x[0, i], rotation[0, i] + torque)
    high, low = two_sum(high, low + (x[1, i] + rotation[1, i]))
    turn = F32(high >= PI32) - F32(high < -PI32)
    x[0, i], x[1, i] = two_sum(high - turn * TURN32, low - turn * TURN32_LOW)  # the first difference is exact
    winding[i] += I32(turn)


@njit(inline="always")
def add_wrapped64(x, winding, i, rotation, torque):
    moved = x[0, i] + (rotation[0, i] + torque)
    turn = I32(moved >= PI64) - I32(moved < -PI64)
    x[0, i] = (moved - turn * TURN64) - turn * TURN64_LOW
    winding[i] += turn


@njit(inline="always")
def add_binary(x, winding, i, rotation, torque):
    before = x[0, i]
    after = I32(before + rotation[0, i] + I32(np.rint(torque * UNITS32)))
    step = I32(after - before)
    winding[i] += I32(step > 0 and after < before) - I32(step < 0 and after > before)
    x[0, i] = after


@njit(inline="always")
def difference_plain(x):
    return x[0, 1] - x[0, 0]


@njit(inline="always")
def difference_pair32(x):
    return (x[0, 1] - x[0, 0]) + (x[1, 1] - x[1, 0])


@njit(inline="always")
def difference_binary(x):
    return F32(I32(x[0, 1] - x[0, 0])) * UNIT32


def as32(rotation: NDArray[np.float64]) -> NDArray[Any]:
    return rotation.astype(F32)[None]


def as_pair32(rotation: NDArray[np.float64]) -> NDArray[Any]:
    high = rotation.astype(F32)
    return np.stack([high, (rotation - high).astype(F32)])


def as64(rotation: NDArray[np.float64]) -> NDArray[Any]:
    return rotation[None].copy()


def as_units(rotation: NDArray[np.float64]) -> NDArray[Any]:
    return np.rint(rotation * (2**32 / (2.0 * math.pi))).astype(I32)[None]


@dataclass(frozen=True)
class Storage:
    """A way to store phases.

    Attributes
    ----------
    name : str
    size : int
        Bytes per phase, without the winding number.
    unit : Fraction
        Radians per unit of what is stored.
    real : type
        Precision of sine and torque.
    stored : callable
        Rotations per step in rad as the arrays that are added.
    add, difference : compiled functions
    """

    name: str
    size: int
    unit: Fraction
    real: type
    stored: Callable[[NDArray[np.float64]], NDArray[Any]]
    add: Callable[..., None]
    difference: Callable[..., Any]

    def begin(self, rotation: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[I32], NDArray[Any]]:
        """Phases of zero, winding numbers and the rotations to add."""
        stored = self.stored(rotation)
        return np.zeros_like(stored), np.zeros(rotation.size, I32), stored

    def phases(self, x: NDArray[Any], winding: NDArray[I32]) -> list[Fraction]:
        """Unwrapped phases in rad, exactly as stored."""
        parts = zip(*(map(Fraction, row.tolist()) for row in x), strict=True)
        return [sum(part) * self.unit + int(turns) * TURN for part, turns in zip(parts, winding, strict=True)]


ONE = Fraction(1)
STORAGES = (
    Storage("float32, unwrapped", 4, ONE, F32, as32, add_plain, difference_plain),
    Storage("float32, wrapped", 4, ONE, F32, as32, add_wrapped32, difference_plain),
    Storage("two float32, wrapped", 8, ONE, F32, as_pair32, add_pair32, difference_pair32),
    Storage("float64, wrapped", 8, ONE, np.float64, as64, add_wrapped64, difference_plain),
    Storage("binary angle, rounded", 4, TURN / 2**32, F32, as_units, add_binary, difference_binary),
)


def free_loop(storage: Storage) -> Callable[..., None]:
    """Compiled ``loop(x, winding, rotation, n_steps)`` without torques."""
    add, none = storage.add, storage.real(0)

    @njit
    def loop(x, winding, rotation, n_steps):
        for _ in range(n_steps):
            for i in range(winding.size):
                add(x, winding, i, rotation, none)

    return loop


def pair_loop(storage: Storage) -> Callable[..., None]:
    """Compiled ``loop(x, winding, rotation, strength, n_steps)`` of two oscillators, Euler's method."""
    add, difference = storage.add, storage.difference

    @njit
    def loop(x, winding, rotation, strength, n_steps):
        for _ in range(n_steps):
            pull = strength * np.sin(difference(x))
            add(x, winding, 0, rotation, pull)
            add(x, winding, 1, rotation, -pull)

    return loop


def error(found: Fraction, expected: Fraction) -> float:
    return float(abs(found - expected))


def mean_rotation(rotation: NDArray[np.float64], steps: int) -> Fraction:
    return steps * sum(map(Fraction, rotation.tolist())) / len(rotation)


def stored_errors(storage: Storage, steps: int) -> dict[str, float]:
    """Errors in rad of one storage, in loops of its own."""
    x, winding, stored = storage.begin(np.array(ROTATIONS))
    free_loop(storage)(x, winding, stored, steps)
    found = {
        f"free {w:g}": error(phase, steps * Fraction(w))
        for w, phase in zip(ROTATIONS, storage.phases(x, winding), strict=True)
    }
    loop, rotation = pair_loop(storage), np.array(PAIR)
    for name, strength in (("locked", LOCKED), ("drifting", DRIFTING)):
        x, winding, stored = storage.begin(rotation)
        loop(x, winding, stored, storage.real(strength), steps)
        phases = storage.phases(x, winding)
        found[f"{name}, mean"] = error(sum(phases) / 2, mean_rotation(rotation, steps))
        if name == "locked":
            angle = math.asin((PAIR[0] - PAIR[1]) / (2.0 * LOCKED))
            found["locked, difference"] = error(phases[0] - phases[1], Fraction(angle))
    return found


def simulation(rotation: tuple[float, ...], dtype: str, *, pull: float = 0.0) -> Simulation:
    """The package's own kernel on oscillators that pull each other with ``pull`` per step, by Euler's method."""
    model = Kuramoto(MeanField(len(rotation)), np.array(rotation) / DT, coupling=len(rotation) * pull / DT)
    return Simulation(
        model, dt=DT, method="euler", dtype=dtype, backend="cpu", threads=1, theta0=np.zeros(len(rotation))
    )


def kernel_phases(run: Simulation) -> list[Fraction]:
    """Unwrapped phases in rad, exactly as stored."""
    state = run.snapshot()
    unit = TURN / 2**32 if state["phase"].dtype == I32 else ONE
    pairs = zip(state["phase"][0].tolist(), state["winding"][0].tolist(), strict=True)
    return [Fraction(phase) * unit + turns * TURN for phase, turns in pairs]


def kernel_errors(dtype: str, steps: int) -> dict[str, float]:
    """The errors of `stored_errors` through the kernels, and of free rotations that share a run."""
    found = {}
    for w in ROTATIONS:
        run = simulation((w,), dtype)
        run.advance(steps)
        found[f"free {w:g}"] = error(kernel_phases(run)[0], steps * Fraction(w))
    for name, strength in (("locked", LOCKED), ("drifting", DRIFTING)):
        run = simulation(PAIR, dtype, pull=strength)
        run.advance(steps)
        phases = kernel_phases(run)
        found[f"{name}, mean"] = error(sum(phases) / 2, mean_rotation(np.array(PAIR), steps))
        if name == "locked":
            angle = math.asin((PAIR[0] - PAIR[1]) / (2.0 * LOCKED))
            found["locked, difference"] = error(phases[0] - phases[1], Fraction(angle))
    run = simulation(ROTATIONS, dtype)
    run.advance(steps)
    for w, phase in zip(ROTATIONS, kernel_phases(run), strict=True):
        found[f"together {w:g}"] = error(phase, steps * Fraction(w))
    return found


def drift_error(dtype: str, steps: int) -> float:
    """Error in rad of the difference of a drifting pair by rk4, against its closed form."""
    fast, slow = DRIFT_OMEGA
    model = Kuramoto(MeanField(2), np.array([fast, slow]), coupling=2.0 * DRIFT_COUPLING)
    options = {"dt": DRIFT_DT, "method": "rk4", "backend": "cpu", "threads": 1}
    run = Simulation(model, dtype=dtype, theta0=np.zeros(2), **options)
    run.advance(steps)
    phases = kernel_phases(run)
    return error(phases[0] - phases[1], Fraction(drift(fast - slow, DRIFT_COUPLING, steps * DRIFT_DT)))


def drift(detuning: float, coupling: float, duration: float) -> float:
    """Difference that starts at zero and obeys phi' = dw - 2 K sin phi, dw > 2 K > 0, in rad."""
    beat = math.sqrt(detuning**2 - 4.0 * coupling**2)
    late = beat * duration / 2.0 - math.atan(2.0 * coupling / beat)
    turns = math.floor(late / math.pi + 0.5)
    angle = math.atan((2.0 * coupling + beat * math.tan(late)) / detuning)
    return 2.0 * (angle + turns * math.pi)


def nanoseconds(act: Callable[[int], None], n_nodes: int, steps: int) -> float:
    """Least time per oscillator and step of seven passes, in ns."""
    act(1)
    passes = []
    for _ in range(7):
        began = time.perf_counter()
        act(steps)
        passes.append(time.perf_counter() - began)
    return 1e9 * min(passes) / (n_nodes * steps)


def stored_cost(storage: Storage, n_nodes: int, steps: int) -> float:
    """Of moving and wrapping phases alone, in ns per oscillator and step."""
    x, winding, stored = storage.begin(np.linspace(0.0, 0.02, n_nodes))
    loop = free_loop(storage)
    return nanoseconds(lambda count: loop(x, winding, stored, count), n_nodes, steps)


def kernel_cost(dtype: str, n_nodes: int, steps: int) -> float:
    """Of a whole step by Euler's method with a mean field: sine, cosine and sums included."""
    run = simulation(tuple(np.linspace(0.0, 0.02, n_nodes)), dtype, pull=1e-3 / n_nodes)
    return nanoseconds(run.engine.advance, n_nodes, steps)


def measure(steps: int) -> dict[str, Any]:
    """All errors in rad after ``steps`` steps, and all costs in ns per oscillator and step."""
    n_nodes, passes = 4096, max(20, min(4000, steps // 1000))
    kernels = {"float64, kernels": "float64", "binary angle, guarded (float32, kernels)": "float32"}
    return {
        "steps": steps,
        "errors": {storage.name: stored_errors(storage, steps) for storage in STORAGES}
        | {name: kernel_errors(dtype, steps) for name, dtype in kernels.items()},
        "drift": {name: drift_error(dtype, steps) for name, dtype in kernels.items()},
        "move_ns": {storage.name: stored_cost(storage, n_nodes, passes) for storage in STORAGES},
        "step_ns": {name: kernel_cost(dtype, n_nodes, passes) for name, dtype in kernels.items()},
    }


def main() -> None:
    """Measure, and print a JSON object with the machine beside the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10**8)
    arguments = parser.parse_args()
    began, neighbors = time.perf_counter(), machine.Neighbors()
    found = measure(arguments.steps)
    found["seconds"], found["others"] = time.perf_counter() - began, neighbors.share()
    print(json.dumps(found | {"machine": machine.describe(1)}, indent=1))


if __name__ == "__main__":
    main()
