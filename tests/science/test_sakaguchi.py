"""A phase lag in the all-to-all model: less coherence, a common frequency, a later onset."""

import math

import numpy as np
import pytest
from sampling import lorentzian, lorentzian_bias, mean_and_error, quantiles

from gpu_pipeline import Kuramoto, MeanField, Simulation

ALPHA, N_NODES, DT = 0.5, 1000, 0.0125
COUPLINGS = np.array([3.0, 4.0, 6.0])
LAW = np.sqrt(1.0 - 2.0 / (COUPLINGS * math.cos(ALPHA)))


@pytest.fixture(scope="module")
def measured():
    """Coherence and frequency of the order parameter, eight replicas at each coupling."""
    model = Kuramoto(MeanField(N_NODES), lorentzian(quantiles(N_NODES)), coupling=np.repeat(COUPLINGS, 8), alpha=ALPHA)
    run = Simulation(model, dt=DT, seed=6)
    run.advance(round(40.0 / DT))
    done = run.run(round(40.0 / DT), sample_every=10, variables=["coherence", "mean_phase"], progress="none")
    turned = np.unwrap(done.mean_phase.values, axis=1)
    frequency = (turned[:, -1] - turned[:, 0]) / float(done.time[-1] - done.time[0])
    return done.coherence.mean("time").values.reshape(3, 8).T, frequency.reshape(3, 8).T


def test_lag_lowers_the_coherence(measured):
    """Sakaguchi & Kuramoto, Prog. Theor. Phys. 76, 576 (1986): r = sqrt(1 - 2 Delta / (K cos alpha)).

    A lag on the wrong angle, or of the wrong sign in one of its two terms, leaves the cosine out.
    """
    r, error = mean_and_error(measured[0])
    assert LAW[1] == pytest.approx(0.6559367624533066, abs=1e-12)
    assert (np.abs(r - LAW) < 4.0 * error + lorentzian_bias(COUPLINGS, N_NODES, ALPHA)).all()


def test_lag_delays_the_onset(measured):
    """The same source: K_c = 2 Delta / cos(alpha), which each coupling above gives as K (1 - r^2)."""
    onset, error = mean_and_error(COUPLINGS * (1.0 - measured[0] ** 2))
    bias = 2.0 * COUPLINGS * LAW * lorentzian_bias(COUPLINGS, N_NODES, ALPHA)
    assert (np.abs(onset - 2.278987854649098) < 4.0 * error + bias).all()


def test_lag_slows_the_common_rotation(measured):
    """The same source: Omega = omega_0 - K sin(alpha) + Delta tan(alpha); its sign tells which of two pulls the other.

    Omega = -(K / 2) (1 + r^2) sin(alpha) before r is put in, so that a bias of r shifts it by K r sin(alpha) as much.
    """
    frequency, error = mean_and_error(measured[1])
    law = math.tan(ALPHA) - COUPLINGS * math.sin(ALPHA)
    assert law[1] == pytest.approx(-1.3713996645730215, abs=1e-12)
    bias = COUPLINGS * LAW * math.sin(ALPHA) * lorentzian_bias(COUPLINGS, N_NODES, ALPHA)
    assert (np.abs(frequency - law) < 4.0 * error + bias).all()
