"""Onset of synchronization in the all-to-all Kuramoto model, and the coherence above it."""

import math

import numpy as np
import pytest
from sampling import drift_bias, lorentzian, lorentzian_bias, mean_and_error, quantiles, root
from scipy.integrate import quad
from scipy.special import ive, ndtr, ndtri, wofz

from gpu_pipeline import Kuramoto, MeanField, Simulation

BURN_IN, AVERAGE = 40.0, 40.0  # s
GAUSSIAN_ONSET = math.sqrt(8.0 / math.pi)  # 2 / (pi g(0)) for unit variance


def coherences(omega, coupling, *, dt, seed, average=AVERAGE):
    """Time-averaged coherence of each replica after the burn-in."""
    model = Kuramoto(MeanField(omega.shape[-1]), omega, coupling=coupling)
    run = Simulation(model, dt=dt, seed=seed, replicas=np.size(coupling))
    run.advance(round(BURN_IN / dt))
    done = run.run(round(average / dt), sample_every=10, variables=["coherence"], progress="none")
    return done.coherence.mean("time").values


@pytest.fixture(scope="module")
def lorentzian_branch():
    """Couplings above the onset and the coherences of eight replicas at each."""
    couplings, n_nodes = np.array([2.5, 3.0, 4.0, 6.0]), 1000
    measured = coherences(lorentzian(quantiles(n_nodes)), np.repeat(couplings, 8), dt=0.0125, seed=1)
    return couplings, n_nodes, measured.reshape(4, 8).T


def test_coherence_follows_ott_and_antonsen(lorentzian_branch):
    """Ott & Antonsen, Chaos 18, 037113 (2008): r = sqrt(1 - 2 Delta / K). A lost factor of 2 or N shifts all of it."""
    couplings, n_nodes, measured = lorentzian_branch
    r, error = mean_and_error(measured)
    law = np.sqrt(1.0 - 2.0 / couplings)
    assert (np.abs(r - law) < 4.0 * error + lorentzian_bias(couplings, n_nodes)).all()


def test_lorentzian_onset_lies_at_twice_the_width(lorentzian_branch):
    """Kuramoto (1984): K_c = 2 Delta, which each coupling above gives as K (1 - r^2); a square root alone does not."""
    couplings, n_nodes, measured = lorentzian_branch
    onset, error = mean_and_error(couplings * (1.0 - measured**2))
    r = np.sqrt(1.0 - 2.0 / couplings)
    assert (np.abs(onset - 2.0) < 4.0 * error + 2.0 * couplings * r * lorentzian_bias(couplings, n_nodes)).all()


def test_random_draws_scatter_as_they_should():
    """Central limit theorem for the locked oscillators: sd of r is 0.593 / sqrt(N) at K = 4 Delta, its mean the law.

    Replicas that shared their frequencies would not scatter at all.
    """
    replicas, n_nodes, coupling = 96, 1000, 4.0
    omega = lorentzian(np.random.default_rng(2).random((replicas, n_nodes)), cut=25.0)
    r, error = mean_and_error(measured := coherences(omega, np.full(replicas, coupling), dt=0.04, seed=2))
    law, spread = math.sqrt(0.5), 0.593 / math.sqrt(n_nodes)
    assert abs(r - law) < 4.0 * error + lorentzian_bias(coupling, n_nodes)
    assert abs(measured.std(ddof=1) - spread) < 4.0 * spread / math.sqrt(2 * (replicas - 1)) + 0.001 * spread


def test_below_the_onset_the_lorentzian_coherence_is_noise():
    """Daido, J. Stat. Phys. 60, 753 (1990): <r^2> = 1 / (N (1 - K / K_c)), K_c = 2 Delta.

    Corrections are smaller by the same factor again, once per unlike pair of fluctuations.
    """
    replicas, n_nodes, coupling = 64, 500, 1.0
    omega = lorentzian(np.random.default_rng(3).random((replicas, n_nodes)), cut=25.0)
    squares, error = mean_and_error(level_below_onset(omega, coupling, seed=3))
    law = 1.0 / (n_nodes * (1.0 - coupling / 2.0))
    assert abs(squares - law) < 4.0 * error + 2.0 * law**2


def test_below_the_onset_the_gaussian_coherence_is_noise():
    """Daido (1990): <r^2> = int g / |1 - (K/2) G|^2 / N, G the response; it diverges at K_c = sqrt(8 / pi)."""
    replicas, n_nodes, coupling = 64, 500, 0.5 * GAUSSIAN_ONSET
    omega = np.random.default_rng(4).standard_normal((replicas, n_nodes))
    squares, error = mean_and_error(level_below_onset(omega, coupling, seed=4))

    def spectrum(w):
        response = math.sqrt(math.pi / 2.0) * wofz(w / math.sqrt(2.0))
        return math.exp(-w * w / 2.0) / math.sqrt(math.tau) / abs(1.0 - 0.5 * coupling * response) ** 2

    law = quad(spectrum, -np.inf, np.inf)[0] / n_nodes
    assert abs(squares - law) < 4.0 * error + 2.0 * law**2


def level_below_onset(omega, coupling, seed):
    """Time-averaged squared coherence of each replica."""
    run = Simulation(Kuramoto(MeanField(omega.shape[1]), omega, coupling=coupling), dt=0.04, seed=seed)
    run.advance(round(20.0 / 0.04))
    done = run.run(round(80.0 / 0.04), sample_every=10, variables=["coherence"], progress="none")
    return (done.coherence**2).mean("time").values


def locked_gaussian(a):
    """Coherence F(a) that oscillators locked to a field a = K r give it, for unit variance."""
    x = a * a / 4.0
    return a * math.sqrt(math.pi / 8.0) * (ive(0, x) + ive(1, x))


def test_gaussian_coherence_follows_kuramoto():
    """Kuramoto (1984): r = F(K r), from K_c = 2 / (pi g(0)) = 1.596 on.

    The curvature of g at its top enters, which a Lorentzian does not show.
    """
    couplings, n_nodes = np.array([1.2 * GAUSSIAN_ONSET, 2.0, 3.0]), 1000
    measured = coherences(ndtri(quantiles(n_nodes)), np.repeat(couplings, 8), dt=0.05, seed=5, average=80.0)
    r, error = mean_and_error(measured.reshape(3, 8).T)
    law = np.array([root(lambda r, k=k: locked_gaussian(k * r) / r - 1.0, 1e-6, 1.0) for k in couplings])
    assert law[1] == pytest.approx(0.7151739566831827, abs=1e-12)
    field = couplings * law
    slope = (locked_gaussian(field * 1.001) - locked_gaussian(field * 0.999)) / (0.002 * field)
    response = 1.0 / (1.0 - couplings * slope)
    finite = np.sqrt(np.maximum(0.0, 1.0 - (ndtri(quantiles(n_nodes)) / field[:, None]) ** 2)).mean(axis=1)
    bias = drift_bias(2.0 * ndtr(-field), response, law, n_nodes) + response * np.abs(finite - law)
    assert (np.abs(r - law) < 4.0 * error + bias).all()
