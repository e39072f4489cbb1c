"""Closed forms, held against independent evaluations of what they solve."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import i0, i1

from gpu_pipeline.theory import incoherent_level, lorentzian_coherence, lorentzian_spread, noisy_coherence


def test_lorentzian_coherence_starts_at_twice_the_width():
    """A half-width taken for a full width moves the onset by a factor of two."""
    np.testing.assert_allclose(lorentzian_coherence([0, 1.9, 2, 4, 8], 1.0), [0, 0, 0, math.sqrt(0.5), math.sqrt(0.75)])
    np.testing.assert_allclose(lorentzian_coherence(4.0, 0.5), math.sqrt(0.75))


def test_spread_is_that_of_self_consistent_solutions():
    """The derivation linearizes: random draws, solved without it, must scatter as much."""
    rng = np.random.default_rng(11)
    n_nodes, coupling, draws = 4000, 3.0, 300

    def solved() -> float:
        omega = rng.standard_cauchy(n_nodes)

        def excess(a: float) -> float:
            return float(np.sqrt(np.maximum(0, 1 - (omega / a) ** 2)).mean() - a / coupling)

        return brentq(excess, 0.5, coupling) / coupling

    found = np.array([solved() for _ in range(draws)])
    spread = float(lorentzian_spread(coupling, 1.0, n_nodes))
    assert found.std() == pytest.approx(spread, rel=4 / math.sqrt(2 * draws))
    assert found.mean() == pytest.approx(float(lorentzian_coherence(coupling, 1.0)), abs=4 * spread / math.sqrt(draws))


def test_spread_has_its_known_value_and_scales():
    """At four widths it is 0.593 / sqrt(N); couplings count in widths."""
    assert float(lorentzian_spread(4.0, 1.0, 1)) == pytest.approx(0.593, abs=5e-4)
    assert float(lorentzian_spread(2.0, 0.5, 100)) == pytest.approx(0.0593, abs=5e-5)
    assert np.isinf(lorentzian_spread(2.0, 1.0, 100))
    assert np.isnan(lorentzian_spread(1.0, 1.0, 100))


def test_incoherent_level_without_coupling_is_that_of_random_phases():
    """N independent phases have mean coherence sqrt(pi / (4 N)); coupling towards the onset raises it."""
    rng = np.random.default_rng(4)
    free = np.abs(np.exp(2j * math.pi * rng.random((4000, 100))).mean(axis=1))
    assert free.mean() == pytest.approx(float(incoherent_level(0.0, 1.0, 100)), abs=4 * free.std() / math.sqrt(4000))
    np.testing.assert_allclose(incoherent_level(1.5, 1.0, 100) / incoherent_level(0.0, 1.0, 100), 2.0)
    assert np.isnan(incoherent_level(2.0, 1.0, 100))


@pytest.mark.parametrize("coupling", [2.0002, 2.1, 3.0, 10.0])
def test_noisy_coherence_solves_its_equation_away_from_zero(coupling):
    """Zero solves it too, and is what a solver finds that starts too low."""
    coherence = float(noisy_coherence(0.5 * coupling, 0.5))
    assert coherence == pytest.approx(i1(coupling * coherence) / i0(coupling * coherence), rel=1e-6)
    assert coherence > 0.9 * math.sqrt(4 * (coupling - 2)) / coupling * (coupling < 2.2)
    assert coherence > 0.005


def test_noisy_coherence_vanishes_up_to_the_onset():
    """Rounding decides the sign there, and must not make the root finder fail."""
    np.testing.assert_array_equal(noisy_coherence([0.0, 1.0, 2.0], 1.0), 0.0)
    assert 0 < float(noisy_coherence(2 * (1 + 1e-15), 1.0)) < 1e-6
