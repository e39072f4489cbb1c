"""The CPU backend with adaptive steps: a problem laid out for the Dormand-Prince loop, on one thread."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from gpu_pipeline.kernels.cpu import dormand_prince as dp
from gpu_pipeline.kernels.problem import Graph, Problem, Samples, State, StepOverflowError

_STRETCH_NS = 1e8  # of work, after which the compiled loop comes back to let Python look at signals

Float = NDArray[np.float64]
Records = tuple[NDArray[np.complex128], Float, NDArray[np.int32], Float]


class AdaptiveCpuEngine:
    """A problem on the CPU with dopri5, in float64.

    All replicas take the same steps: the error is the largest over replicas, oscillators, phases and velocities. The
    problem's dt is the grid of times on which samples and chunks end, and the first step tried.

    Parameters
    ----------
    problem : Problem
    threads : int, optional
        The loop runs on one thread, whatever is asked.
    """

    def __init__(self, problem: Problem, threads: int | None = None) -> None:
        self.problem = problem
        self.threads = 1
        self.step = 0
        self.compile_seconds = 0.0
        self._compiled = False
        self._parts = 2 if problem.order == "second" else 1
        self._shape = problem.n_replicas, problem.n_nodes
        self.system = _lay_out(problem)
        phases = problem.n_replicas * problem.n_nodes
        size = self._parts * phases
        slopes, clock = np.zeros((dp.STAGES, size)), np.zeros(dp.CLOCKS)
        self.pending = dp.Step(np.zeros(size), np.zeros(phases), np.zeros(size), np.zeros(size), slopes, clock)
        table = np.zeros((2, problem.n_nodes))
        self.scratch = dp.Scratch(np.zeros(size), np.zeros(size), table, np.zeros_like(table))
        self._counts = np.zeros(2, np.int64)
        self._begin_afresh(0)

    @property
    def trying(self) -> bool:
        """There is only one way to run it."""
        return False

    @property
    def description(self) -> dict[str, object]:
        """Kernel variant, threads, and steps accepted and rejected since the engine was opened."""
        return {
            "kernel": f"dopri5_{self.problem.order}_{self.problem.graph.kind}",
            "threads": self.threads,
            "steps_accepted": int(self._counts[0]),
            "steps_rejected": int(self._counts[1]),
        }

    def compile(self) -> float:
        """Compile the loop, or load it from the disk cache; seconds it took."""
        if not self._compiled:
            began = time.perf_counter()
            self._walk(self.step, self.step, self.step, 1, 0, self._records(0, False))
            self.state()
            self._compiled = True
            self.compile_seconds = time.perf_counter() - began
        return self.compile_seconds

    def load(self, state: State) -> None:
        """Take over a state, with the pending step if the state has one.

        Raises
        ------
        ValueError
            If the pending step is not whole, of another shape, or does not lead to the phases of the state.
        """
        pending = self.pending
        held = _copy(pending), self.step
        try:
            if any(name.startswith("pending_") for name in state):
                self._take_pending(state)
                return
            phases = pending.winding.size
            pending.start[:phases] = np.ravel(state["phase"])
            pending.winding[:] = np.ravel(state["winding"])
            if self._parts == 2:
                pending.start[phases:] = np.ravel(state["velocity"])
            self._begin_afresh(int(state["step"]))
        except BaseException:
            self._put_back(*held)
            raise

    def state(self) -> State:
        """Phases, winding and velocity now, and as ``pending_*`` the step that leads there."""
        _, phase, winding, velocity = self._records(1, True)
        dp.interpolate(self.pending, self.step, self.problem.dt, phase[0], winding[0], velocity[0])
        held: State = {"phase": phase.reshape(self._shape), "winding": winding.reshape(self._shape)}
        if self._parts == 2:
            held["velocity"] = velocity.reshape(self._shape)
        held["step"] = np.asarray(self.step, np.int64)
        return held | {name: view.copy() for name, view in self._pending_arrays().items()}

    def advance(self, n_steps: int, every: int = 0, *, record: bool = False) -> Samples:
        """Advance over ``n_steps`` of the grid. Whatever ends it early leaves the state as it was before."""
        self.compile()
        begin, last, every = self.step, self.step + n_steps, every or n_steps + 1
        records = self._records(n_steps // every, record)
        held, most_rejected = _copy(self.pending), int(self._counts[1]) + dp.MOST_REJECTED
        now = begin
        try:
            while now < last:
                now = self._walk(begin, now, last, every, most_rejected, records)
        except BaseException:
            self._put_back(held, begin)
            raise
        self.step = last
        return self._samples(records, record)

    def _walk(self, begin: int, now: int, last: int, every: int, most_rejected: int, records: Records) -> int:
        problem = self.problem
        work = 100.0 * self.scratch.point.size + 6.0 * problem.n_replicas * problem.graph.n_edges
        plan = (problem.dt, begin, now, last, every)
        limits = (problem.atol, most_rejected, max(1, int(_STRETCH_NS / work)))
        now, worst = dp.walk(self.system, self.pending, plan, limits, self._counts, self.scratch, records)
        if worst >= 0:
            raise StepOverflowError(self._obstacle(worst, int(self._counts[1]) >= most_rejected))
        return int(now)

    def _obstacle(self, worst: int, rejected: bool) -> str:
        clock = self.pending.clock
        part, replica, node = np.unravel_index(worst, (self._parts, *self._shape))
        reason = f"after {dp.MOST_REJECTED} rejected steps" if rejected else "and would fall below 16 ulp of the time"
        return (
            f"the step size is {clock[dp.NEXT]:.3g} s at t = {clock[dp.GRID] * self.problem.dt + clock[dp.OFFSET]:.9g} "
            f"s {reason}, because of the {('phase', 'velocity')[part]} of oscillator {node} in replica "
            f"{self.problem.replicas[replica]}"
        )

    def _begin_afresh(self, step: int) -> None:
        self.step = step
        self.pending.clock[:] = (step, 0.0, 0.0, self.problem.dt, 1.0)

    def _pending_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Views of what the next steps depend on, as a state names them."""
        pending, both = self.pending, (self._parts, *self._shape)
        clock = pending.clock
        return {
            "pending_start": pending.start.reshape(both),
            "pending_winding": pending.winding.reshape(self._shape),
            "pending_change": pending.change.reshape(both),
            "pending_bulge": pending.bulge.reshape(both),
            "pending_slope_begin": pending.slopes[0].reshape(both),
            "pending_slope_end": pending.slopes[-1].reshape(both),
            "pending_grid_step": clock[dp.GRID : dp.GRID + 1].reshape(()),
            "pending_offset": clock[dp.OFFSET : dp.OFFSET + 1].reshape(()),
            "pending_length": clock[dp.LENGTH : dp.LENGTH + 1].reshape(()),
            "pending_next_length": clock[dp.NEXT : dp.NEXT + 1].reshape(()),
            "pending_last_error": clock[dp.LAST_ERROR : dp.LAST_ERROR + 1].reshape(()),
        }

    def _take_pending(self, state: State) -> None:
        for name, view in self._pending_arrays().items():
            if name not in state:
                raise ValueError(f"the snapshot has no {name!r}, but other arrays of a pending step: give all or none")
            found = state[name]
            if found.shape != view.shape or found.dtype != view.dtype:
                raise ValueError(
                    f"the snapshot's {name} is {found.dtype} {found.shape}, expected {view.dtype} {view.shape}"
                )
            if not np.isfinite(found).all():
                raise ValueError(f"the snapshot's {name} holds NaN or infinity, expected finite numbers")
            view[...] = found
        self.step = int(state["step"])
        reached = self.state()
        if any(np.any(reached[name] != state[name]) for name in ("phase", "winding")):
            raise ValueError(
                "the snapshot's pending step does not lead to its phases: drop its arrays pending_* to begin afresh"
            )

    def _put_back(self, held: dp.Step, step: int) -> None:
        for array, earlier in zip(self.pending, held, strict=True):
            array[...] = earlier
        self.step = step

    def _records(self, samples: int, phases: bool) -> Records:
        """One row serves all samples of which only the order parameter is kept."""
        rows, flat = samples if phases else 1, self.pending.winding.size
        return (
            np.zeros((samples, self.problem.n_replicas), np.complex128),
            np.zeros((rows, flat)),
            np.zeros((rows, flat), np.int32),
            np.zeros((rows, flat if self._parts == 2 else 0)),
        )

    def _samples(self, records: Records, record: bool) -> Samples:
        z, phase, winding, velocity = records
        shape = (len(z) if record else 0, *self._shape)
        swings = shape if self._parts == 2 else (*shape[:2], 0)
        kept = slice(shape[0])
        return Samples(z, phase[kept].reshape(shape), winding[kept].reshape(shape), velocity[kept].reshape(swings))


def _copy(step: dp.Step) -> dp.Step:
    return dp.Step(*(array.copy() for array in step))


def _lay_out(problem: Problem) -> dp.System:
    graph = problem.graph
    kind = {"mean_field": dp.MEAN_FIELD, "dense": dp.DENSE, "sparse": dp.SPARSE}[graph.kind]
    if graph.kind == "sparse" and graph.weights is None:
        kind = dp.SPARSE_UNWEIGHTED
    gains = np.stack([problem.coupling * np.cos(problem.alpha), problem.coupling * np.sin(problem.alpha)], axis=1)
    fixed = (_weights(graph), problem.drive, gains, problem.inertia, problem.damping)
    return dp.System(
        kind,
        problem.order == "second",
        _read_only(np.zeros(1) if graph.indptr is None else graph.indptr, np.int64),
        _read_only(np.zeros(0) if graph.indices is None else graph.indices, np.int32),
        *(_read_only(array, np.float64) for array in fixed),
    )


def _weights(graph: Graph) -> Float:
    if graph.weights is None:
        return np.zeros(0)
    return graph.weights.T.ravel() if graph.kind == "dense" else graph.weights


def _read_only(array: NDArray[np.generic], dtype: type[np.generic]) -> NDArray:  # type: ignore[type-arg]
    """Contiguous and read-only, as which numba takes all such arrays for one type."""
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view
