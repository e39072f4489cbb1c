"""Every kernel against the plain oracle: (model order, network, method, noise, precision, one replica or a batch).

Covered: the kernels of `problems.covered`, which says how they were chosen, with odd sizes, sizes below a register and
of several blocks of work, more replicas than a register holds, a directed signed network with an isolated node, a phase
lag, and parameters that differ between nodes and replicas.
"""

from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np
import oracle
import pytest
from problems import DTYPES, NETWORKS, UNIT, covered, make_phases, make_problem, name, opened, radians, start

from gpu_pipeline.kernels.backends import open_engine
from gpu_pipeline.kernels.problem import DType, NetworkKind
from gpu_pipeline.setup import METHODS

ADAPTIVE = "dopri5"

# (oscillators, replicas): below a register, odd, several blocks; a partly filled tile, and two tiles of which one is.
SIZES = {False: ((3, 1), (37, 1), (130, 1)), True: ((21, 3), (18, 20))}
STEPS, EVERY = 12, 6


def tolerance(problem, velocity):
    """Largest difference that rounding explains after ``STEPS`` steps.

    Per step: the grain of the phases (four roundings below 2 pi in float64; in float32 three of at most a unit of
    2^-32 turn: stage, step, and start), and the relative rounding of what is added to them, where a sum of N terms may
    lose N units. What a step errs by grows at most by the Lipschitz constant of the equations.
    """
    h, pull = problem.dt, problem.largest_pull
    single = problem.dtype == "float32"
    grain, unit = (3 * UNIT, 2.0**-24) if single else (4 * np.pi * 2.0**-52, 2.0**-53)
    kick = np.sqrt(2.0 * problem.noise.max() * h) * 6.0
    rate, drift = 2.0 * pull, h * (pull + np.abs(problem.drive).max())
    if problem.order == "second":
        slowest = problem.inertia.min()
        damping = problem.damping.max()
        drift = (drift + h * damping * np.abs(velocity).max()) / slowest + h * np.abs(velocity).max()
        grain += unit * np.abs(velocity).max() * 4
        rate = 1.0 + (rate + damping) / slowest
        kick = kick / slowest
    # 1.1e-7 is the error of a float32 cosine: about two units more.
    step = grain + unit * ((problem.n_nodes + 16) * drift + 16 * kick)
    return STEPS * step * np.exp(rate * STEPS * h)


def largest_difference(problem, weights, threads):
    """Between kernel and oracle in phases, velocities and recorded samples; and what is tolerated."""
    theta, velocity = make_phases(problem)
    state = start(problem, theta, velocity)
    engine = opened(problem, threads)
    engine.load(state)
    theta, velocity = radians(engine)
    samples = engine.advance(STEPS, EVERY, record=True)
    found, found_velocity = radians(engine)
    middle, middle_velocity = oracle.integrate(problem, weights, theta, velocity, EVERY)
    end, end_velocity = oracle.integrate(problem, weights, middle, middle_velocity, STEPS - EVERY, EVERY)
    unit = UNIT if problem.dtype == "float32" else 1.0
    sampled = samples.phase * unit + 2.0 * np.pi * samples.winding
    pairs = [(found, end), (sampled[0], middle), (sampled[1], end)]
    pairs += [(z, np.exp(1j * x).mean(axis=1)) for z, x in zip(samples.order_parameter, (middle, end), strict=True)]
    if problem.order == "second":
        pairs += [(found_velocity, end_velocity), (samples.velocity[0], middle_velocity)]
        pairs += [(samples.velocity[1], end_velocity)]
    return max(np.abs(found - expected).max() for found, expected in pairs), tolerance(problem, velocity)


@pytest.mark.parametrize("kernel", list(covered()), ids=name)
def test_kernel_equals_oracle(kernel):
    """A wrong index, sign or coefficient differs by far more than rounding does."""
    (order, methods, noise), network, dtype, tiled = kernel
    for method, (n, replicas) in product(methods, SIZES[tiled]):
        problem, weights = make_problem(order, network, method, dtype, n=n, replicas=replicas, noise=noise)
        found, allowed = largest_difference(problem, weights, threads=2 if n == 130 else 1)
        assert found <= allowed, f"{method}, {n} oscillators, {replicas} replicas"


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("order", ["first", "second"])
def test_adaptive_method_stays_within_its_tolerance(order, network):
    """Errors of the steps add up and grow with the flow: within a second they may become 100 times the tolerance."""
    problem, weights = make_problem(order, network, ADAPTIVE, "float64", n=21, replicas=3, dt=0.1)
    theta, velocity = make_phases(problem)
    engine = open_engine("cpu", problem)
    engine.load(start(problem, theta, velocity))
    engine.advance(10)
    fine = replace(problem, method="rk4", dt=0.002)
    expected, expected_velocity = oracle.integrate(fine, weights, theta, velocity, 500)
    found, found_velocity = radians(engine)
    np.testing.assert_allclose(found, expected, rtol=0, atol=100 * problem.atol)
    if order == "second":
        np.testing.assert_allclose(found_velocity, expected_velocity, rtol=0, atol=100 * problem.atol)


def test_every_method_network_and_precision_has_a_case():
    """Whatever the package accepts must be compared with the oracle, also what is added later."""
    assert set(get_args(NetworkKind)) | {"sparse_unweighted"} == set(NETWORKS)
    assert set(get_args(DType)) == set(DTYPES)
    tried = set()
    for (order, methods, noise), network, dtype, tiled in covered():
        for method in methods:
            tried |= {(order, noise > 0.0, method, network), (order, noise > 0.0, method, dtype, tiled)}
    for (order, noisy), methods in METHODS.items():
        for method in set(methods) - {ADAPTIVE}:
            wanted = {(order, noisy, method, network) for network in NETWORKS}
            wanted |= {(order, noisy, method, dtype, tiled) for dtype in DTYPES for tiled in (False, True)}
            assert not wanted - tried, f"in no parity case: {sorted(wanted - tried, key=str)}"
