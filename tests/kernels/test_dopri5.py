"""Adaptive Dormand-Prince steps: order, closed forms, an independent integrator, reproducibility."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import ellipk

from gpu_pipeline import setup
from gpu_pipeline.errors import InputError, IntegrationError
from gpu_pipeline.kernels.backends import open_engine
from gpu_pipeline.kernels.cpu import dormand_prince as dp
from gpu_pipeline.kernels.problem import StepOverflowError
from gpu_pipeline.models import Kuramoto, SecondOrder
from gpu_pipeline.networks import MeanField, Sparse, as_network, from_dense, from_edges
from gpu_pipeline.simulation import Simulation

TURN = 2.0 * math.pi
PAIR = from_dense([[0.0, 1.0], [1.0, 0.0]])
# Directed and weighted, with no symmetry that could hide a transposed index.
FOUR = np.array([[0.0, 1.0, 0.5, 0.0], [0.8, 0.0, 0.0, 0.3], [0.0, 0.6, 0.0, 1.2], [0.4, 0.0, 0.9, 0.0]])
OMEGA = np.array([1.0, -0.5, 0.3, 2.0])
START = np.array([0.1, 2.0, -1.5, 3.0])


def simulation(model, *, dt=0.1, **options):
    """A run by dopri5."""
    return Simulation(model, dt=dt, method="dopri5", **options)


def four(**options):
    """The golden net."""
    return simulation(Kuramoto(from_dense(FOUR), OMEGA, coupling=1.5, alpha=0.2), theta0=START, **options)


def unwrapped(run):
    """Phases without wrapping."""
    return run.theta + TURN * run.winding


def pair_engine(phi):
    """Two oscillators whose difference follows phi' = -2 K sin(phi), with K = 1 rad/s."""
    made = simulation(Kuramoto(PAIR, np.zeros(2)), theta0=[0.0, phi])
    made.engine.compile()
    return made.engine


def pair_difference(phi, t, coupling=1.0):
    """The difference at time t that began as phi, in closed form."""
    return 2.0 * math.atan(math.tan(phi / 2.0) * math.exp(-2.0 * coupling * t))


def take_step(engine, h):
    """A step of length h, whatever its error."""
    dp.settle(engine.system, engine.pending, engine.problem.dt, engine.scratch)
    dp.attempt(engine.system, engine.pending, h, engine.scratch)
    dp._weigh(dp._BULGE, dp.STAGES, engine.pending.slopes, h, engine.pending.bulge)
    engine.pending.clock[dp.LENGTH] = h


def observed_order(error, h):
    """From the errors of steps of length h and h / 2."""
    return math.log2(error(h) / error(h / 2.0))


def test_steps_are_of_order_five():
    """One wrong digit in the tableau lowers the order and nothing else."""

    def error(h):
        engine = pair_engine(2.5)
        for _ in range(round(2.0 / h)):
            take_step(engine, h)
        end = engine.pending.start + engine.pending.change
        return abs(end[1] - end[0] - pair_difference(2.5, 2.0))

    assert observed_order(error, 2.0 / 40) == pytest.approx(5.0, abs=0.25)


def test_error_estimate_is_of_order_five():
    """The difference of solutions of order 5 and 4; a wrong weight makes it of order 1."""

    def estimate(h):
        engine = pair_engine(2.5)
        dp.settle(engine.system, engine.pending, 1.0, engine.scratch)
        return dp.attempt(engine.system, engine.pending, h, engine.scratch)[0]

    assert observed_order(estimate, 0.02) == pytest.approx(5.0, abs=0.25)


def test_samples_within_a_step_are_of_order_five():
    """With slopes and displacement of different scale or sign the interpolant is of order 1 or 2, without a bulge 4."""

    def error(h):
        engine = pair_engine(1.0)
        take_step(engine, h)
        phase, winding = np.zeros(2), np.zeros(2, np.int32)
        dp.interpolate(engine.pending, 1, 0.3 * h, phase, winding, np.zeros(0))
        return abs(phase[1] - phase[0] - pair_difference(1.0, 0.3 * h))

    assert observed_order(error, 0.1) == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize("atol", [1e-6, 1e-8, 1e-10])
def test_golden_net_is_within_a_hundred_tolerances(atol):
    """The controller keeps each step's error below atol; a norm that forgets a component does not."""
    run, reference = four(atol=atol), four(atol=1e-12)
    run.advance(100)
    reference.advance(100)
    assert np.abs(unwrapped(run) - unwrapped(reference)).max() <= 100.0 * atol


def test_steps_are_few():
    """A controller of the wrong exponent is accurate too, with far more steps or rejections."""
    run = four(atol=1e-8)
    run.advance(100)
    found = run.engine.description
    assert 90 <= found["steps_accepted"] <= 150
    assert found["steps_rejected"] <= 5
    assert found["threads"] == run.threads == 1


def test_two_oscillators_follow_the_closed_form():
    """At all samples, most of them inside steps, where the interpolation must err no more than the steps do."""
    data = simulation(Kuramoto(PAIR, np.zeros(2)), dt=0.01, theta0=[0.0, 3.0], atol=1e-10).run(500, progress="none")
    found = (data.theta[0, :, 1] - data.theta[0, :, 0]).to_numpy()
    expected = [pair_difference(3.0, t) for t in data.time.to_numpy()]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(data.coherence[0], np.abs(np.cos(0.5 * found)), rtol=0, atol=1e-14)


def networks():
    """Networks of four by kind, each with its matrix."""
    sparse = from_edges([(j, i, FOUR[i, j]) for i, j in np.argwhere(FOUR)], 4, directed=True)
    return {
        "dense": (from_dense(FOUR), FOUR),
        "sparse": (sparse, FOUR),
        "unweighted": (Sparse(sparse.indptr, sparse.indices, None), (FOUR > 0.0).astype(float)),
        "mean_field": (MeanField(4), np.full((4, 4), 0.25)),
    }


@pytest.mark.parametrize("name", ["dense", "sparse", "unweighted", "mean_field"])
@pytest.mark.parametrize("order", ["first", "second"])
def test_agrees_with_an_independent_integrator(order, name):
    """Written out edge by edge; a transposed network, a lost lag or a wrong mass shows."""
    network, weights = networks()[name]
    inertia, damping = np.array([1.0, 0.5, 2.0, 0.8]), np.array([0.1, 0.3, 0.0, 0.5])

    def force(theta):
        return OMEGA + 1.5 * (weights * np.sin(theta[None, :] - theta[:, None] - 0.2)).sum(axis=1)

    def swing(_, y):
        return np.concatenate([y[4:], (force(y[:4]) - damping * y[4:]) / inertia])

    if order == "first":
        run = simulation(Kuramoto(network, OMEGA, coupling=1.5, alpha=0.2), theta0=START, atol=1e-11)
        right, start = (lambda _, y: force(y)), START
    else:
        model = SecondOrder(network, OMEGA, inertia=inertia, damping=damping, coupling=1.5, alpha=0.2)
        run = simulation(model, theta0=START, velocity0=[0.5, -1.0, 0.0, 2.0], atol=1e-11)
        right, start = swing, np.concatenate([START, [0.5, -1.0, 0.0, 2.0]])
    run.advance(40)
    expected = solve_ivp(right, (0.0, 4.0), start, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(unwrapped(run)[0], expected[:4], rtol=0, atol=1e-8)
    if order == "second":
        np.testing.assert_allclose(run.velocity[0], expected[4:], rtol=0, atol=1e-8)


def test_mean_field_is_the_dense_network_of_one_over_n():
    """The mean field holds each oscillator's pull on itself, a constant that the frequencies make up for."""
    n, rng = 40, np.random.default_rng(5)
    omega, theta = rng.normal(size=n), rng.uniform(-3.0, 3.0, n)
    dense = from_dense((1.0 - np.eye(n)) / n)
    alone = simulation(Kuramoto(MeanField(n), omega, coupling=2.0, alpha=0.3), theta0=theta, atol=1e-11)
    whole = Kuramoto(dense, omega - 2.0 * math.sin(0.3) / n, coupling=2.0, alpha=0.3)
    pairs = simulation(whole, theta0=theta, atol=1e-11)
    alone.advance(50)
    pairs.advance(50)
    np.testing.assert_allclose(unwrapped(alone), unwrapped(pairs), rtol=0, atol=1e-9)


def test_replicas_share_steps_but_not_couplings():
    """One step for all: the fastest replica sets it, and the others must not be moved with its coupling."""
    couplings = np.array([0.1, 1.0, 20.0])
    data = simulation(Kuramoto(PAIR, np.zeros(2), coupling=couplings), theta0=[0.0, 2.0]).run(10, progress="none")
    found = (data.theta[:, -1, 1] - data.theta[:, -1, 0]).to_numpy()
    expected = [pair_difference(2.0, 1.0, k) for k in couplings]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_pendulum_swings_back_and_keeps_its_energy():
    """Two equal masses: phi'' = -2 K sin(phi), of period 4 K(sin^2(phi0 / 2)) / sqrt(2 K), without loss."""
    phi = 2.8
    period = 4.0 * ellipk(math.sin(phi / 2.0) ** 2) / math.sqrt(2.0)
    model = SecondOrder(PAIR, np.zeros(2), inertia=1.0, damping=0.0)
    data = simulation(model, dt=period / 20, theta0=[0.0, phi], atol=1e-11).run(60, progress="none")
    difference = (data.theta[0, :, 1] - data.theta[0, :, 0]).to_numpy()
    energy = 0.5 * (data.velocity[0] ** 2).sum("node").to_numpy() - np.cos(difference)
    np.testing.assert_allclose(energy, -math.cos(phi), rtol=0, atol=1e-7)
    np.testing.assert_allclose(difference[::20], phi, rtol=0, atol=1e-7)


def test_damping_may_be_faster_than_the_grid():
    """dt is only a grid here: 50 damping times per step of it are no reason to refuse."""
    model = SecondOrder(PAIR, np.zeros(2), inertia=0.01, damping=1.0, coupling=0.0)
    run = simulation(model, dt=0.5, theta0=[0.0, 0.0], velocity0=[1.0, -2.0])
    run.advance(2)
    np.testing.assert_allclose(run.theta[0], [0.01, -0.02], rtol=0, atol=1e-6)
    np.testing.assert_allclose(run.velocity[0], 0.0, rtol=0, atol=1e-6)


def test_whole_turns_are_counted():
    """Thousands of turns: phases that were never wrapped, or times that were summed up, lose digits."""
    omega = np.array([3.0, -3.0, 0.001])
    run = simulation(Kuramoto(MeanField(3), omega, coupling=0.0), dt=10.0, theta0=np.zeros(3))
    run.advance(10_000)
    expected = omega * 1e5
    turns = np.floor((expected + math.pi) / TURN)
    np.testing.assert_array_equal(run.winding[0], turns)
    np.testing.assert_allclose(run.theta[0], expected - turns * TURN, rtol=0, atol=1e-9)
    assert np.abs(run.engine.pending.start).max() <= math.pi


def swing(**options):
    """Two replicas with inertia, samples closer than steps."""
    model = SecondOrder(as_network(FOUR), OMEGA, damping=0.2, coupling=[1.5, 0.7])
    return simulation(model, dt=0.03, theta0=START, **options)


@pytest.mark.parametrize("make", [four, swing])
def test_steps_depend_neither_on_chunks_nor_on_samples(make):
    """A step cut short at the end of a chunk, or at a sample, would change all later bits."""
    whole, parts = make().engine, make().engine
    whole.advance(100)
    parts.advance(37, 5, record=True)
    parts.advance(0)
    parts.advance(63, 1)
    one, other = whole.state(), parts.state()
    assert whole.step == parts.step == 100
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_samples_do_not_depend_on_their_spacing():
    """Each is read from the step around it, so a sample between others changes none of them."""
    fine, coarse = four().engine.advance(60, 1, record=True), four().engine.advance(60, 7, record=True)
    for every, few in ((fine.phase, coarse.phase), (fine.winding, coarse.winding)):
        np.testing.assert_array_equal(every[6::7], few)
    np.testing.assert_array_equal(fine.order_parameter[6::7], coarse.order_parameter)
    np.testing.assert_array_equal(four().engine.advance(60, 7).order_parameter, coarse.order_parameter)


@pytest.mark.parametrize("make", [four, swing])
def test_a_snapshot_continues_bitwise(make):
    """The length of the next step and the last error belong to the state as much as the phases."""
    original, copy = make(), make()
    original.advance(41)
    copy.restore(original.snapshot())
    original.advance(59)
    copy.advance(59)
    one, other = original.snapshot(), copy.snapshot()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_a_snapshot_without_pending_step_begins_afresh():
    """Snapshots of other methods hold phases alone."""
    original, copy = four(), four()
    original.advance(40)
    snapshot = {name: array for name, array in original.snapshot().items() if not name.startswith("pending_")}
    copy.restore(snapshot)
    assert copy.step == 40
    np.testing.assert_array_equal(copy.theta, original.theta)
    original.advance(20)
    copy.advance(20)
    np.testing.assert_allclose(unwrapped(copy), unwrapped(original), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("pending_length"), "no 'pending_length'"),
        (lambda s: s.update(pending_change=s["pending_change"][:, :, :2]), r"pending_change is float64 \(1, 1, 2\)"),
        (lambda s: s.update(pending_start=s["pending_start"] * np.nan), "pending_start holds NaN"),
        (lambda s: s.update(phase=s["phase"] + 0.1), "does not lead to its phases"),
    ],
    ids=["incomplete", "shape", "nan", "edited"],
)
def test_a_foreign_pending_step_is_refused(change, message):
    """Taken over, it would move the phases to where the snapshot never was."""
    original, copy = four(), four()
    original.advance(40)
    snapshot = original.snapshot()
    change(snapshot)
    before = copy.snapshot()
    with pytest.raises(InputError, match=message):
        copy.restore(snapshot)
    for name, array in before.items():
        np.testing.assert_array_equal(copy.snapshot()[name], array, err_msg=name)


def test_steps_below_the_resolution_of_time_end_the_run():
    """At this coupling no step succeeds; the error names where, and the state stays what it was."""
    run = simulation(Kuramoto(PAIR, [0.0, 1.0], coupling=1e18), theta0=[0.0, 1.0])
    with pytest.raises(
        IntegrationError, match=r"step size is \S+ s at t = \S+ s .* oscillator \d in replica 0"
    ) as caught:
        run.advance(3)
    assert "\n" not in str(caught.value)
    assert "larger atol" in str(caught.value)
    assert run.step == 0
    np.testing.assert_array_equal(run.theta, [[0.0, 1.0]])


def test_time_itself_can_outgrow_the_steps():
    """From 1e15 s on float64 counts eighths of a second: steps of one second are below 16 of them."""
    made = simulation(Kuramoto(PAIR, np.zeros(2)), dt=1.0, theta0=[0.0, 1.0])
    state = {name: array for name, array in made.snapshot().items() if not name.startswith("pending_")}
    made.engine.load(state | {"step": np.asarray(10**15)})
    with pytest.raises(StepOverflowError, match=r"step size is 1 s at t = 1e\+15 s"):
        made.engine.advance(1)


def test_overflow_is_an_error_and_no_endless_loop():
    """NaN compares false with every tolerance; it must count as a rejection."""
    model = SecondOrder(PAIR, np.zeros(2), inertia=[1.0, 1e-200], coupling=1e200)
    run = simulation(model, theta0=[0.0, 1.0])
    with pytest.raises(IntegrationError, match=r"of oscillator \d in replica 0"):
        run.advance(1)


def test_rejections_of_a_chunk_are_limited(monkeypatch):
    """A problem that rejects every other step forever would otherwise look like one that works."""
    monkeypatch.setattr(dp, "MOST_REJECTED", 0)
    with pytest.raises(StepOverflowError, match="after 0 rejected steps"):
        four().engine.advance(10)


def test_a_chunk_that_fails_leaves_the_state_before_it(monkeypatch):
    """The pending step has moved past the time of the state by then, and would be read outside its ends."""
    engine = four().engine
    engine.advance(10)
    before = engine.state()
    monkeypatch.setattr(dp, "MOST_REJECTED", 0)
    with pytest.raises(StepOverflowError):
        engine.advance(1000)
    for name, array in before.items():
        np.testing.assert_array_equal(engine.state()[name], array, err_msg=name)


def test_a_tolerance_below_the_resolution_of_phases_is_refused():
    """It would be met by rounding alone, in steps without number."""
    with pytest.raises(InputError, match="at least 1e-15"):
        four(atol=1e-16)


def test_float32_is_refused():
    """Its rounding exceeds the default tolerance."""
    with pytest.raises(InputError, match="float64"):
        four(dtype="float32")


def test_opens_by_the_name_of_the_backend():
    """The other CPU engine knows no adaptive steps."""
    made = four().problem
    engine = open_engine("cpu", made, threads=2)
    engine.load(setup.initial_state(made, START, None))
    assert engine.description["kernel"] == "dopri5_first_dense"
