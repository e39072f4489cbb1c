"""Integrate a model: choose the device, cut the run into chunks, record samples."""

import html
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu_pipeline import __version__, setup
from gpu_pipeline.device import DeviceChoice, choose_device
from gpu_pipeline.errors import InputError, IntegrationError
from gpu_pipeline.kernels.backends import open_engine
from gpu_pipeline.kernels.problem import Samples, State, StepOverflowError
from gpu_pipeline.models import Kuramoto, SecondOrder
from gpu_pipeline.progress import Progress, ProgressOption, reporting
from gpu_pipeline.results import VARIABLES, Recorder, as_dataset, chosen_variables, wrapped_phases
from gpu_pipeline.stores import ResultWriter, open_result

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Simulation"]

Keep = Callable[[Samples, NDArray[np.float64]], None]

_CHUNK_SECONDS = 0.1  # between chunks Python looks at signals and shows progress
_CHUNK_BYTES = 64 << 20


class Simulation:
    """A model on a device, ready to be advanced.

    Parameters
    ----------
    model : Kuramoto or SecondOrder
    dt : float
        Step in s; with "dopri5" the spacing of the time grid on which samples lie and the first step tried.
    method : {"auto", "euler", "heun", "rk4", "dopri5", "em", "sra1", "baoab"}, default "auto"
        euler, heun, rk4: fixed steps of order 1, 2, 4; dopri5: adaptive, 5(4). With noise: em (Euler-Maruyama), heun
        (stochastic Heun), sra1 (weak order 2). With inertia and noise: baoab, which without damping is velocity
        Verlet. auto: rk4, sra1 or, with inertia and noise, baoab.
    dtype : {"float64", "float32"}, default "float64"
        float32 keeps phases as 32-bit binary angles, see docs/precision.md.
    seed : int or sequence of int, default 0
        Key of the noise and of random initial phases, 0 to 2^64 - 1; one per replica, or one for all.
    backend : {"auto", "cpu", "cupy", "numba_cuda", "jax"}, default "auto"
    replicas : int or sequence of int, optional
        Number of replicas, or their numbers in the noise streams; by default as many as the model's parameters imply.
    theta0 : array_like, shape (N,) or (R, N), optional
        Initial phases in rad; by default uniform at random, from the seed.
    velocity0 : array_like, shape (N,) or (R, N), optional
        Initial velocities in rad/s of a model with inertia; by default zero.
    threads : int, optional
        At most so many CPU threads; by default all cores. Results do not depend on it.
    atol : float, default 1e-8
        Absolute error per step in rad, and in rad/s of velocities, that "dopri5" aims at. Samples between its steps are
        interpolated to order 4, which loses nothing to speak of.

    Raises
    ------
    InputError
        If a value cannot be used; the message names it.
    StepTooLargeError
        If a step would turn phases by half a turn or more.
    BackendUnavailableError
        If a backend asked for by name cannot run here.
    InsufficientMemoryError
        If the model alone does not fit into memory.

    Notes
    -----
    Noise is a function of (seed, replica, oscillator, step) alone: the same path for any number of threads, chunks or
    replicas in the batch, and for float32 and float64.
    """

    def __init__(
        self,
        model: Kuramoto | SecondOrder,
        *,
        dt: float,
        method: str = "auto",
        dtype: str = "float64",
        seed: int | Sequence[int] = 0,
        backend: str = "auto",
        replicas: int | Sequence[int] | None = None,
        theta0: ArrayLike | None = None,
        velocity0: ArrayLike | None = None,
        threads: int | None = None,
        atol: float = 1e-8,
    ) -> None:
        if not isinstance(model, Kuramoto | SecondOrder):
            raise InputError(f"model is {type(model).__name__}, expected Kuramoto or SecondOrder")
        self.model = model
        self.device: DeviceChoice = choose_device(backend)
        self.replica_ids = setup.replica_numbers(replicas, model.replicas)
        self.seed = seed
        self.problem = setup.problem(
            model, dt=dt, method=method, dtype=dtype, seeds=setup.seeds(seed, self.replicas), atol=atol,
            replicas=self.replica_ids,
        )  # fmt: skip
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise InputError(f"threads is {threads!r}, expected a whole number of at least 1")
        setup.check_memory(setup.engine_bytes(self.problem), "the model")
        self.engine = open_engine(self.device.backend, self.problem, threads=threads)
        self.engine.load(setup.initial_state(self.problem, theta0, velocity0))
        self._recorder = Recorder(np.dtype(self.problem.dtype))
        self._steps_per_second = 0.0
        self.compile_seconds = 0.0
        self.run_seconds = 0.0

    @property
    def replicas(self) -> int:
        """Number of replicas R."""
        return int(self.replica_ids.size)

    @property
    def dt(self) -> float:
        """Step in s."""
        return self.problem.dt

    @property
    def method(self) -> str:
        """Integrator, with "auto" resolved."""
        return self.problem.method

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """Precision."""
        return self.problem.dtype

    @property
    def threads(self) -> int:
        """CPU threads in use."""
        return self.engine.threads

    @property
    def step(self) -> int:
        """Steps taken since the initial state."""
        return self.engine.step

    @property
    def time(self) -> float:
        """Time in s, step times dt."""
        return self.step * self.dt

    @property
    def theta(self) -> NDArray[np.float64]:
        """Phases in rad in [-pi, pi), (R, N)."""
        return np.asarray(wrapped_phases(self.engine.state()["phase"], np.dtype(np.float64)), dtype=np.float64)

    @property
    def winding(self) -> NDArray[np.int32]:
        """Whole turns made, (R, N): theta + 2 pi winding is the displacement plus the initial phase."""
        state = self.engine.state()
        beyond = np.zeros(state["phase"].shape) if state["phase"].dtype == np.int32 else state["phase"] - self.theta
        return np.asarray(state["winding"] + np.rint(beyond / (2.0 * math.pi)), dtype=np.int32)

    @property
    def velocity(self) -> NDArray[np.float64]:
        """Velocities in rad/s of a model with inertia, (R, N).

        Raises
        ------
        InputError
            If the model is of first order.
        """
        if self.model.order == "first":
            raise InputError("velocity is no part of a first-order model's state; use the variable frequency")
        return np.asarray(self.engine.state()["velocity"], dtype=np.float64)

    def snapshot(self) -> State:
        """All that decides the future of the run, as named arrays; `restore` takes it back."""
        return self.engine.state()

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from a snapshot of the same model; the continuation is bitwise that of the original.

        Raises
        ------
        InputError
            If the snapshot does not fit this simulation.
        """
        setup.restore(self.engine, self.problem, state)
        self._recorder = Recorder(np.dtype(self.problem.dtype))

    def advance(self, n_steps: int) -> None:
        """Advance without sampling.

        Raises
        ------
        IntegrationError
            If the integration breaks down.
        """
        setup.whole("n_steps", n_steps, least=0)
        self.compile_seconds = self.engine.compile()
        began = time.perf_counter()
        while n_steps:
            piece = min(n_steps, self._chunk_steps())
            self._advance(piece)
            n_steps -= piece
        self.run_seconds += time.perf_counter() - began

    def run(
        self,
        steps: int,
        *,
        sample_every: int = 1,
        variables: Sequence[str] | None = None,
        store: str | Path | None = None,
        progress: ProgressOption = "auto",
    ) -> "xr.Dataset":
        """Advance and sample.

        Parameters
        ----------
        steps : int
            Steps to take from the current state.
        sample_every : int, default 1
            A sample each so many steps. The state before the very first step is the first sample.
        variables : sequence of str, optional
            Which to keep: theta, frequency, coherence, mean_phase and, with inertia, velocity. All by default.
        store : str or Path, optional
            Zarr store that grows while the run goes on; the result is then read from it on use. A later `run` of the
            same simulation continues it.
        progress : {"auto", "none"} or callable, default "auto"
            A callable is called with a `Progress` after each chunk.

        Returns
        -------
        dataset : xarray.Dataset
            Dimensions replica, time, node; see `gpu_pipeline.results.VARIABLES`. Frequency is NaN at the very first
            sample, which ends no interval.

        Raises
        ------
        InputError
            If an argument cannot be used.
        InsufficientMemoryError
            If the samples do not fit into memory and no store is given.
        IntegrationError
            If the integration breaks down; what was stored before is kept.
        """
        setup.whole("steps", steps, least=1)
        setup.whole("sample_every", sample_every, least=1)
        if sample_every > steps:
            raise InputError(f"sample_every is {sample_every}, expected at most the {steps} steps")
        names = chosen_variables(variables, second_order=self.model.order == "second")
        if store is None:
            setup.check_memory(self._sample_bytes(names) * (steps // sample_every + 1), "the samples",
                               "give a store, a larger sample_every or fewer variables")  # fmt: skip
        self.compile_seconds = self.engine.compile()
        writer = self._writer(Path(store), sample_every, names) if store is not None else None
        pieces = self._record(steps, sample_every, names, writer, progress)
        attributes = self.attributes(sample_every)
        if writer is None:
            import xarray as xr

            return xr.concat(pieces, "time", join="exact").assign_attrs(attributes)
        writer.finish(attributes)
        return open_result(writer.path)

    def _writer(self, store: Path, every: int, names: tuple[str, ...]) -> ResultWriter:
        going_on = self.step > 0 and store.exists()
        return ResultWriter(store, names if going_on else None, time=self.time, attributes=self.attributes(every))

    def _record(
        self, steps: int, every: int, names: tuple[str, ...], writer: ResultWriter | None, progress: ProgressOption
    ) -> "list[xr.Dataset]":
        pieces: list[xr.Dataset] = []

        def keep(samples: Samples, times: NDArray[np.float64]) -> None:
            made = self._recorder.variables(names, samples, times)
            piece = as_dataset(made, times, self.replica_ids, self.model.n_nodes)
            if writer is None:
                pieces.append(piece)
            else:
                writer.append(piece)

        began, done, coherence = time.perf_counter(), 0, math.nan
        try:
            with reporting(progress) as report:
                self._start_recording(keep)
                while done < steps:
                    taken, samples = self._chunk(steps - done, every, done, names)
                    done += taken
                    count = len(samples.order_parameter)
                    if count:
                        last = self.step - done % every
                        steps_back = every * np.arange(count - 1, -1, -1)
                        keep(samples, np.asarray((last - steps_back) * self.dt, dtype=np.float64))
                        coherence = float(np.abs(samples.order_parameter[-1]).mean())
                    report(Progress(done, steps, time.perf_counter() - began, coherence))
        finally:
            self.run_seconds += time.perf_counter() - began
            if writer is not None:
                writer.flush()
        return pieces

    def _start_recording(self, keep: Keep) -> None:
        """The initial state is the first sample; a run that goes on only remembers where it starts from."""
        if self.step and self._recorder.last_raw is not None:
            return
        samples, times = self._present(), np.array([self.time])
        if self.step == 0:
            keep(samples, times)
        self._recorder.remember(samples, times)

    def _present(self) -> Samples:
        state = self.engine.state()
        z = np.exp(1j * self.theta).mean(axis=1)
        velocity = state.get("velocity", np.zeros((self.replicas, 0)))
        return Samples(z[None], state["phase"][None], state["winding"][None], velocity[None])

    def _chunk(self, left: int, every: int, done: int, names: tuple[str, ...]) -> tuple[int, Samples]:
        """Advance by a chunk that ends at a sample, or on the way to one if samples lie far apart."""
        record = any(VARIABLES[name].per_node for name in names)
        budget, to_next = self._chunk_steps(), every - done % every
        if to_next > left or to_next > budget:
            taken = min(left, budget)
            return taken, self._advance(taken)
        if to_next < every:
            return to_next, self._advance(to_next, to_next, record=record)
        most = max(1, _CHUNK_BYTES // max(1, self._sample_bytes(names)))
        taken = every * min(most, left // every, max(1, budget // every))
        return taken, self._advance(taken, every, record=record)

    def _chunk_steps(self) -> int:
        seconds = _CHUNK_SECONDS / 8 if self.engine.trying else _CHUNK_SECONDS
        return max(1, int(self._steps_per_second * seconds))

    def _advance(self, n_steps: int, every: int = 0, *, record: bool = False) -> Samples:
        began = time.perf_counter()
        try:
            samples = self.engine.advance(n_steps, every, record=record)
        except StepOverflowError as error:
            raise IntegrationError(f"{error}: {setup.remedy(self.problem)}") from error
        # The first, short chunks overestimate the cost of a step: let the next one be eight times as long at most.
        rate = n_steps / max(time.perf_counter() - began, 1e-9)
        self._steps_per_second = min(rate, 8.0 * n_steps / _CHUNK_SECONDS)
        return samples

    def _sample_bytes(self, names: Sequence[str]) -> int:
        """Memory of one sample, raw phases included."""
        sizes = [self.model.n_nodes if VARIABLES[name].per_node else 1 for name in names]
        raw = 16 * self.model.n_nodes * (max(sizes) > 1)
        return self.replicas * (raw + 8 * sum(sizes))

    def describe(self) -> dict[str, object]:
        """What runs, where and how, as plain data."""
        return {
            "model": type(self.model).__name__,
            "equation": self.model.equation,
            "network": repr(self.model.network),
            "replicas": self.replicas,
            "method": self.method,
            "dt": self.dt,
            "dtype": self.dtype,
            "seed": json.dumps(np.asarray(self.seed, dtype=np.uint64).tolist()),
            "backend": self.device.backend,
            "device": self.device.name,
            "device_reason": self.device.reason,
            "step_times_pull": self.dt * self.problem.largest_pull,
            **self.engine.description,
            "config_digest": setup.digest(self.model.digest(), self.problem),
        }

    def attributes(self, sample_every: int) -> dict[str, object]:
        """Provenance of a result, for its attributes."""
        packages = ("numpy", "numba", "xarray", "zarr")
        return {
            "title": f"{type(self.model).__name__} on {self.model.network.kind}, {self.model.n_nodes} oscillators",
            **self.describe(),
            "steps": self.step,
            "sample_every": sample_every,
            "versions": json.dumps({"gpu-pipeline": __version__} | {name: version(name) for name in packages}),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "compile_seconds": self.compile_seconds,
            "run_seconds": self.run_seconds,
        }

    def __repr__(self) -> str:
        return (
            f"Simulation({self.model!r}, dt={self.dt:g}, method={self.method!r}, dtype={self.dtype!r}, "
            f"backend={self.device.backend!r}, step={self.step})"
        )

    def _repr_html_(self) -> str:
        rows = {**self.describe(), "step": self.step, "time": f"{self.time:g} s"}
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows.items()
        )
        return f"<table><caption>Simulation</caption>{cells}</table>"
