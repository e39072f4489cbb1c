"""Orders of the methods, with the kernels in the loop: against fine solutions, and against laws of discrete chains."""

from dataclasses import replace
from functools import cache

import numpy as np
import oracle
import pytest
from problems import make_problem, network_for, opened, radians, start
from scipy.integrate import solve_ivp
from scipy.special import i0e, i1e

from gpu_pipeline.kernels.problem import Graph

ORDERS = [
    ("first", "euler", 1),
    ("first", "heun", 2),
    ("first", "rk4", 4),
    ("second", "euler", 1),
    ("second", "heun", 2),
    ("second", "rk4", 4),
    ("second", "baoab", 2),
]
DURATION, NODES = 2.0, 6


def exact(problem, weights, theta, velocity):
    """Phases after ``DURATION`` by an eighth-order method (Hairer, Norsett & Wanner: DOP853) at full precision."""

    def slope(_, state):
        q = state[:NODES]
        pull = problem.drive[0] + oracle.torque(problem, weights, q[None])[0]
        if problem.order == "first":
            return pull
        v = state[NODES:]
        return np.concatenate([v, (pull - problem.damping * v) / problem.inertia])

    initial = theta[0] if problem.order == "first" else np.concatenate([theta[0], velocity[0]])
    return solve_ivp(slope, (0.0, DURATION), initial, method="DOP853", rtol=1e-13, atol=1e-14).y[:NODES, -1]


@pytest.mark.parametrize(("order", "method", "expected"), ORDERS)
def test_method_has_its_order(order, method, expected):
    """Frozen couplings in inner stages, or phases and velocities out of step, cost whole orders and little accuracy."""
    network = network_for(order, method, 0.0, "float64", False)
    problem, weights = make_problem(order, network, method, "float64", n=NODES)
    random = np.random.default_rng(2)
    theta, velocity = random.uniform(-2.0, 2.0, (1, NODES)), random.normal(size=(1, NODES))
    reference = exact(problem, weights, theta, velocity)
    errors = []
    for steps in (80, 160):
        engine = opened(replace(problem, dt=DURATION / steps))
        engine.load(start(problem, theta, velocity))
        engine.advance(steps)
        errors.append(np.abs(radians(engine)[0][0] - reference).max())
    # What is left of the next order at this step size: a quarter, as for the other solvers of this order.
    assert np.log2(errors[0] / errors[1]) == pytest.approx(expected, abs=0.25)


def test_splitting_without_damping_keeps_the_energy():
    """Without friction and noise baoab is velocity Verlet, symplectic: its energy errs by O(h^2) and does not drift."""
    network = network_for("second", "baoab", 0.0, "float64", False)
    problem, weights = pair("second", network, "baoab", coupling=1.0, dt=0.1)
    problem = replace(problem, damping=np.zeros(2))
    theta, velocity = np.array([[1.0, -0.4]]), np.array([[0.3, -0.2]])
    engine = opened(problem)
    engine.load(start(problem, theta, velocity))
    strength = problem.coupling[0] * weights[0, 1]

    def energy(theta, velocity):
        return (velocity**2).sum() / 2.0 - strength * np.cos(theta[0, 0] - theta[0, 1])

    begun = energy(theta, velocity)
    early, late = [], []
    for found in (early, late):
        for _ in range(200):
            engine.advance(7)
            found.append(energy(*radians(engine)) - begun)
        engine.advance(20_000)
    bound = 0.1**2 * (2.0 * strength) * (velocity**2).sum()
    assert 0.0 < np.ptp(early) < bound
    assert np.mean(late) == pytest.approx(np.mean(early), abs=0.1 * bound)


def pair(order, network, method, *, coupling, dt, noise=0.0, replicas=1):
    """Two identical oscillators that pull each other with K/2; and their matrix."""
    problem, _ = make_problem(order, network, method, "float64", n=2, replicas=replicas, dt=dt)
    share = 0.5 if network == "mean_field" else 1.0
    weights = np.array([[0.5, 0.5], [0.5, 0.5]]) if network == "mean_field" else np.array([[0.0, 1.0], [1.0, 0.0]])
    indptr, indices = np.arange(3, dtype=np.int64), np.array([1, 0], np.int32)
    graph = {
        "mean_field": Graph("mean_field", 2, 1.0),
        "dense": Graph("dense", 2, 1.0, weights),
        "sparse": Graph("sparse", 2, 1.0, np.ones(2), indptr, indices),
        "sparse_unweighted": Graph("sparse", 2, 1.0, None, indptr, indices),
    }[network]
    return replace(
        problem,
        graph=graph,
        drive=np.zeros((replicas, 2)),
        coupling=np.full(replicas, coupling * 0.5 / share),
        alpha=np.zeros(replicas),
        noise=np.full(2, noise),
        inertia=np.ones(2),
        seeds=np.full(replicas, 99, np.uint64),
        replicas=np.arange(replicas),
    ), weights


K, D = 1.0, 0.3
MODES, PLACES, POINTS = 40, 256, 18


@cache
def chain_moment(method, dt):
    """Stationary <cos(theta_1 - theta_2)> of the discrete chain, without sampling.

    The update of the difference is a random map of the circle. E[exp(ik phi')] given phi, by Gauss-Hermite quadrature
    over z0 and z1, expanded in exp(im phi), is the transposed transfer operator; the moments are its fixed point.
    """
    problem, weights = pair("first", "dense", method, coupling=K, dt=dt, noise=D, replicas=PLACES)
    phi = 2.0 * np.pi * np.arange(PLACES) / PLACES
    nodes, chances = np.polynomial.hermite_e.hermegauss(POINTS)
    chances = chances / chances.sum()
    order = np.arange(-MODES, MODES + 1)
    mean = np.zeros((order.size, PLACES), complex)
    half = np.array([0.5, -0.5])
    for a, chance_a in zip(nodes, chances, strict=True):
        for b, chance_b in zip(nodes, chances, strict=True):
            # Opposite kicks of size z / sqrt(2) give the difference the law of two independent ones.
            z0, z1 = (2.0 * half * z / np.sqrt(2.0) for z in (a, b))
            theta, _ = oracle._phase_step(problem, weights, phi[:, None] * half, None, z0, z1)
            mean += chance_a * chance_b * np.exp(1j * order[:, None] * (theta[:, 0] - theta[:, 1]))
    transfer = np.fft.fft(mean, axis=1)[:, order % PLACES] / PLACES
    free = order != 0
    moments = np.linalg.solve(np.eye(2 * MODES) - transfer[np.ix_(free, free)], transfer[free, MODES])
    return float(moments[MODES].real)


@pytest.mark.parametrize(("method", "expected"), [("em", 1), ("heun", 2), ("sra1", 2)])
def test_law_of_the_chain_has_its_order(method, expected):
    """The stationary law of the pair is von Mises with 2 K/2 / 2 D; errors of the chain's law scale with the step."""
    limit = i1e(K / (2.0 * D)) / i0e(K / (2.0 * D))
    errors = [abs(chain_moment(method, dt) - limit) for dt in (0.1, 0.05)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("method", ["em", "heun", "sra1"])
@pytest.mark.parametrize("dt", [1.25, 0.8])
def test_kernel_samples_the_law_of_its_chain(method, dt):
    """At such steps the laws differ: mixed-up methods, or noise of the wrong size, are many standard errors away."""
    replicas = 8192
    network = network_for("first", method, D, "float64", True)
    problem, _ = pair("first", network, method, coupling=K, dt=dt, noise=D, replicas=replicas)
    engine = opened(problem)
    engine.load(start(problem, np.random.default_rng(8).uniform(-3.0, 3.0, (replicas, 2)), None))
    engine.advance(int(20 / dt))
    every = round(2 / dt)
    squares = np.abs(engine.advance(100 * every, every).order_parameter) ** 2
    cosines = (2.0 * squares - 1.0).mean(axis=0)  # |z|^2 = (1 + cos(theta_1 - theta_2)) / 2
    error = cosines.std(ddof=1) / np.sqrt(replicas)
    others = [abs(chain_moment(other, dt) - chain_moment(method, dt)) for other in {"em", "heun", "sra1"} - {method}]
    assert min(others) > 8.0 * error, "these steps do not tell the methods apart"
    assert cosines.mean() == pytest.approx(chain_moment(method, dt), abs=4.0 * error)
