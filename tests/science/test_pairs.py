"""Two oscillators, and pairs with noise: locking, drifting, and the coherence of a pair in closed form."""

import math

import numpy as np
import pytest
from sampling import angle, mean_and_error
from scipy.linalg import solve_banded

from gpu_pipeline import Kuramoto, Simulation
from gpu_pipeline.networks import from_edges

PAIR = [[0.0, 1.0], [1.0, 0.0]]  # each pulls the other with K


def difference(run):
    """theta_0 - theta_1 with its turns, in rad, (R,)."""
    theta = run.theta + math.tau * run.winding
    return theta[:, 0] - theta[:, 1]


def test_pair_locks_at_the_known_angle():
    """Adler (1946): sin(theta_1 - theta_2) = (omega_1 - omega_2) / (2 K), 2 K because each pulls the other.

    The rest of the approach decays at the rate 2 K cos(angle).
    """
    run = Simulation(Kuramoto(PAIR, [0.75, -0.75]), dt=0.05, theta0=[0.0, 2.0])
    run.advance(600)
    law = math.asin(0.75)
    assert law == pytest.approx(0.848062078981481, abs=1e-14)
    left = 4.0 * math.exp(-2.0 * math.cos(law) * run.time)
    assert abs(angle(difference(run)[0]) - law) < left + 600 * np.finfo(float).eps


@pytest.mark.parametrize("detuning", [3.0, -3.0])
def test_pair_beyond_the_lock_drifts_with_the_known_period(detuning):
    """Adler (1946): a turn takes 2 pi / sqrt(dw^2 - 4 K^2). Whole turns must be counted, in both directions.

    The error of the fourth-order method is a fifteenth of what halving the step changes; twice that is allowed.
    """
    period, turns = math.tau / math.sqrt(detuning**2 - 4.0), 5
    assert period == pytest.approx(2.8099258924162904, abs=1e-14)
    moved = []
    for steps in (100, 200):
        run = Simulation(Kuramoto(PAIR, [detuning, 0.0]), dt=period / steps, theta0=[1.0, 0.0])
        run.advance(turns * steps)
        moved.append(difference(run)[0] - 1.0)
    error = abs(moved[0] - moved[1]) / 15.0
    assert abs(moved[1] - math.copysign(math.tau * turns, detuning)) < 2.0 * error + 1000 * np.finfo(float).eps


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_method_has_its_order(method, order):
    """Hairer, Norsett & Wanner (1993), on tan(phi / 2) = tan(phi_0 / 2) e^{-2 K t}; a wrong stage weight lowers it.

    The error is c h^p (1 + a h + ...): two halvings give two orders, and the second differs from p by half of their
    difference to leading order; twice that is allowed.
    """
    errors = []
    for steps in (40, 80, 160):
        run = Simulation(Kuramoto(PAIR, [0.0, 0.0]), dt=2.0 / steps, method=method, theta0=[1.0, -1.0])
        run.advance(steps)
        errors.append(abs(difference(run)[0] - 2.0 * math.atan(math.tan(1.0) * math.exp(-4.0))))
    first, second = (math.log2(errors[i] / errors[i + 1]) for i in range(2))
    assert abs(second - order) < 2.0 * abs(second - first)
    assert abs(first - second) < 0.25


def pair_moments(coupling, noise, detuning, modes=60):
    """<e^{i n phi}>, n = 1 to modes, of dphi = (dw - 2 K sin phi) dt + sqrt(4 D) dW, from its Fokker-Planck equation.

    0 = i n dw c_n - 2 n^2 D c_n - n K (c_{n+1} - c_{n-1}), c_0 = 1.
    """
    n = np.arange(1, modes + 1)
    bands = np.zeros((3, modes), dtype=complex)
    bands[0, 1:], bands[1], bands[2, :-1] = -coupling, 1j * detuning - 2.0 * n * noise, coupling
    right = np.zeros(modes, dtype=complex)
    right[0] = -coupling
    return solve_banded((1, 1), bands, right)


@pytest.mark.parametrize(("detuning", "law"), [(0.0, 0.8099852939565045), (0.8, 0.7890876315397112)])
def test_noisy_pair_has_the_coherence_of_stratonovich(detuning, law):
    """Stratonovich (1958): |<e^{i phi}>| = |I_{1-iv}(K/D) / I_{-iv}(K/D)|, v = dw / 2 D; the slips give the velocity.

    One network holds 2,000 separate pairs, whose errors are independent. The bias of sra1 in a stationary first
    moment is 0.03 h^2 (rad^2/s^2 of pull), measured on a ring in equilibrium.
    """
    pairs, coupling, noise, dt = 2000, 1.5, 0.5, 0.05
    edges = np.arange(2 * pairs).reshape(pairs, 2)
    model = Kuramoto(from_edges(edges, 2 * pairs), np.tile([detuning, 0.0], pairs), coupling=coupling, noise=noise)
    run = Simulation(model, dt=dt, seed=7, theta0=np.zeros(2 * pairs))
    run.advance(100)
    done = run.run(2000, sample_every=20, variables=["theta", "frequency"], progress="none")
    phi = done.theta.values[0, :, 0::2] - done.theta.values[0, :, 1::2]
    z, error = mean_and_error(np.exp(1j * phi).mean(axis=0))
    first = pair_moments(coupling, noise, detuning)[0]
    bias = 0.03 * (coupling * dt) ** 2
    assert abs(first) == pytest.approx(law, abs=1e-12)
    assert abs(z - first) < 4.0 * error + bias
    drift = done.frequency.mean("time").values[0]
    velocity, error = mean_and_error(drift[0::2] - drift[1::2])
    assert abs(velocity - (detuning - 2.0 * coupling * first.imag)) < 4.0 * error + 2.0 * coupling * bias
