"""Storage of phases: whole turns, the seam of the circle, constant rotation and steps that are too large."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from problems import DTYPES, UNIT, make_problem, network_for, opened, radians, start

from gpu_pipeline.kernels.problem import StepOverflowError


def free(dtype, rotation, *, dt=2.0**-6, n=3):
    """Uncoupled oscillators that turn by ``rotation`` rad per step."""
    problem, _ = make_problem("first", network_for("first", "rk4", 0.0, dtype, False), "rk4", dtype, n=n, dt=dt)
    drive = np.broadcast_to(np.asarray(rotation) / dt, (1, n)).copy()
    return replace(problem, drive=drive, coupling=np.zeros(1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("turns", [Fraction(1, 64), Fraction(-1, 64), Fraction(1, 4), Fraction(-1, 3), Fraction(7, 16)])
def test_free_oscillators_turn_as_often_as_they_should(dtype, turns):
    """At powers of two the rotation in guarded units just reaches half the range of an int32, and must not pass it."""
    problem = free(dtype, 2 * np.pi * float(turns))
    engine = opened(problem)
    engine.load(start(problem, np.zeros((1, 3)), None))
    engine.advance(1000)
    theta, _ = radians(engine)
    np.testing.assert_allclose(theta, 2 * np.pi * float(1000 * turns), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_winding_follows_phases_that_swing_across_the_seam(dtype):
    """A phase that crosses the seam and comes back has made no turn, whenever the windings are looked at."""
    problem = free(dtype, [0.02, -0.02, 0.3])
    engine = opened(problem)
    back = opened(replace(problem, drive=-problem.drive))
    state = start(problem, np.array([[np.pi - 0.05, -np.pi + 0.05, 3.1]]), None)
    engine.load(state)
    begun, _ = radians(engine)
    for steps in (1, 2, 3, 5, 40, 7):
        engine.advance(steps)
        gone, _ = radians(engine)
        np.testing.assert_allclose(gone - begun, engine.step * np.array([[0.02, -0.02, 0.3]]), atol=1e-6)
    back.load(engine.state())
    back.advance(engine.step)
    np.testing.assert_allclose(radians(back)[0], begun, atol=2e-6)


@pytest.mark.parametrize("rotation", [0.0123, 1e-4, 3e-7, 1.5])
def test_binary_angles_accumulate_constant_rotation_without_error(rotation):
    """Dropping the guard bits must not favor a direction: a bias of half a unit a step would grow to radians."""
    steps, problem = 1 << 18, free("float32", rotation)
    engine = opened(problem)
    engine.load(start(problem, np.zeros((1, 3)), None))
    engine.advance(steps)
    state = engine.state()
    total = int(state["phase"][0, 0]) + (int(state["winding"][0, 0]) << 32)
    units = round(Fraction(float(rotation)) / Fraction(2 * np.pi) * 2 ** (32 + engine.guard))
    assert total == steps * units >> engine.guard
    assert total * UNIT == pytest.approx(steps * rotation, abs=steps * 0.51 * UNIT / 2**engine.guard + UNIT)


@pytest.mark.parametrize("dtype", DTYPES)
def test_swing_too_fast_for_its_step_is_reported(dtype):
    """Velocities have no bound beforehand; the next phase would be a number without meaning."""
    network = network_for("second", "rk4", 0.0, dtype, False)
    problem, _ = make_problem("second", network, "rk4", dtype, n=5, dt=0.01)
    engine = opened(problem)
    velocity = np.full((1, 5), 1.0)
    velocity[0, 3] = 90.0  # 0.9 rad per step
    engine.load(start(problem, np.zeros((1, 5)), velocity))
    with pytest.raises(StepOverflowError):
        engine.advance(3)
