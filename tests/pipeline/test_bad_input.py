"""Bad input to the Python API: each kind is refused in one line that says what was found and what was expected."""

import numpy as np
import psutil
import pytest

from gpu_pipeline import Kuramoto, MeanField, SecondOrder, Simulation, as_network
from gpu_pipeline.errors import (
    BackendUnavailableError,
    InputError,
    InsufficientMemoryError,
    IntegrationError,
    ShapeError,
    StepTooLargeError,
    StoreError,
)
from gpu_pipeline.kernels.backends import BACKENDS, availability

NAN, INF = float("nan"), float("inf")


def refused(error, call, *words):
    """The message of the error that a call raises: one line with all of these words."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def kuramoto(omega=(1.0, 2.0, 3.0), **others):
    """Three oscillators of first order."""
    return Kuramoto(MeanField(3), omega, **others)


def swing(power=(1.0, 0.0, -1.0), **others):
    """Three oscillators with inertia."""
    return SecondOrder(MeanField(3), power, **others)


def simulate(model=None, *, dt=0.01, **others):
    """A simulation of a model, by default the one of first order."""
    return Simulation(kuramoto() if model is None else model, dt=dt, **others)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: kuramoto([1, NAN, 3]), InputError, ["omega[1] is nan", "expected a finite number in rad/s"]),
        (lambda: kuramoto([[1, 2, 3], [1, 2, INF]]), InputError, ["omega[1, 2] is inf", "expected a finite number"]),
        (lambda: kuramoto([1, 2]), ShapeError, ["omega has shape (2,)", "expected (3,) or (replicas, 3)"]),
        (lambda: kuramoto([[1, 2, 3], [4]]), ShapeError, ["omega is a ragged list", "expected (3,)"]),
        (lambda: kuramoto(np.ones((0, 3))), ShapeError, ["omega has shape (0, 3)", "expected (3,)"]),
        (lambda: kuramoto("abc"), InputError, ["omega holds <U3", "expected real numbers in rad/s"]),
        (lambda: kuramoto(np.ones(3) * 1j), InputError, ["omega holds complex128", "expected real numbers"]),
        (lambda: kuramoto(None), InputError, ["omega holds object", "expected real numbers"]),
        (lambda: kuramoto(noise=-0.1), InputError, ["noise is -0.1 rad^2/s", "expected at least 0"]),
        (lambda: kuramoto(noise=[0, 1, -2]), InputError, ["noise[2] is -2 rad^2/s", "expected at least 0"]),
        (lambda: kuramoto(noise=[1, 1]), ShapeError, ["noise has shape (2,)", "expected one number or (3,)"]),
        (lambda: kuramoto(coupling=INF), InputError, ["coupling is inf", "expected a finite number"]),
        (lambda: kuramoto(alpha=[[0.1]]), ShapeError, ["alpha has shape (1, 1)", "expected one number"]),
        (
            lambda: kuramoto(np.ones((2, 3)), coupling=[1, 2, 3, 4]),
            ShapeError,
            ["omega has 2", "coupling has 4", "the same number"],
        ),
        (lambda: swing(inertia=0), InputError, ["inertia is 0", "expected more than 0"]),
        (lambda: swing(inertia=[1, -3, 1]), InputError, ["inertia is -3", "expected more than 0"]),
        (lambda: swing(damping=-1), InputError, ["damping is -1", "expected at least 0"]),
        (lambda: swing(temperature=[0, -1, 0]), InputError, ["temperature[1] is -1", "expected at least 0"]),
        (lambda: swing([1, 2]), ShapeError, ["power has shape (2,)", "expected (3,)"]),
    ],
)
def test_parameters_of_models(make, error, words):
    """NaN and wrong shapes would surface, if at all, as NaN after hours or as a broadcast that nobody asked for."""
    refused(error, make, *words)


@pytest.mark.parametrize(
    ("network", "error", "words"),
    [
        (np.ones((2, 3)), ShapeError, ["shape (2, 3)", "expected (N, N)"]),
        (np.eye(3), InputError, ["weights[0, 0] is not zero", "expected a zero diagonal"]),
        ([[0, NAN], [1, 0]], InputError, ["weights[0, 1] is nan", "expected a finite number"]),
        (np.zeros((0, 0)), ShapeError, ["shape (0, 0)", "N > 0"]),
        ([[0, 1j], [1, 0]], ShapeError, ["dtype complex128", "expected real numbers"]),
        ("ring", InputError, ["found str", "expected a network"]),
        (None, InputError, ["found NoneType", "expected a network"]),
    ],
)
def test_networks(network, error, words):
    """A matrix that is no network must not become one by cutting, casting or ignoring its diagonal."""
    refused(error, lambda: as_network(network), *words)
    refused(error, lambda: Kuramoto(network, [1.0, 2.0]), *words)


def test_network_of_another_size_than_the_frequencies():
    """Broadcasting one row of frequencies over a larger network is the silent alternative."""
    refused(ShapeError, lambda: Kuramoto(MeanField(4), [1, 2, 3]), "omega has shape (3,)", "expected (4,)")


def test_something_that_is_no_model():
    """A network alone has no equation."""
    refused(InputError, lambda: simulate(MeanField(3)), "model is MeanField", "expected Kuramoto or SecondOrder")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "leapfrog"}, InputError, ["method is 'leapfrog'", "expected rk4, euler, heun"]),
        ({"method": "sra1"}, InputError, ["method is 'sra1'", "first-order model without noise"]),
        ({"method": "baoab"}, InputError, ["method is 'baoab'", "first-order model without noise"]),
        ({"method": None}, InputError, ["method is None", "expected rk4"]),
        ({"dtype": "float16"}, InputError, ["dtype is 'float16'", "expected 'float32' or 'float64'"]),
        ({"dtype": np.float32}, InputError, ["numpy.float32", "expected 'float32' or 'float64'"]),
        ({"seed": -1}, InputError, ["seed is -1", "expected a whole number from 0 to 2^64 - 1"]),
        ({"seed": 2**64}, InputError, [f"seed is {2**64}", "expected a whole number"]),
        ({"seed": 1.5}, InputError, ["seed is 1.5", "expected a whole number"]),
        ({"seed": None}, InputError, ["seed is None", "expected a whole number"]),
        ({"seed": True}, InputError, ["seed is True", "expected a whole number"]),
        ({"seed": [1, 2]}, ShapeError, ["seed has 2 values", "one for each of the 1 replicas"]),
        ({"seed": [1, -2], "replicas": 2}, InputError, ["seed is -2", "expected a whole number"]),
        ({"replicas": 0}, InputError, ["replicas is 0", "expected a whole number of at least 1"]),
        ({"replicas": 1.5}, InputError, ["replicas is 1.5", "expected a whole number"]),
        ({"replicas": [3, 3]}, InputError, ["replicas is [3, 3]", "expected different numbers"]),
        ({"replicas": []}, InputError, ["replicas is []", "expected different numbers"]),
        ({"replicas": [2**24]}, InputError, [f"replicas is [{2**24}]", f"0 to {2**24 - 1}"]),
        ({"replicas": [-1]}, InputError, ["replicas is -1", "expected a whole number of at least 0"]),
        ({"threads": 0}, InputError, ["threads is 0", "expected a whole number of at least 1"]),
        ({"threads": 1.0}, InputError, ["threads is 1.0", "expected a whole number"]),
        ({"theta0": [0, 1]}, ShapeError, ["theta0 has shape (2,)", "expected (3,) or (1, 3)"]),
        ({"theta0": np.zeros((2, 3))}, ShapeError, ["theta0 has shape (2, 3)", "expected (3,) or (1, 3)"]),
        ({"theta0": [0, 1, NAN]}, InputError, ["theta0[2] is nan", "expected a finite number in rad"]),
        ({"theta0": [0, 1, 1j]}, InputError, ["theta0 holds complex128", "expected real numbers in rad"]),
        ({"theta0": ["0", "1", "2"]}, InputError, ["theta0 holds <U1", "expected real numbers in rad"]),
        ({"theta0": [[0, 1, 2], [0]]}, ShapeError, ["theta0 is a ragged list", "expected (3,)"]),
        ({"velocity0": [0, 1, 2]}, InputError, ["velocity0 is given", "expected none"]),
    ],
)
def test_options_of_simulations(options, error, words):
    """An option that does not fit must be named, not replaced by one that does."""
    refused(error, lambda: simulate(**options), *words)


def test_method_without_the_noise_it_would_ignore():
    """rk4 has no noise, and would return a deterministic run under the name of a stochastic one."""
    refused(
        InputError, lambda: simulate(kuramoto(noise=0.1), method="rk4"), "method is 'rk4'", "expected sra1, em, heun"
    )
    refused(InputError, lambda: simulate(swing(temperature=1), method="heun"), "method is 'heun'", "expected baoab")


def test_replicas_that_differ_from_the_parameters():
    """Three rows of frequencies cannot serve two replicas, nor can theirs be thrown away."""
    model = kuramoto(np.ones((3, 3)))
    refused(ShapeError, lambda: simulate(model, replicas=2), "replicas asks for 2", "the model's parameters are for 3")
    refused(ShapeError, lambda: simulate(model, seed=[1, 2]), "seed has 2 values", "the 3 replicas")
    refused(ShapeError, lambda: simulate(model, theta0=np.ones((2, 3))), "shape (2, 3)", "expected (3,) or (3, 3)")


@pytest.mark.parametrize("dt", [0.0, -0.01, NAN, INF])
def test_step_that_is_no_duration(dt):
    """A step of zero runs forever, a negative one backwards without the noise meaning anything."""
    refused(InputError, lambda: simulate(dt=dt), f"dt is {dt:g}", "expected a finite number of s above 0")


@pytest.mark.parametrize("dt", ["0.01", None, True])
def test_step_that_is_no_number(dt):
    """True is 1 to Python."""
    refused(InputError, lambda: simulate(dt=dt), f"dt is {dt!r}", "expected a number of s")


def test_step_in_which_a_phase_turns_too_far():
    """Beyond half a turn the number of turns is unknown. The message gives the angle: (|omega| + K) dt."""
    refused(StepTooLargeError, lambda: simulate(dt=1.0), "dt is 1 s", "turn by 4 rad", "expected less than pi")


def test_step_too_long_for_the_noise_scheme():
    """The stochastic schemes are tied to dt times the largest sum of couplings: the message says which dt would do."""
    model = kuramoto(np.zeros(3), coupling=100.0, noise=1e-4)
    message = refused(StepTooLargeError, lambda: simulate(model, dt=0.01), "couplings 1,", "at most 0.5")
    assert "use dt <= 0.005 s" in message
    assert simulate(model, dt=0.005).dt == 0.005


def test_step_longer_than_the_damping_allows():
    """An explicit method doubles what damping should take away once g dt / M exceeds 2."""
    model = swing(damping=100.0)
    refused(
        StepTooLargeError, lambda: simulate(model, dt=0.1, method="rk4"), "dt is 0.1 s, 10 damping times", "at most 2"
    )
    assert simulate(model, dt=0.1, method="baoab").method == "baoab"


@pytest.mark.parametrize("name", [name for name in BACKENDS if not availability(name).runs])
def test_backend_that_cannot_run_here(name):
    """Falling back in silence would report the time of a CPU as that of a GPU."""
    message = refused(BackendUnavailableError, lambda: simulate(backend=name), f"backend {name!r} cannot run")
    install = availability(name).install
    assert install is None or install in message
    assert "backend='cpu'" in message


def test_backend_that_is_not_installed_comes_with_the_command(monkeypatch):
    """Whoever asks for a backend by name gets the line to type, whatever this machine has."""
    monkeypatch.setattr("gpu_pipeline.kernels.backends.find_spec", {}.get)
    refused(
        BackendUnavailableError,
        lambda: simulate(backend="cupy"),
        "cupy not installed",
        "pip install 'gpu-pipeline[cuda",
    )


def test_backend_that_does_not_exist():
    """The names that do exist are listed, so that a typing error explains itself."""
    refused(
        BackendUnavailableError, lambda: simulate(backend="metal"), "'metal'", "no such backend", ", ".join(BACKENDS)
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, ["steps is 0", "at least 1"]),
        ({"steps": -5}, ["steps is -5", "at least 1"]),
        ({"steps": 10.0}, ["steps is 10.0", "expected a whole number"]),
        ({"sample_every": 0}, ["sample_every is 0", "at least 1"]),
        ({"sample_every": 2.0}, ["sample_every is 2.0", "expected a whole number"]),
        ({"sample_every": 11}, ["sample_every is 11", "at most the 10 steps"]),
        ({"variables": ["theta", "phase"]}, ["variables holds 'phase'", "expected some of theta"]),
        ({"variables": ["velocity"]}, ["variables holds 'velocity'", "expected some of theta"]),
        ({"variables": "theta"}, ["variables is 'theta'", "expected a list"]),
        ({"variables": []}, ["variables is []", "expected a list"]),
        ({"variables": 5}, ["variables is 5", "expected a list"]),
    ],
)
def test_options_of_runs(options, words):
    """Refused before the first step: the state must be what it was."""
    run = simulate(theta0=[0.0, 1.0, 2.0])
    refused(InputError, lambda: run.run(**{"steps": 10, "progress": "none"} | options), *words)
    assert run.step == 0


def test_advance_by_less_than_nothing():
    """The loop would never end, or end at once."""
    refused(InputError, lambda: simulate().advance(-1), "n_steps is -1", "at least 0")


def test_display_that_does_not_exist():
    """A misspelled "none" would otherwise write a bar into a log."""
    refused(ValueError, lambda: simulate().run(10, progress="silent"), "progress is 'silent'", "'auto', 'none'")


def test_velocity_of_a_first_order_model():
    """The mean frequency between samples is something else, and goes by another name."""
    refused(InputError, lambda: simulate().velocity, "velocity", "first-order", "frequency")


def test_store_that_exists_already(tmp_path):
    """Overwriting would destroy a result; so would mixing two runs in one store."""
    path = tmp_path / "result.zarr"
    simulate().run(10, store=path, progress="none")
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    refused(StoreError, lambda: simulate().run(10, store=path), str(path), "exists already", "choose another path")
    other = simulate(kuramoto([3.0, 2.0, 1.0]))
    other.advance(10)
    refused(StoreError, lambda: other.run(10, store=path), str(path), "another run", "choose another path")
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_store_that_would_get_its_samples_twice(tmp_path):
    """A script with a burn-in, started a second time, has the right digest but goes on where the store already was."""
    path = tmp_path / "result.zarr"
    first = simulate(dt=0.125)
    first.advance(5)
    first.run(10, store=path, progress="none")
    again = simulate(dt=0.125)
    again.advance(5)
    refused(
        StoreError,
        lambda: again.run(10, store=path, progress="none"),
        "up to 1.875 s",
        "goes on at 0.625 s",
        "remove it",
    )


def test_store_continued_with_other_variables(tmp_path):
    """Variables of different lengths make a store that nothing can open."""
    path = tmp_path / "result.zarr"
    run = simulate()
    run.run(10, store=path, progress="none")
    refused(
        StoreError,
        lambda: run.run(10, store=path, variables=["coherence"], progress="none"),
        "holds",
        "mean_phase",
        "expected coherence",
        "the same variables",
    )


def test_snapshot_of_another_simulation():
    """Cut, padded or cast states would go on as something that was never simulated."""
    snapshot = simulate().snapshot()
    refused(
        ShapeError, lambda: simulate(replicas=2).restore(snapshot), "phase is float64 (1, 3)", "expected float64 (2, 3)"
    )
    refused(ShapeError, lambda: simulate(dtype="float32").restore(snapshot), "phase is float64", "expected int32")
    refused(
        InputError, lambda: simulate(swing()).restore(snapshot), "no 'velocity'", "expected phase, winding, velocity"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phase": np.full((1, 3), NAN)}, ["phase holds NaN", "expected finite numbers"]),
        ({"step": np.asarray(-1)}, ["step is -1", "at least 0"]),
        ({"step": np.asarray(1.5)}, ["step is 1.5", "expected a whole number"]),
    ],
)
def test_damaged_snapshot(change, words):
    """The step number is the place in the noise stream: a wrong one gives another path."""
    run = simulate()
    refused(InputError, lambda: run.restore(run.snapshot() | change), *words)


@pytest.fixture
def short_of_memory(monkeypatch):
    """A machine with one megabyte left."""
    real = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: real._replace(available=1_000_000))


def test_samples_that_do_not_fit(short_of_memory):
    """Minutes into a run the system would end the process; the message holds both numbers and a way out."""
    run, steps = simulate(), 10**9
    message = refused(
        InsufficientMemoryError, lambda: run.run(steps), "the samples would take", "0.0 GB of memory", "store"
    )
    found = float(message.split("would take ")[1].split(" GB")[0])
    assert found >= steps * 3 * 16 / 1e9
    assert run.step == 0


def test_model_that_does_not_fit(short_of_memory):
    """A dense matrix is copied to the device: that counts before anything is allocated."""
    model = Kuramoto(np.ones((400, 400)) - np.eye(400), np.ones(400), coupling=1e-3)
    refused(
        InsufficientMemoryError,
        lambda: simulate(model),
        "the model would take",
        "GB of memory",
        "use a smaller network",
    )


def test_state_that_stops_being_finite():
    """Inertia takes whatever velocity the torque gives: what a step cannot follow ends the run, with the step named."""
    run = simulate(swing([1e9, 0.0, -1e9]), dt=0.1)
    refused(
        IntegrationError,
        lambda: run.advance(100),
        "a phase moved by pi/4 or more",
        "before step",
        "use a smaller dt than 0.1 s",
    )
