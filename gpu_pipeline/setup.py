"""From a model and what a user asks for to a problem that a kernel can run: checks, and initial states."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import psutil
from numpy.typing import ArrayLike, NDArray

from gpu_pipeline.errors import InputError, InsufficientMemoryError, ShapeError, StepTooLargeError
from gpu_pipeline.initial import wrap
from gpu_pipeline.kernels.philox import uniforms
from gpu_pipeline.kernels.problem import Engine, Graph, Problem, State
from gpu_pipeline.models import Kuramoto, SecondOrder
from gpu_pipeline.results import ANGLE

if TYPE_CHECKING:
    from gpu_pipeline.graphs import Network

Float = NDArray[np.float64]

METHODS: Final = {
    ("first", False): ("rk4", "euler", "heun", "dopri5"),
    ("first", True): ("sra1", "em", "heun"),
    ("second", False): ("rk4", "euler", "heun", "dopri5", "baoab"),
    ("second", True): ("baoab",),
}
"""Methods by (order of the model, noise), the default first."""

_MOST_REPLICAS = 2**24
_LEAST_ATOL = 1e-15


def whole(name: str, value: object, *, least: int) -> int:
    """A whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} is {value!r}, expected a whole number of at least {least}")
    return int(value)


def replica_numbers(asked: int | Sequence[int] | None, implied: int) -> NDArray[np.int64]:
    """The replicas' numbers in the noise streams."""
    if asked is None:
        return np.arange(implied)
    if not np.iterable(asked):
        numbers = np.arange(whole("replicas", asked, least=1))
    else:
        numbers = np.array([whole("replicas", number, least=0) for number in asked], dtype=np.int64)
    if numbers.size == 0 or numbers.max() >= _MOST_REPLICAS or len(set(numbers.tolist())) < numbers.size:
        raise InputError(f"replicas is {asked!r}, expected different numbers from 0 to {_MOST_REPLICAS - 1}")
    if implied not in (1, numbers.size):
        raise ShapeError(f"replicas asks for {numbers.size}, but the model's parameters are for {implied}")
    return numbers


def seeds(seed: int | Sequence[int], n_replicas: int) -> NDArray[np.uint64]:
    """One key per replica."""
    given = list(seed) if np.iterable(seed) else [seed] * n_replicas
    if len(given) != n_replicas:
        raise ShapeError(f"seed has {len(given)} values, expected one, or one for each of the {n_replicas} replicas")
    for value in given:
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < 2**64:
            raise InputError(f"seed is {value!r}, expected a whole number from 0 to 2^64 - 1")
    return np.array(given, dtype=np.uint64)


def problem(
    model: Kuramoto | SecondOrder,
    *,
    dt: float,
    method: str,
    dtype: str,
    seeds: NDArray[np.uint64],
    replicas: NDArray[np.int64],
    atol: float,
) -> Problem:
    """The arrays and launch parameters of a model, checked.

    Raises
    ------
    InputError
        If dt, method, dtype or atol cannot be used.
    StepTooLargeError
        If dt is too large for the model's rates.
    """
    dt, atol = _positive("dt", dt, "s"), _positive("atol", atol, "rad")
    if dtype not in ("float32", "float64"):
        raise InputError(f"dtype is {dtype!r}, expected 'float32' or 'float64'")
    method = _method(model, method)
    if method == "dopri5" and dtype == "float32":
        raise InputError("dtype is 'float32' with method 'dopri5', expected 'float64': its error estimate needs it")
    if method == "dopri5" and atol < _LEAST_ATOL:
        raise InputError(f"atol is {atol:g} rad, expected at least {_LEAST_ATOL:g}: float64 phases resolve no less")
    n, r = model.n_nodes, replicas.size
    swing = isinstance(model, SecondOrder)
    drive = model.power if isinstance(model, SecondOrder) else model.omega
    made = Problem(
        order=model.order,
        graph=_graph(model.network),
        method=method,  # type: ignore[arg-type]  # _method knows the names
        dtype=dtype,  # type: ignore[arg-type]
        dt=dt,
        drive=np.broadcast_to(drive, (r, n)),
        coupling=np.broadcast_to(model.coupling, (r,)),
        alpha=np.broadcast_to(model.alpha, (r,)),
        noise=np.broadcast_to(model.temperature if isinstance(model, SecondOrder) else model.noise, (n,)),
        seeds=seeds,
        replicas=replicas,
        inertia=np.broadcast_to(model.inertia, (n,)) if isinstance(model, SecondOrder) else np.ones(n),
        damping=np.broadcast_to(model.damping, (n,)) if isinstance(model, SecondOrder) else np.zeros(n),
        atol=atol,
    )
    _check_damping(made) if swing else _check_step(made)
    return made


def _positive(name: str, value: float, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise InputError(f"{name} is {value!r}, expected a number of {unit}")
    if not math.isfinite(value) or value <= 0.0:
        raise InputError(f"{name} is {value:g}, expected a finite number of {unit} above 0")
    return float(value)


def _method(model: Kuramoto | SecondOrder, asked: str) -> str:
    allowed = METHODS[model.order, model.stochastic]
    if asked == "auto":
        return allowed[0]
    if asked not in allowed:
        noise = "with" if model.stochastic else "without"
        expected = f"{', '.join(allowed)} for a {model.order}-order model {noise} noise"
        raise InputError(f"method is {asked!r}, expected {expected}")
    return asked


def _check_step(made: Problem) -> None:
    if made.method == "dopri5":
        return
    pull, bound = made.dt * made.largest_pull, made.step_bound()
    if bound >= math.pi:
        raise StepTooLargeError(
            f"dt is {made.dt:g} s, in which a phase could turn by {bound:.3g} rad, expected less than pi: "
            f"use a smaller dt, or the frame that rotates with the mean frequency"
        )
    if made.stochastic and pull > 0.5:
        raise StepTooLargeError(
            f"dt is {made.dt:g} s, dt times the largest sum of couplings {pull:.3g}, expected at most 0.5: "
            f"use dt <= {0.5 * made.dt / pull:.3g} s"
        )


def _check_damping(made: Problem) -> None:
    """An explicit method cannot follow damping faster than its step; baoab treats it exactly, dopri5 adapts."""
    fastest = float(np.max(made.damping / made.inertia)) * made.dt
    if made.method not in ("baoab", "dopri5") and fastest > 2.0:
        raise StepTooLargeError(
            f"dt is {made.dt:g} s, {fastest:.3g} damping times, expected at most 2: use a smaller dt or method 'baoab'"
        )


def _graph(network: "Network") -> Graph:
    row_sum = float(network.row_sums().max())
    if network.kind == "mean_field":
        return Graph("mean_field", network.n_nodes, row_sum)
    if network.kind == "dense":
        return Graph("dense", network.n_nodes, row_sum, network.weights)
    return Graph("sparse", network.n_nodes, row_sum, network.weights, network.indptr, network.indices)


def initial_state(made: Problem, theta0: ArrayLike | None, velocity0: ArrayLike | None) -> State:
    """State before the first step; phases uniform at random from stream 2 of the seeds if none are given."""
    shape = (made.n_replicas, made.n_nodes)
    if theta0 is None:
        theta = (uniforms(made.seeds, made.replicas, made.n_nodes) - 0.5) * (2.0 * math.pi)
    else:
        theta = _initial("theta0", theta0, shape, "rad")
    if velocity0 is not None and made.order == "first":
        raise InputError("velocity0 is given, expected none: a first-order model has no velocity of its own")
    state: State = {
        "phase": phases(theta, made.dtype),
        "winding": np.zeros(shape, np.int32),
        "step": np.asarray(0, np.int64),
    }
    if made.order == "second":
        velocity = np.zeros(shape) if velocity0 is None else _initial("velocity0", velocity0, shape, "rad/s")
        state["velocity"] = velocity.astype(made.dtype)
    return state


def phases(theta: Float, dtype: str) -> NDArray[np.generic]:
    """Phases in rad as a kernel keeps them: wrapped radians, or 32-bit binary angles for float32."""
    wrapped = wrap(theta)
    if dtype == "float64":
        return wrapped
    return np.rint(wrapped / ANGLE).astype(np.int64).astype(np.int32)  # +pi by rounding becomes -pi by overflow


def _initial(name: str, value: ArrayLike, shape: tuple[int, int], unit: str) -> Float:
    try:
        given = np.asarray(value)
    except ValueError:
        raise ShapeError(f"{name} is a ragged list, expected {shape[1:]} or {shape}") from None
    if given.dtype.kind not in "iuf":
        raise InputError(f"{name} holds {given.dtype} values, expected real numbers in {unit}")
    array = given.astype(np.float64)
    if array.shape not in (shape, shape[1:]):
        raise ShapeError(f"{name} has shape {array.shape}, expected {shape[1:]} or {shape}")
    if not np.isfinite(array).all():
        at = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(f"{name}{at} is {array[tuple(at)]}, expected a finite number in {unit}")
    return np.broadcast_to(array, shape)


def check_state(made: Problem, state: Mapping[str, NDArray[np.generic]]) -> None:
    """Refuse a snapshot that does not belong to this problem."""
    shape, phase = (made.n_replicas, made.n_nodes), np.int32 if made.dtype == "float32" else np.float64
    expected = {"phase": phase, "winding": np.int32} | ({"velocity": made.dtype} if made.order == "second" else {})
    for name in [*expected, "step"]:
        if name not in state:
            raise InputError(f"the snapshot has no {name!r}, expected {', '.join([*expected, 'step'])}")
    step = np.asarray(state["step"])
    if step.shape != () or step.dtype.kind not in "iu" or step < 0:
        raise InputError(f"the snapshot's step is {step}, expected a whole number of at least 0")
    for name, dtype in expected.items():
        found = np.asarray(state[name])
        if found.shape != shape or found.dtype != dtype:
            raise ShapeError(
                f"the snapshot's {name} is {found.dtype} {found.shape}, expected {np.dtype(dtype)} {shape}"
            )
        if not np.isfinite(found).all():
            raise InputError(f"the snapshot's {name} holds NaN or infinity, expected finite numbers")


def restore(engine: Engine, made: Problem, state: Mapping[str, NDArray[np.generic]]) -> None:
    """Let an engine go on from a snapshot; refuse one that does not belong to this problem."""
    check_state(made, state)
    try:
        engine.load({name: np.asarray(value) for name, value in state.items()})
    except ValueError as error:
        raise InputError(str(error)) from error


def remedy(made: Problem) -> str:
    """What may help when an integration broke down."""
    if made.method == "dopri5":
        return f"use a larger atol than {made.atol:g} rad"
    return f"use a smaller dt than {made.dt:g} s"


def engine_bytes(made: Problem) -> int:
    """Memory that a kernel takes for a problem, without samples."""
    item = np.dtype(made.dtype).itemsize
    lanes = 64 // item
    replicas = -(-made.n_replicas // lanes) * lanes if made.n_replicas > 1 else 1
    state = replicas * made.n_nodes * (14 if made.order == "second" else 10) * item
    if made.graph.kind == "dense":
        return state + made.n_nodes**2 * item
    return state + made.graph.n_edges * (4 + (0 if made.graph.weights is None else item))


def check_memory(need: int, what: str, remedy: str = "use a smaller network, fewer replicas or float32") -> None:
    """Refuse what does not fit into the memory that is free now."""
    free = psutil.virtual_memory().available
    if need > free:
        raise InsufficientMemoryError(
            f"{what} would take {need / 1e9:.1f} GB, but {free / 1e9:.1f} GB of memory are free: {remedy}"
        )


def digest(model_digest: str, made: Problem) -> str:
    """Hexadecimal SHA-256 of all that decides the numbers of a run, the initial state aside."""
    sha = hashlib.sha256(f"{model_digest} {made.method} {made.dtype} {made.dt!r} {made.atol!r}".encode())
    sha.update(made.seeds.tobytes() + made.replicas.tobytes())
    return sha.hexdigest()
