"""Without coupling: uniform rotation over many turns, and diffusion with the variance of Einstein."""

import math

import numpy as np
import pytest
from sampling import mean_and_error

from gpu_pipeline import Kuramoto, MeanField, SecondOrder, Simulation

ANGLE = math.tau / 2**32  # a 32-bit binary angle


def moved(run, start):
    """Displacement with its turns, in rad."""
    return run.theta + math.tau * run.winding - start


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rotation_is_uniform_over_many_turns(dtype):
    """omega t over up to 95,000 turns: a float32 sum of radians would stall or drift by whole radians.

    float64 rounds each step by at most an ulp of pi. float32 rounds omega dt once, to 2^-32 turns with fractions kept
    over the guard steps, and cannot drift by more than that per step.
    """
    steps, dt = 200_000, 0.01
    omega = np.array([0.0, 1e-3, 1.0, -7.3, 123.4, -300.0, 31.0 * math.pi, 250.0])
    run = Simulation(Kuramoto(MeanField(8), omega, coupling=0.0), dt=dt, dtype=dtype, theta0=np.zeros(8))
    run.advance(steps)
    per_step = 2.0 * math.pi * np.finfo(float).eps if dtype == "float64" else ANGLE
    assert np.abs(moved(run, 0.0)[0] - omega * dt * steps).max() < steps * per_step


@pytest.mark.parametrize(("method", "dtype"), [("sra1", "float64"), ("em", "float32")])
def test_displacement_spreads_as_twice_d_t(method, dtype):
    """Einstein (1905): mean omega t, variance 2 D t, kurtosis 3; D differs from node to node, in rad^2/s.

    sqrt(D) in place of sqrt(2 D), or dt in place of sqrt(dt), shifts the variance by many errors.
    """
    n_nodes, steps, dt, omega = 60_000, 100, 0.02, 40.0
    noise = np.repeat([0.05, 0.3, 1.0], n_nodes // 3)
    start = np.random.default_rng(19).uniform(-3.0, 3.0, n_nodes)
    model = Kuramoto(MeanField(n_nodes), np.full(n_nodes, omega), coupling=0.0, noise=noise)
    run = Simulation(model, dt=dt, dtype=dtype, method=method, seed=20, theta0=start)
    run.advance(steps)
    off = (moved(run, start)[0] - omega * run.time) / np.sqrt(2.0 * noise * run.time)
    rounding = (steps + 1) * ANGLE / math.sqrt(2.0 * 0.05 * run.time)
    for part in off.reshape(3, -1):
        for power, law in ((1, 0.0), (2, 1.0), (4, 3.0)):
            mean, error = mean_and_error(part**power)
            assert abs(mean - law) < 4.0 * error + rounding * (1.0 + power * 3.0)


def test_heavy_oscillators_diffuse_by_their_friction():
    """Ornstein & Uhlenbeck (1930): <x^2> = (2 T / g) (t - M / g (1 - e^{-g t / M})) + ..., from thermal velocities.

    baoab takes the position steps of the discrete chain, whose long-time diffusion T / g has the relative bias
    (g h / M)^2 / 12.
    """
    n_nodes, inertia, damping, temperature, dt, time = 40_000, 0.8, 1.6, 0.7, 0.1, 10.0
    model = SecondOrder(
        MeanField(n_nodes), np.zeros(n_nodes), inertia=inertia, damping=damping, temperature=temperature, coupling=0.0
    )
    velocity = np.random.default_rng(21).normal(0.0, math.sqrt(temperature / inertia), n_nodes)
    run = Simulation(model, dt=dt, seed=22, theta0=np.zeros(n_nodes), velocity0=velocity)
    run.advance(round(time / dt))
    relaxation = inertia / damping
    law = 2.0 * temperature / damping * (time - relaxation * (1.0 - math.exp(-time / relaxation)))
    mean, error = mean_and_error(moved(run, 0.0)[0] ** 2)
    assert abs(mean - law) < 4.0 * error + law * (dt / relaxation) ** 2 / 12.0
