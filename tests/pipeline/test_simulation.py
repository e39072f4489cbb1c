"""The public way to run a model: what the dataset holds, what progress is told, what a simulation says of itself."""

import json
import math
from datetime import datetime

import numpy as np
import pytest
import xarray as xr

from gpu_pipeline import Kuramoto, MeanField, SecondOrder, Simulation, order_parameter, ring
from gpu_pipeline.results import VARIABLES

N, DT = 6, 0.01


def first_order(**others):
    """Two replicas of first order, of which some oscillators make many turns."""
    omega = np.array([[0.0, 1.0, -2.0, 40.0, -60.0, 100.0], [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]])
    return Simulation(Kuramoto(MeanField(N), omega), **({"dt": DT, "seed": 1} | others))


def second_order(**others):
    """A heated swing network."""
    model = SecondOrder(ring(N), np.linspace(-1, 1, N), temperature=0.5, damping=0.5)
    return Simulation(model, **({"dt": DT, "seed": 2} | others))


def test_dataset_has_the_documented_shape():
    """Analysis code addresses dimensions by name, and plots take their labels from the attributes."""
    data = first_order().run(20, sample_every=5, progress="none")
    assert list(data.data_vars) == ["theta", "frequency", "coherence", "mean_phase"]
    for name, variable in data.data_vars.items():
        assert variable.dims == VARIABLES[name].dims
        assert variable.attrs == {"units": VARIABLES[name].units, "long_name": VARIABLES[name].long_name}
    assert dict(data.sizes) == {"replica": 2, "time": 5, "node": N}
    assert data.replica.values.tolist() == [0, 1]
    assert data.node.values.tolist() == list(range(N))
    np.testing.assert_allclose(data.time, [0.0, 0.05, 0.1, 0.15, 0.2])
    assert data.time.attrs == {"units": "s", "long_name": "time"}


def test_inertia_adds_the_velocity():
    """It is a state of its own, not the difference of phases: at the start it is what was given."""
    given = np.linspace(-1.0, 1.0, N)
    data = second_order(velocity0=given).run(20, sample_every=10, progress="none")
    assert set(data.data_vars) == set(VARIABLES)
    assert data.velocity.dims == ("replica", "time", "node")
    assert data.velocity.attrs["units"] == "rad/s"
    np.testing.assert_array_equal(data.velocity[0, 0], given)


def test_first_sample_is_the_initial_state():
    """Without it the transient has no beginning; repeated in a second run it would appear twice."""
    start = np.linspace(-3.0, 3.0, N)
    run = first_order(theta0=start)
    data = run.run(10, sample_every=10, progress="none")
    np.testing.assert_array_equal(data.theta[:, 0], [start, start])
    assert np.isnan(data.frequency[:, 0]).all()
    assert not np.isnan(data.frequency[:, 1]).any()
    more = run.run(10, sample_every=10, progress="none")
    np.testing.assert_allclose(more.time, [0.2])
    assert not np.isnan(more.frequency).any()


def test_last_sample_is_the_state():
    """One step off between sampling and state would go unnoticed in any average."""
    run = second_order()
    data = run.run(20, sample_every=10, progress="none")
    assert (run.step, run.time) == (20, 0.2)
    np.testing.assert_array_equal(data.theta[:, -1], run.theta)
    np.testing.assert_array_equal(data.velocity[:, -1], run.velocity)


def test_steps_beyond_the_last_sample_are_taken():
    """25 steps with a sample each 10 end at step 25; the next sample counts from there."""
    run = first_order()
    np.testing.assert_allclose(run.run(25, sample_every=10, progress="none").time, [0.0, 0.1, 0.2])
    assert run.step == 25
    data = run.run(10, sample_every=10, progress="none")
    np.testing.assert_allclose(data.time, [0.35])
    other = first_order()
    other.advance(20)
    before = other.theta + math.tau * other.winding
    other.advance(15)
    moved = other.theta + math.tau * other.winding - before
    np.testing.assert_allclose(data.frequency[:, 0], moved / 0.15, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_frequency_is_the_displacement_between_samples(dtype):
    """Unwrapping sampled phases cannot find it: some oscillators here turn several times per sample."""
    data = first_order(dtype=dtype).run(60, sample_every=20, progress="none")
    by_hand, displacement = first_order(dtype=dtype), []
    for _ in range(4):
        displacement.append(by_hand.theta + math.tau * by_hand.winding)
        by_hand.advance(20)
    expected = np.diff(np.array(displacement), axis=0).swapaxes(0, 1) / (20 * DT)
    assert np.abs(expected).max() * 20 * DT > 2 * math.tau
    tolerance = 200.0 * np.finfo(dtype).eps
    np.testing.assert_allclose(data.frequency[:, 1:], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_order_parameter_is_that_of_the_phases(dtype):
    """It comes from sums inside the kernel, the phases from another place in memory."""
    data = first_order(dtype=dtype).run(30, progress="none")
    z = order_parameter(data.theta.astype(np.float64))
    tolerance = 8.0 * np.finfo(dtype).eps
    np.testing.assert_allclose(data.coherence * np.exp(1j * data.mean_phase), z, atol=tolerance)
    assert data.coherence.dtype == np.float64


def test_float32_phases_stay_below_pi():
    """float32(pi) is larger than pi: a sample there would fall out of the documented interval."""
    start = np.tile(np.nextafter(math.pi, 0.0), 1000) - np.linspace(0.0, 1e-6, 1000)
    run = Simulation(Kuramoto(MeanField(1000), np.linspace(-5, 5, 1000)), dt=DT, dtype="float32", theta0=start)
    theta = run.run(200, progress="none").theta
    assert theta.dtype == np.float32
    assert float(theta.astype(np.float64).max()) < math.pi
    assert float(theta.astype(np.float64).min()) >= -math.pi


def test_winding_completes_the_phase():
    """theta + 2 pi winding is the way from the initial phase, over many turns in both directions."""
    omega = np.array([100.0, -100.0, 0.0])
    run = Simulation(Kuramoto(MeanField(3), omega, coupling=0.0), dt=DT, theta0=[3.0, -3.0, 1.0])
    run.advance(1000)
    assert run.winding.dtype == np.int32
    assert ((run.theta >= -math.pi) & (run.theta < math.pi)).all()
    np.testing.assert_allclose(run.theta + math.tau * run.winding, [[1003.0, -1003.0, 1.0]], atol=1e-9)


def test_time_is_a_multiple_of_the_step():
    """Adding up dt would leave 1000 steps of 0.1 at 99.9999999999986."""
    run = Simulation(Kuramoto(MeanField(2), [0.0, 0.0]), dt=0.1)
    data = run.run(1000, progress="none")
    np.testing.assert_array_equal(data.time, np.arange(1001) * 0.1)


def test_attributes_tell_how_it_was_computed():
    """A result without its seed, method and versions cannot be repeated; Zarr attributes must be plain JSON."""
    run = second_order(seed=[7], replicas=[3])
    attrs = run.run(20, sample_every=5, progress="none").attrs
    expected = {"model": "SecondOrder", "method": "baoab", "dt": DT, "steps": 20, "sample_every": 5, "dtype": "float64",
                "seed": "[7]", "backend": "cpu", "replicas": 1}  # fmt: skip
    assert {name: attrs[name] for name in expected} == expected
    assert attrs["equation"] == run.model.equation
    assert "6 oscillators" in attrs["title"]
    assert set(json.loads(attrs["versions"])) >= {"gpu-pipeline", "numpy", "numba", "xarray", "zarr"}
    assert datetime.fromisoformat(attrs["created"]).tzinfo is not None
    assert attrs["threads"] >= 1
    assert attrs["device"]
    assert 0.0 < attrs["run_seconds"] < 60.0
    assert attrs["compile_seconds"] >= 0.0
    json.dumps(attrs)


def test_digest_is_that_of_the_configuration():
    """Equal for the same run, different for any change that changes numbers, and blind to chunks and threads."""

    def digest(**others):
        return first_order(**others).describe()["config_digest"]

    changes = [{}, {"dt": 0.005}, {"seed": 3}, {"method": "heun"}, {"dtype": "float32"}, {"replicas": [4, 5]}]
    assert len({digest(**change) for change in changes}) == len(changes)
    assert digest() == digest(threads=1)


@pytest.mark.parametrize("seed", [np.int64(3), np.uint64(2**64 - 1), 2**64 - 1, [1, 2**64 - 1]])
def test_seeds_of_all_integer_types_are_recorded(seed):
    """Seeds come out of numpy arrays as often as out of literals; half of them exceed an int64."""
    recorded = json.loads(first_order(seed=seed).describe()["seed"])
    assert recorded == np.asarray(seed, dtype=np.uint64).tolist()


def test_variables_select():
    """Leaving the phases out is what makes long runs of large networks fit."""
    data = first_order().run(10, variables=["coherence"], progress="none")
    assert list(data.data_vars) == ["coherence"]
    assert set(data.dims) == {"replica", "time"}
    assert "node" not in data.coords


@pytest.mark.parametrize(
    ("simulation", "method"),
    [
        (first_order, "rk4"),
        (second_order, "baoab"),
        (lambda: Simulation(Kuramoto(MeanField(2), [0, 0], noise=[0.0, 0.1]), dt=DT), "sra1"),
        (lambda: Simulation(SecondOrder(MeanField(2), [0, 0]), dt=DT), "rk4"),
    ],
)
def test_method_fits_the_model(simulation, method):
    """The default must be the one that the documentation names."""
    assert simulation().method == method


def test_random_start_comes_from_the_seed_and_the_replica():
    """Equal starts in all replicas, or in all runs, would make averages of them worthless."""
    model = Kuramoto(MeanField(1000), np.zeros(1000))
    both = Simulation(model, dt=DT, seed=5, replicas=2).theta
    assert np.abs(both[0] - both[1]).max() > 1.0
    np.testing.assert_array_equal(Simulation(model, dt=DT, seed=5, replicas=[1]).theta[0], both[1])
    assert np.abs(Simulation(model, dt=DT, seed=6).theta[0] - both[0]).max() > 1.0
    assert np.abs(np.exp(1j * both).mean(axis=1)).max() < 4.0 / math.sqrt(1000)


def test_one_row_of_phases_serves_all_replicas():
    """And a row each is kept apart."""
    rows = np.array([np.zeros(N), np.ones(N)])
    np.testing.assert_array_equal(first_order(theta0=np.ones(N)).theta, np.ones((2, N)))
    np.testing.assert_array_equal(first_order(theta0=rows).theta, rows)
    np.testing.assert_allclose(first_order(theta0=rows + 4 * math.tau).theta, rows, atol=1e-14)


def test_progress_is_told_after_each_chunk():
    """Displays divide by these numbers and close at the end."""
    seen = []
    run = first_order()
    run.run(5000, sample_every=50, progress=seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(set(done))
    assert done[-1] == 5000
    assert {progress.total for progress in seen} == {5000}
    elapsed = [progress.elapsed for progress in seen]
    assert elapsed == sorted(elapsed)
    assert all(0.0 <= progress.coherence <= 1.0 or math.isnan(progress.coherence) for progress in seen)
    assert seen[-1].coherence == pytest.approx(np.abs(order_parameter(run.theta)).mean(), abs=1e-12)
    assert seen[-1].eta == 0.0
    assert seen[-1].rate > 0.0


def test_progress_of_a_second_run_counts_from_zero():
    """A bar that starts at half would estimate twice the speed."""
    run, seen = first_order(), []
    run.advance(100)
    run.run(10, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 10


def test_failing_display_ends_the_run_and_leaves_the_state_whole():
    """Ctrl-C arrives in the display as well: what was computed can be gone on with."""
    run = first_order()

    def fail(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(100, progress=fail)
    reached = run.step
    assert 0 < reached <= 100
    run.advance(100 - reached)
    other = first_order()
    other.advance(100)
    np.testing.assert_array_equal(run.theta, other.theta)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_snapshot_is_plain_arrays_and_survives_a_file(dtype, tmp_path):
    """A checkpoint is a file: nothing in it may be an object, and the read-only arrays of a file must do."""
    run = second_order(dtype=dtype)
    run.advance(10)
    np.savez(tmp_path / "snapshot.npz", **run.snapshot())
    other = second_order(dtype=dtype)
    with np.load(tmp_path / "snapshot.npz", allow_pickle=False) as snapshot:
        other.restore(snapshot)
    assert other.step == 10
    for simulation in (run, other):
        simulation.advance(10)
    np.testing.assert_array_equal(other.theta, run.theta)
    np.testing.assert_array_equal(other.velocity, run.velocity)


def test_run_after_a_restore_starts_its_own_intervals():
    """The frequency over the jump from before a restore to after it would be nonsense."""
    run = first_order()
    run.advance(10)
    snapshot = run.snapshot()
    expected = run.run(10, sample_every=10, progress="none")
    run.advance(500)
    run.restore(snapshot)
    xr.testing.assert_equal(run.run(10, sample_every=10, progress="none"), expected)


def test_states_are_copies():
    """Writing into a result must not steer the simulation."""
    run = second_order()
    before = run.theta
    for array in (run.theta, run.winding, run.velocity, *run.snapshot().values()):
        array[...] = 1
    np.testing.assert_array_equal(run.theta, before)


def test_device_says_what_and_why():
    """The word auto must be explained, and a backend asked for by name is the one that runs."""
    run = first_order()
    assert run.device.backend == "cpu"
    assert run.device.name.startswith("CPU")
    assert run.device.reason
    assert first_order(backend="cpu").device.reason == "asked for by name"


def test_descriptions_show_what_runs():
    """Notebooks show them without being asked; a broken one hides the simulation behind a traceback."""
    run = second_order()
    run.advance(5)
    page = run._repr_html_()
    assert page.startswith("<table><caption>Simulation</caption>")
    for word in ("baoab", "0.05 s", "SecondOrder", "cpu", "M_i v_i&#x27; ="):
        assert word in page
    assert "step=5" in repr(run)
    assert "dt=0.01" in repr(run)
    assert "<table>" in run.model.network._repr_html_()
    assert "nodes" in run.model.network._repr_html_()


def test_seconds_of_compiling_and_running_are_apart():
    """Rates that include compilation are off by orders of magnitude for short runs."""
    run = first_order()
    assert run.run_seconds == 0.0
    run.advance(10)
    after = run.run_seconds
    assert 0.0 < after < 1.0
    run.run(10, progress="none")
    assert run.run_seconds > after
    assert run.compile_seconds >= 0.0
