"""Linear stability of twisted states on rings and of the splay state, measured by the growth of tiny perturbations."""

import cmath
import math

import numpy as np
import pytest

from gpu_pipeline import Kuramoto, MeanField, Simulation, ring
from gpu_pipeline.initial import splay, twisted

RING, SMALL = 24, 1e-5


def runge_kutta_error(rate, dt):
    """Error per second of the rate that rk4 realizes: its step is e^{s dt} up to (s dt)^5 / 120."""
    return (abs(rate) * dt) ** 5 / (120.0 * dt)


@pytest.mark.parametrize("twist", [0, 2, 5, 7, 12])
def test_ring_modes_grow_as_linearized(twist):
    """Wiley, Strogatz & Girvan, Chaos 16, 015103 (2006): s = -2 K cos(2 pi q / N) (1 - cos(2 pi m / N)).

    Twists below N / 4 are stable, those beyond unstable; a replica each for the modes m = 1, 2, 5, 12. Terms of second
    order leave a mode alone, so that the nonlinear bias is (largest amplitude)^2 times the rate.
    """
    coupling, dt, time = 0.7, 0.02, 2.0
    modes = np.array([1, 2, 5, 12])
    shapes = np.cos(math.tau * modes[:, None] * np.arange(RING) / RING)
    rates = -2.0 * coupling * math.cos(math.tau * twist / RING) * (1.0 - np.cos(math.tau * modes / RING))
    state = twisted(RING, twist)
    model = Kuramoto(ring(RING), np.zeros(RING), coupling=np.full(4, coupling))
    run = Simulation(model, dt=dt, theta0=state + SMALL * shapes)
    run.advance(round(time / dt))
    left = np.angle(np.exp(1j * (run.theta - state)))
    amplitudes = (left * shapes).sum(axis=1) / (shapes**2).sum(axis=1)
    largest = SMALL * np.maximum(1.0, np.exp(rates * time))
    rounding = np.finfo(float).eps * time / dt * 2.0 * math.pi / (SMALL * np.exp(rates * time)) / time
    allowed = runge_kutta_error(rates, dt) + np.abs(rates) * largest**2 + rounding
    assert (np.abs(np.log(amplitudes / SMALL) / time - rates) < allowed).all()


def test_slowest_mode_of_the_stable_twist():
    """The same source, q = 2 on 24 nodes: -0.05902 K. A ring of the wrong size or range has another spectrum."""
    dt, time = 0.05, 20.0
    state = twisted(RING, 2)
    shape = np.cos(math.tau * np.arange(RING) / RING)
    run = Simulation(Kuramoto(ring(RING), np.zeros(RING)), dt=dt, theta0=state + SMALL * shape)
    run.advance(round(time / dt))
    amplitude = (np.angle(np.exp(1j * (run.theta[0] - state))) * shape).sum() / (shape**2).sum()
    rate, law = math.log(amplitude / SMALL) / time, -0.05901820009326144
    rounding = np.finfo(float).eps * math.tau / dt / (SMALL * math.exp(law * time))
    assert abs(rate - law) < runge_kutta_error(law, dt) + abs(law) * SMALL**2 + rounding


def test_splay_state_of_few_oscillators_loses_to_the_mean_field():
    """Watanabe & Strogatz, Physica D 74, 197 (1994): z grows as e^{s t}, s = (K / 2) e^{-i alpha}, for any N > 2.

    Seen as an eigenvalue pair (K / 2) e^{+-i alpha}. The second harmonic, of order z^2, changes s by less than
    K^2 |z|^2.
    """
    n_nodes, alpha, dt, time = 7, 0.4, 0.02, 10.0
    start = splay(n_nodes) + SMALL * np.cos(splay(n_nodes))
    run = Simulation(Kuramoto(MeanField(n_nodes), np.zeros(n_nodes), alpha=alpha), dt=dt, theta0=start)
    before = np.exp(1j * run.theta[0]).mean()
    run.advance(round(time / dt))
    after = np.exp(1j * run.theta[0]).mean()
    rate = cmath.log(after / before) / time
    law = 0.46053049700144255 - 0.19470917115432526j
    rounding = np.finfo(float).eps * math.tau / dt / abs(before)
    assert abs(rate - law) < runge_kutta_error(law, dt) + abs(after) ** 2 + rounding


def test_splay_state_is_neutral_in_all_other_directions():
    """The same source: N - 2 directions neither grow nor decay, as perturbations by higher harmonics show.

    What moves is of second order: the pull of z times its size, over the time.
    """
    n_nodes, dt, time = 7, 0.02, 10.0
    even = splay(n_nodes)
    start = even + SMALL * np.cos(2.0 * even)
    run = Simulation(Kuramoto(MeanField(n_nodes), np.zeros(n_nodes), alpha=0.4), dt=dt, theta0=start)
    run.advance(round(time / dt))
    moved = np.angle(np.exp(1j * (run.theta[0] - start)))
    assert np.abs(moved).max() < SMALL**2 * math.exp(0.5 * time) + np.finfo(float).eps * math.tau * time / dt
