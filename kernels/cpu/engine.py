"""The CPU backend: a problem laid out for the compiled time loop, and the threads that run it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_pipeline.kernels.cpu import programs
from gpu_pipeline.kernels.cpu.arrays import LaneMap, aligned_zeros
from gpu_pipeline.kernels.cpu.build import Variant, time_loop
from gpu_pipeline.kernels.cpu.layout import CONTROLS
from gpu_pipeline.kernels.cpu.networks import lay_out
from gpu_pipeline.kernels.cpu.team import Team
from gpu_pipeline.kernels.cpu.threads import LINE, run_on_threads, usable_cores
from gpu_pipeline.kernels.philox import DYNAMICS
from gpu_pipeline.kernels.problem import Problem, Samples, State, StepOverflowError

_FIELD_VECTORS = 64  # without sums over neighbors a smaller block is mostly overhead
_TELLING_SECONDS = 0.002  # a shorter chunk says little about its rate
_WORTHWHILE_NS = 1500.0  # work per thread and pass below which another thread costs more than it brings

Array = NDArray[Any]
Arrays = tuple[Array, ...]


class CpuEngine:
    """A problem on the CPU with a fixed-step method.

    Parameters
    ----------
    problem : Problem
    threads : int, optional
        At most this many; by default the cores this process may use. The results do not depend on it.
    """

    def __init__(self, problem: Problem, threads: int | None = None) -> None:
        self.problem = problem
        self.real = np.dtype(problem.dtype)
        self.phase = np.dtype(np.int32 if problem.dtype == "float32" else np.float64)
        self.stages, rows = programs.program(problem)
        self.coefficients = rows.astype(self.real)
        self.variant = _variant(problem, self.stages)
        self.map = LaneMap(
            problem.n_replicas,
            problem.n_nodes,
            self.variant.lanes,
            least_vectors=_FIELD_VECTORS if problem.graph.kind == "mean_field" else 1,
        )
        self.threads, self.tilewise = _team(problem, self.map, threads or usable_cores())
        self.team = Team(self.threads)
        self.guard = programs.guard_bits(problem)
        self.step = 0
        self.compile_seconds = 0.0
        self._loop: Callable[..., None] | None = None
        self.network = lay_out(problem.graph, self.map, self.real)
        self.arrays = self._state_arrays()
        self.work = self._work_arrays()

    @property
    def description(self) -> dict[str, object]:
        return {
            "kernel": self.variant.name,
            "threads": self.threads,
            "guard_bits": self.guard,
            "replicas_in_lanes": self.map.tiled,
            "block": self.map.block,
        }

    @property
    def trying(self) -> bool:
        return self.team.trying

    def compile(self) -> float:
        """Compile the time loop, or load it from the disk cache; seconds it took."""
        if self._loop is None:
            began = time.perf_counter()
            loop = time_loop(self.variant)
            self._call(loop, 0, 0, 1, self._records(0, False), self.threads)
            self._loop = loop
            self.compile_seconds = time.perf_counter() - began
        return self.compile_seconds

    def load(self, state: State) -> None:
        self.step = int(state["step"])
        self.map.fill(self.arrays["x"], _checked(state["phase"], self.phase))
        self.map.fill(self.arrays["winding"], _checked(state["winding"], np.dtype(np.int32)))
        if "velocity" in self.arrays:
            self.map.fill(self.arrays["velocity"], np.asarray(state["velocity"], self.real))

    def state(self) -> State:
        names = {"phase": "x", "winding": "winding"}
        if "velocity" in self.arrays:
            names["velocity"] = "velocity"
        held: State = {name: self.map.unpack(self.arrays[held]) for name, held in names.items()}
        held["step"] = np.asarray(self.step, np.int64)
        return held

    def advance(self, n_steps: int, every: int = 0, *, record: bool = False) -> Samples:
        self.compile()
        samples = n_steps // every if every else 0
        records = self._records(samples, record)
        loop, size = self._loop, self.team.size()
        assert loop is not None
        began = time.perf_counter()
        self._call(loop, self.step, n_steps, every or n_steps + 1, records, size)
        if (elapsed := time.perf_counter() - began) > _TELLING_SECONDS:
            self.team.note(size, n_steps / elapsed)
        self.step += n_steps
        if "flags" in self.arrays and self.arrays["flags"][0]:
            self.arrays["flags"][0] = 0
            raise StepOverflowError(
                f"a phase moved by pi/4 or more in one step, or became non-finite, before step {self.step}"
            )
        return self._samples(records)

    def _call(
        self, loop: Callable[..., None], step: int, n_steps: int, every: int, records: Arrays, threads: int
    ) -> None:
        barrier = aligned_zeros((threads * LINE,), np.int64)
        shift, lanes = self.map.width.bit_length() - 1, self.map.lanes
        full = self.problem.n_nodes * self.map.width // lanes * lanes
        plan = (self.map.block, full, shift, self.guard)
        state = tuple(self.arrays.values())

        def work(thread: int) -> None:
            team = (thread, threads, self.tilewise, barrier)
            loop(team, plan, (step, n_steps, every), state, self.work, self.network, self.stages, self.coefficients,
                 records)  # fmt: skip

        run_on_threads(work, threads)

    def _state_arrays(self) -> dict[str, Array]:
        """In the order in which ``advance.take_first_order`` and ``take_second_order`` take them."""
        problem, pack = self.problem, self._pack
        zeros = np.zeros((problem.n_replicas, problem.n_nodes))
        h = problem.dt
        moving = {"x": pack(zeros, self.phase), "winding": pack(zeros, np.int32), "reference": pack(zeros, self.phase)}
        if problem.order == "first":
            units = programs.units_per_radian(problem)
            rotation = problem.drive * h * units
            return moving | {
                "rotation": pack(np.rint(rotation) if self.phase == np.int32 else rotation, self.phase),
                "q": pack(zeros, self.real),
                "sigma": pack(np.sqrt(2.0 * problem.noise), self.real),
                "streams": self._streams(),
            }
        splitting = problem.method == "baoab"
        change = np.expm1(-problem.damping * h / problem.inertia)
        lost = -np.expm1(-2.0 * problem.damping * h / problem.inertia)
        thermal = np.sqrt(lost * problem.noise / problem.inertia)
        return moving | {
            "velocity": pack(zeros, self.real),
            "inner_velocity": pack(zeros, self.real),
            "power": pack(problem.drive, self.real),
            "damping": pack(change if splitting else problem.damping, self.real),
            "inverse_inertia": pack(1.0 / problem.inertia, self.real),
            "q_phase": pack(zeros, self.real),
            "q_velocity": pack(zeros, self.real),
            "sigma": pack(thermal, self.real),
            "streams": self._streams(),
            "flags": aligned_zeros((1,), np.int64),
        }

    def _pack(self, values: Array, dtype: np.dtype[np.generic] | type) -> Array:
        shape = (self.problem.n_replicas, self.problem.n_nodes)
        return self.map.pack(np.broadcast_to(values, shape), dtype)

    def _streams(self) -> Array:
        """Per tile: oscillator numbers of the lanes, last counter word, two key words."""
        map_, problem = self.map, self.problem
        streams = aligned_zeros((map_.tiles, 4, map_.lanes), np.int64)
        streams[:, 0] = np.arange(map_.lanes) // map_.width
        streams[:, 1] = map_.pack_lanes(problem.replicas | (DYNAMICS << 24), np.int64)
        streams[:, 2] = map_.pack_lanes(problem.seeds & np.uint64(0xFFFFFFFF), np.int64)
        streams[:, 3] = map_.pack_lanes(problem.seeds >> np.uint64(32), np.int64)
        return streams.reshape(map_.tiles, 4 * map_.lanes)

    def _work_arrays(self) -> Arrays:
        map_, problem, real = self.map, self.problem, self.real
        uniform = problem.graph.kind == "mean_field"
        blocks = -(-map_.elements // map_.block)
        gains = np.stack([problem.coupling * np.cos(problem.alpha), problem.coupling * np.sin(problem.alpha)])
        coupling = aligned_zeros((map_.tiles, 2, map_.lanes), np.float64 if uniform else real)
        for part in (0, 1):
            scale = problem.n_nodes if uniform else 1
            coupling[:, part] = map_.pack_lanes(gains[part] / scale, coupling.dtype)
        masks = aligned_zeros((2 * map_.lanes,), real)
        masks[: map_.lanes] = 1
        masks[map_.lanes : map_.lanes + problem.n_nodes * map_.width % map_.lanes] = 1
        return (
            # One pair more than oscillators, which stays zero: what pads a bundle of sparse rows points at it.
            aligned_zeros((1 if uniform else 2, map_.tiles, 2 * (map_.elements + map_.lanes)), real),
            aligned_zeros((2 * map_.tiles * blocks * 2 * (map_.lanes if map_.tiled else 1),), np.float64),
            coupling.reshape(map_.tiles, 2 * map_.lanes),
            masks,
            aligned_zeros((self.threads, 2, map_.block + 4 * map_.lanes), real),
            aligned_zeros((self.threads, 2 * map_.lanes), real),
            aligned_zeros((self.threads, *self.coefficients.shape), real),
            aligned_zeros((self.threads, CONTROLS), np.int64),
        )

    def _records(self, samples: int, phases: bool) -> Arrays:
        map_ = self.map
        kept = samples if phases else 0
        shape = (kept, map_.tiles, map_.elements)
        swings = kept if self.problem.order == "second" else 0
        return (
            np.zeros((samples, map_.tiles, 2 * (map_.lanes if map_.tiled else 1))),
            np.zeros(shape, self.phase),
            np.zeros(shape, np.int32),
            np.zeros((swings, *shape[1:]), self.real),
        )

    def _samples(self, records: Arrays) -> Samples:
        sums, x, winding, velocity = records
        shape = (len(sums), self.map.tiles, 2, sums.shape[-1] // (2 * self.map.width), self.map.width)
        parts = sums.reshape(shape).sum(axis=-2)
        z = (parts[:, :, 1] + 1j * parts[:, :, 0]) / self.problem.n_nodes
        z = z.reshape(len(sums), self.map.tiles * z.shape[-1])[:, : self.problem.n_replicas]
        return Samples(z, self.map.unpack(x), self.map.unpack(winding), self.map.unpack(velocity))


def _variant(problem: Problem, stages: NDArray[np.int64]) -> Variant:
    graph, kinds = problem.graph, {int(kind) for kind in stages}
    if splitting := problem.method == "baoab":
        kinds.add(programs.SPLITTING["close"])
    return Variant(
        order="splitting" if splitting else problem.order,
        network="sparse_unweighted" if graph.kind == "sparse" and graph.weights is None else graph.kind,
        dtype=problem.dtype,
        tiled=problem.n_replicas > 1,
        kinds=tuple(sorted(kinds)),
    )


def _checked(values: Array, dtype: np.dtype[np.generic]) -> Array:
    if values.dtype != dtype:
        raise ValueError(f"the state holds {values.dtype} phases, the run needs {dtype}: convert them first")
    return values


def _team(problem: Problem, map_: LaneMap, threads: int) -> tuple[int, bool]:
    """Threads to use, and whether each takes whole tiles or all share each tile."""
    vectors = map_.elements / map_.lanes
    work = 8.0 * vectors + problem.graph.n_edges * (1.0 if not map_.tiled else 3.0) * (
        0.1 if problem.graph.kind == "dense" else 1.0
    )
    if map_.tiles >= threads and (map_.tiles % threads == 0 or map_.tiles >= 4 * threads):
        return threads, True
    blocks = -(-map_.elements // map_.block)
    return max(1, min(threads, blocks, int(work / _WORTHWHILE_NS))), False
