"""Identical oscillators with noise, all coupled to all: growth of incoherence, the ordered branch, finite numbers."""

import math

import numpy as np
import pytest
from sampling import lorentzian, mean_and_error, root, seeded_order
from scipy.integrate import simpson
from scipy.special import i0e, i1e

from gpu_pipeline import Kuramoto, MeanField, Simulation


def weak_error(rate, dt):
    """Bias of sra1 in a stationary mean of coherence: 0.03 (rate dt)^2, as measured on a ring in equilibrium."""
    return 0.03 * (rate * dt) ** 2


def exact_square(n_nodes, strength):
    """<r^2> of N identical oscillators in equilibrium at K / D = strength, exact for every N.

    Campa, Dauxois & Ruffo, Phys. Rep. 480, 57 (2009): the density exp(N b r^2 / 2) becomes, by a Gaussian transform,
    a radial integral over x exp(-N b x^2 / 2) I_0(b x)^N, in which <x^2> = <r^2> + 2 / (N b).
    """
    x = np.linspace(0.0, 3.0, 60_001)
    logarithm = n_nodes * (strength * (x - x * x / 2.0) + np.log(i0e(strength * x)))
    weight = x * np.exp(logarithm - logarithm.max())
    return float(simpson(weight * x * x, x=x) / simpson(weight, x=x) - 2.0 / (n_nodes * strength))


def squares(n_nodes, replicas, coupling, noise, *, dt, seed, burn_in, average):
    """Time-averaged squared coherence of each replica, from random phases."""
    model = Kuramoto(MeanField(n_nodes), np.zeros(n_nodes), coupling=coupling, noise=noise)
    run = Simulation(model, dt=dt, seed=seed, replicas=replicas)
    run.advance(round(burn_in / dt))
    done = run.run(round(average / dt), sample_every=5, variables=["coherence"], progress="none")
    return (done.coherence**2).mean("time").values


def growth(omega, coupling, noise, *, time=4.0, dt=0.05, amplitude=0.02):
    """Growth rate of a small order parameter, per replica, and its nonlinear bias.

    A second run with the same noise starts without order; the difference of both is the response, free of most of the
    noise. z' = s z - K^2 / (8 D) |z|^2 z takes K^2 |z|^2 / (8 D) from the rate, |z| being at most the larger end.
    """
    replicas, n_nodes = omega.shape
    ends = []
    for seeded in (amplitude, 0.0):
        start = seeded_order(n_nodes, seeded)
        model = Kuramoto(MeanField(n_nodes), omega, coupling=coupling, noise=noise)
        run = Simulation(model, dt=dt, seed=8, theta0=np.tile(start, (replicas, 1)))
        first = np.exp(1j * run.theta).mean(axis=1)
        run.advance(round(time / dt))
        ends.append((first, np.exp(1j * run.theta).mean(axis=1)))
    (begin, end), (begin_still, end_still) = ends
    response = (end - end_still).real / (begin - begin_still).real
    rate = np.log(response) / time
    largest = amplitude * max(1.0, float(response.mean()))
    return rate, coupling**2 / (8.0 * noise) * largest**2


def test_incoherence_grows_at_the_known_rate():
    """Strogatz & Mirollo, J. Stat. Phys. 63, 613 (1991): s = K / 2 - D, so K_c = 2 D; noise of sd sqrt(D) halves D."""
    rate, bias = growth(np.zeros((16, 20_000)), coupling=1.3, noise=0.5)
    s, error = mean_and_error(rate)
    assert abs(s - 0.15) < 4.0 * error + bias


def test_spread_of_frequencies_adds_to_noise():
    """The same source: s = K / 2 - (D + Delta) with Lorentzian frequencies, so K_c = 2 (D + Delta)."""
    omega = lorentzian(np.random.default_rng(9).random((16, 20_000)), width=0.2, cut=10.0)
    rate, bias = growth(omega, coupling=1.3, noise=0.5, dt=0.025)
    s, error = mean_and_error(rate)
    assert abs(s + 0.05) < 4.0 * error + bias


def test_ordered_branch_solves_the_self_consistency():
    """Sakaguchi, Prog. Theor. Phys. 79, 39 (1988): r = I1(K r / D) / I0(K r / D); 1/N corrections are exact."""
    coupling, noise, n_nodes, dt = 1.5, 0.5, 4000, 0.05
    law = root(lambda r: i1e(3.0 * r) / i0e(3.0 * r) - r, 0.1, 1.0)
    r2, error = mean_and_error(squares(n_nodes, 16, coupling, noise, dt=dt, seed=10, burn_in=40.0, average=40.0))
    finite_size = abs(exact_square(n_nodes, coupling / noise) - law**2)
    assert finite_size < 4.0 / n_nodes
    assert abs(r2 - law**2) < 4.0 * error + finite_size + weak_error(coupling, dt)


def test_few_oscillators_follow_boltzmann_exactly():
    """Campa, Dauxois & Ruffo (2009): the radial integral gives <r^2> of 32 oscillators, far from any limit.

    Replicas that shared noise, or a self-term left out, would show here and nowhere at large N.
    """
    coupling, noise, dt = 1.5, 0.5, 0.05
    law = exact_square(32, coupling / noise)
    assert law == pytest.approx(0.5339114483820184, abs=1e-12)
    r2, error = mean_and_error(squares(32, 512, coupling, noise, dt=dt, seed=11, burn_in=60.0, average=60.0))
    assert abs(r2 - law) < 4.0 * error + weak_error(coupling, dt)


def test_fluctuations_grow_towards_the_onset():
    """Static fluctuation-dissipation: N <r^2> = 1 / (1 - K / 2 D) below the onset; the O(1/N) rest is known exactly."""
    noise, n_nodes, dt = 0.5, 512, 0.05
    for coupling in (0.5, 0.75):
        r2, error = mean_and_error(squares(n_nodes, 64, coupling, noise, dt=dt, seed=12, burn_in=20.0, average=60.0))
        distance = 1.0 - coupling / (2.0 * noise)
        law = 1.0 / (n_nodes * distance)
        finite_size = abs(exact_square(n_nodes, coupling / noise) - law)
        assert finite_size < law / (n_nodes * distance**2)
        assert abs(r2 - law) < 4.0 * error + finite_size + law * weak_error(coupling, dt)


@pytest.mark.parametrize("method", ["em", "heun", "sra1"])
def test_mean_of_free_oscillators_decays_by_diffusion_alone(method):
    """Ito: <cos theta> = e^{-D t} without coupling, exact for every method and step."""
    n_nodes, noise = 40_000, 0.4
    model = Kuramoto(MeanField(n_nodes), np.zeros(n_nodes), coupling=0.0, noise=noise)
    run = Simulation(model, dt=0.1, method=method, seed=13, theta0=np.zeros(n_nodes))
    run.advance(10)
    mean, error = mean_and_error(np.cos(run.theta[0]))
    assert abs(mean - math.exp(-noise)) < 4.0 * error
