"""What is timed, how it is checked first, and how it is timed: in turns, so that noise of the machine hits all."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cases import DT, Case, DType, Float, reference_displacement, reference_velocity

Role = Literal["ours", "peer", "ceiling"]
Method = Literal["rk4", "euler", "em"]

EVALUATIONS: dict[Method, int] = {"rk4": 4, "euler": 1, "em": 1}
VELOCITY_RTOL: dict[DType, float] = {"float32": 1e-4, "float64": 1e-10}
# torchdiffeq's rk4 is the 3/8 rule: another fourth-order path, 2e-8 from the classical one on the ensemble. Methods of
# lower order are 1e-5 away.
PATH_RTOL: dict[DType, float] = {"float32": 2e-4, "float64": 1e-7}
CHECKED_STEPS = 2
SETTLE_SECONDS = 0.03  # OpenMP and BLAS workers spin for a while after their last region; let them fall asleep
WARM_UP_SHARE = 0.1


class WrongResultError(Exception):
    """A contestant integrates something else than the case says; its time would mean nothing."""


@dataclass(slots=True)
class Contestant:
    """Something that can be timed: ours, a peer, or a ceiling of the machine.

    ``advance(n)`` does n steps (n passes for a ceiling) and returns when they are done. ``evaluations`` is the number
    of right-hand sides in one step. ``phases(n)`` gives the phases (R, N) float64 after n steps from ``case.theta0``,
    through the same path that is timed; ``velocity(theta)`` the velocity that the solver is handed, where it has one.
    ``component`` names the part of the floor that a ceiling measures.
    """

    name: str
    role: Role
    dtype: DType
    advance: Callable[[int], None]
    evaluations: float = 1.0
    method: Method = "rk4"
    phases: Callable[[int], Float] | None = None
    velocity: Callable[[Float], Float] | None = None
    component: str = ""
    seconds: list[float] = field(default_factory=list)  # per right-hand side, one entry per round

    @property
    def best(self) -> float:
        """Fastest round, microseconds per right-hand side."""
        return 1e6 * min(self.seconds)

    @property
    def median(self) -> float:
        """Median round, microseconds per right-hand side."""
        return 1e6 * float(np.median(self.seconds))


def check(contestant: Contestant, case: Case) -> None:
    """Compare velocity and path with float64 numpy; raise `WrongResultError` with the size of the difference."""
    if contestant.velocity is not None:
        want = reference_velocity(case, case.theta0)
        _compare(contestant, "velocity", contestant.velocity(case.theta0), want, VELOCITY_RTOL[contestant.dtype])
    if contestant.phases is None:
        return
    if case.noise:
        _check_noise(contestant, case)
        return
    want = reference_displacement(case, CHECKED_STEPS, "euler" if contestant.method == "euler" else "rk4")
    got = _wrapped(contestant.phases(CHECKED_STEPS) - case.theta0)
    _compare(contestant, f"path over {CHECKED_STEPS} steps", got, want, PATH_RTOL[contestant.dtype])


def _wrapped(angle: Float) -> Float:
    """Angles taken to [-pi, pi): solvers differ in the number of whole turns they keep."""
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def _compare(contestant: Contestant, what: str, got: Float, want: Float, rtol: float) -> None:
    if got.shape != want.shape:
        raise WrongResultError(f"{contestant.name}: {what} has shape {got.shape}, expected {want.shape}")
    error = float(np.max(np.abs(got - want)) / np.max(np.abs(want)))
    if not error <= rtol:  # also when error is NaN
        raise WrongResultError(
            f"{contestant.name}: {what} is off by {error:.1e} of its largest value, allowed {rtol:.0e}"
        )


def _check_noise(contestant: Contestant, case: Case) -> None:
    """One step minus its drift, over sqrt(2 D dt), must look like N independent standard normals."""
    assert contestant.phases is not None
    drift = DT * reference_velocity(case, case.theta0)
    kicks = _wrapped(contestant.phases(1) - case.theta0 - drift) / math.sqrt(2 * case.noise * DT)
    count = kicks.size
    mean, spread = abs(float(kicks.mean())) * math.sqrt(count), abs(float(kicks.std()) - 1) * math.sqrt(2 * count)
    if not (mean < 5 and spread < 5):
        raise WrongResultError(
            f"{contestant.name}: kicks have mean {kicks.mean():.3f} and deviation {kicks.std():.3f}, expected 0 and 1"
        )


def timed(contestant: Contestant, n_steps: int) -> float:
    """Seconds that ``n_steps`` take."""
    start = time.perf_counter()
    contestant.advance(n_steps)
    return time.perf_counter() - start


def steps_for(contestant: Contestant, seconds: float) -> int:
    """Steps that fill ``seconds``, found by growing the number; the first call compiles and is thrown away."""
    contestant.advance(1)
    n_steps = 1
    while (spent := timed(contestant, n_steps)) < seconds:
        n_steps = max(n_steps + 1, min(20 * n_steps, math.ceil(1.1 * n_steps * seconds / max(spent, 1e-9))))
        if spent > seconds / 2:
            break
    return n_steps


def round_robin(
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    seconds: float,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Time all contestants ``rounds`` times in turn and append to their ``seconds`` per right-hand side.

    A pass lasts about ``seconds``, after a tenth of it as warm-up that brings the data of this contestant back into
    the caches and wakes its threads.
    """
    plan = []
    for contestant in contestants:
        plan.append((contestant, steps_for(contestant, seconds)))
        report(f"{contestant.name}: {plan[-1][1]:,} steps a pass")
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            # Every second round runs backwards: nobody always follows the same neighbor.
            for contestant, n_steps in plan if turn % 2 == 0 else reversed(plan):
                time.sleep(SETTLE_SECONDS)
                contestant.advance(max(1, int(WARM_UP_SHARE * n_steps)))
                contestant.seconds.append(timed(contestant, n_steps) / (n_steps * contestant.evaluations))
    finally:
        gc.enable()
