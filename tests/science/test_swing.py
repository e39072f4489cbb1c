"""The swing equation: lock and fold of two machines, one machine at an infinite bus, and its critical clearing time."""

import math

import numpy as np
import pytest

from gpu_pipeline import SecondOrder, Simulation

PAIR = [[0.0, 1.0], [1.0, 0.0]]
BUS = 1e15  # inertia of a machine that nothing moves
INERTIA, DAMPING, POWER, COUPLING = 1.5, 0.4, 1.0, 2.0
REST = math.asin(POWER / COUPLING)


def difference(run):
    """theta_0 - theta_1 with its turns, in rad, (R,)."""
    theta = run.theta + math.tau * run.winding
    return theta[:, 0] - theta[:, 1]


def machine(*, coupling=COUPLING, damping=DAMPING):
    """One machine at an infinite bus: the second node keeps its phase."""
    return SecondOrder(PAIR, [POWER, 0.0], inertia=[INERTIA, BUS], damping=[damping, 0.0], coupling=coupling)


def test_two_machines_lock_at_the_known_angle():
    """Filatrella, Nielsen & Pedersen, Eur. Phys. J. B 61, 485 (2008): sin(angle) = P / K.

    The angle between them swings around it underdamped: the rest decays as e^{-g t / 2 M}.
    """
    power, coupling, damping, inertia = 1.3, 2.0, 0.8, 1.0
    model = SecondOrder(PAIR, [power, -power], inertia=inertia, damping=damping, coupling=coupling)
    run = Simulation(model, dt=0.05, theta0=[0.0, 0.0])
    run.advance(2000)
    law = math.asin(power / coupling)
    assert law == pytest.approx(0.7075844367253556, abs=1e-14)
    left = 4.0 * math.exp(-damping * run.time / (2.0 * inertia))
    assert abs(difference(run)[0] - law) < left + 2000 * np.finfo(float).eps


def test_lock_ends_where_the_line_is_full():
    """The same source: no lock below K_c = P. One percent to either side decides between rest and endless slipping.

    Below, the angle passes the ghost of the lock at a speed of at least (P - K) / g, and a turn takes no longer than
    2 pi g / sqrt(P^2 - K^2).
    """
    power, damping = 1.3, 4.0
    couplings = power * np.array([0.99, 1.01])
    model = SecondOrder(PAIR, [power, -power], damping=damping, coupling=couplings)
    run = Simulation(model, dt=0.1, theta0=[0.0, 0.0])
    turn = math.tau * damping / (2.0 * math.sqrt(power**2 - couplings[0] ** 2))
    run.advance(round(4.0 * turn / 0.1))
    slipping, locked = difference(run)
    assert slipping > 3 * math.tau
    slowest = 2.0 * couplings[1] * math.sqrt(1.0 - (power / couplings[1]) ** 2) / damping
    assert abs(locked - math.asin(power / couplings[1])) < math.pi * math.exp(-0.9 * slowest * run.time)


def test_machine_at_an_infinite_bus_rings_as_linearized():
    """Kundur, Power System Stability and Control (1994): s = (-g + sqrt(g^2 - 4 M K cos d)) / 2 M.

    The map of small displacements and velocities over a time T has the eigenvalues e^{s T}. Opposite perturbations
    cancel the terms of second order, and those of third leave (size)^2.
    """
    size, dt, time = 1e-4, 0.01, 1.0
    signs, zero = np.array([size, -size, 0.0, 0.0]), np.zeros(4)
    theta0 = np.column_stack([REST + signs, zero])
    velocity0 = np.column_stack([signs[[2, 3, 0, 1]], zero])
    run = Simulation(machine(), dt=dt, replicas=4, theta0=theta0, velocity0=velocity0)
    run.advance(round(time / dt))
    ends = np.array([difference(run) - REST, run.velocity[:, 0]])
    propagator = (ends[:, [0, 2]] - ends[:, [1, 3]]) / (2.0 * size)
    law = -0.13333333333333333 + 1.066265802040689j
    rate = max(np.log(np.linalg.eigvals(propagator).astype(complex)) / time, key=lambda s: s.imag)
    method = (abs(law) * dt) ** 5 / (120.0 * dt)
    rounding = 4.0 * math.pi * np.finfo(float).eps / dt / size
    assert abs(rate - law) < method + abs(law) * size**2 + rounding


def test_equal_areas_give_the_critical_clearing_time():
    """Kimbark, Power System Stability (1948): without damping, and without transfer during the fault, 1.6109 s.

    The fault is a run without coupling; its states at 40 times around that one, 0.08 ms apart, start the runs after
    it. A machine cleared one of these steps too late passes the unstable angle and never returns.
    """
    clearing, dt = 1.6109183957667743, 1.6109183957667743 / 20_000
    fault = Simulation(machine(coupling=0.0, damping=0.0), dt=dt, theta0=[REST, 0.0])
    fault.advance(19_980)
    states = fault.run(40, variables=["theta", "velocity"], progress="none").isel(replica=0)
    last = states.sel(time=clearing, method="nearest")
    assert float(last.theta[0]) == pytest.approx(1.388618135, abs=1e-9)
    after = Simulation(machine(damping=0.0), dt=0.005, replicas=40, theta0=states.theta, velocity0=states.velocity)
    after.advance(4000)
    lost = difference(after) > math.tau
    assert not lost[states.time < clearing - dt / 2].any()
    assert lost[states.time > clearing + dt / 2].all()
