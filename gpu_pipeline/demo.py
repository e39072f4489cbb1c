"""The demonstration: two simulations whose results are known, held against what theory says.

A power grid swings back to its operating point, and oscillators begin to move together where they should. All of it is
written to a run folder, so that each number can be looked up and each run repeated.
"""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from gpu_pipeline.config import RunConfig
from gpu_pipeline.errors import InputError
from gpu_pipeline.report import Check, counted, facts_of, number, page
from gpu_pipeline.runner import draw_all, prepare, save_panels, simulate
from gpu_pipeline.theory import incoherent_level, lorentzian_coherence, lorentzian_spread

if TYPE_CHECKING:
    import xarray as xr

    from gpu_pipeline.simulation import Simulation
    from gpu_pipeline.stores import RunFolder

__all__ = ["demand_extras", "grid_config", "judge_grid", "judge_onset", "onset_config", "run_demo"]

INERTIA: Final = 0.2
"""pu s^2/rad at every bus: 2 H / (2 pi 60 Hz) with H = 38 s on the 100 MVA base, as for a machine of 1,000 MVA."""

DAMPING: Final = 0.2
"""pu s/rad at every bus: swings decay at the rate damping / (2 inertia) = 0.5 per second."""

PUSH: Final = 0.5
"""rad: no bus is released further than this from the operating point."""

LINE_ANGLE: Final = 10.4
"""Degrees: largest angle across a line of the IEEE 39-bus grid where it settles, known to half of the last digit."""

WIDTH: Final = 1.0
"""Half-width of the Lorentzian frequencies, rad/s; the onset lies at twice that coupling."""

COUPLINGS: Final = (0.5, 1.0, 1.5, 2.5, 3.0, 4.0, 5.0, 6.0)
"""rad/s, one per replica: three below the onset, five above."""

BURN_IN: Final = 40.0
"""Seconds left out of averages: the slowest approach, from random phases at K = 2.5 rad/s, then is within 1e-4."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the two simulations: how it is called, what it runs, and how its result is judged."""

    title: str
    config: RunConfig
    judge: "Callable[[xr.Dataset], list[Check]]"
    config_path: Path
    store: Path


@dataclass(frozen=True, slots=True)
class _Outcome:
    dataset: "xr.Dataset"
    checks: list[Check]


def run_demo(folder: "RunFolder", *, quick: bool = False, say: Say) -> bool:
    """Run both simulations, check them and fill the run folder.

    It then holds ``config.toml`` and ``result.zarr`` of the grid, ``onset.toml`` and ``onset.zarr`` of the oscillators,
    ``events.jsonl``, ``figures/`` and ``report.html``.

    Parameters
    ----------
    folder : RunFolder
        A new one.
    quick : bool, default False
        Fewer oscillators and a shorter run, with the wider tolerances that come with them.
    say : callable
        Receives each line of text.

    Returns
    -------
    ok : bool
        Whether every check passed.
    """
    from gpu_pipeline import __version__

    say(f"gpu-pipeline {__version__}")
    folder.event("started", command="demo", quick=quick)
    parts = _parts(folder, quick)
    outcomes = [_run_part(part, folder, say, first=part is parts[0]) for part in parts]
    _write_page(folder, parts, outcomes)
    ok = all(check.ok for outcome in outcomes for check in outcome.checks)
    folder.event("finished", ok=ok)
    _say_end(folder, ok, say)
    return ok


def _parts(folder: "RunFolder", quick: bool) -> list[_Part]:
    onset, n_nodes = folder.path / "onset.toml", 4_000 if quick else 20_000
    grid_title, onset_title = "IEEE 39-bus grid, pushed off its operating point", "Onset of synchronization"
    judge = partial(judge_onset, n_nodes=n_nodes)
    return [
        _Part(grid_title, grid_config(20.0 if quick else 30.0), judge_grid, folder.config, folder.result),
        _Part(onset_title, onset_config(n_nodes, 80.0 if quick else 160.0), judge, onset, onset.with_suffix(".zarr")),
    ]


def demand_extras() -> None:
    """Check that what the demonstration needs beyond the base is installed.

    Raises
    ------
    InputError
        If it is not; the message has the command that installs it.
    """
    for module in ("matplotlib", "pandapower"):
        if importlib.util.find_spec(module) is None:
            raise InputError(
                f"the demonstration needs {module}, which is missing; run: pip install 'gpu-pipeline[demo]'"
            )


def grid_config(duration: float) -> RunConfig:
    """IEEE 39-bus grid with a machine at every bus, released from random angles around its operating point."""
    return RunConfig.model_validate(
        {
            "model": {"kind": "second_order", "inertia": INERTIA, "damping": DAMPING},
            "network": {"kind": "grid", "name": "case39"},
            "simulation": {
                "dt": 0.005,
                "duration": duration,
                "sample_every": 10,
                "seed": 39,
                "initial": {"spread": 2 * PUSH},
            },
            "output": {"name": "ieee39"},
        }
    )


def onset_config(n_nodes: int, duration: float) -> RunConfig:
    """Oscillators coupled all to all, one replica per coupling.

    Frequencies beyond the cutoff are moved to it: such oscillators drift, and add nothing to the coherence wherever in
    the tails they are, but they would demand a step thousands of times smaller.
    """
    return RunConfig.model_validate(
        {
            "model": {
                "kind": "kuramoto",
                "omega": {"distribution": "lorentzian", "width": WIDTH, "cutoff": 50.0 * WIDTH, "seed": 1},
                "coupling": COUPLINGS,
            },
            "network": {"kind": "mean_field", "n_nodes": n_nodes},
            "simulation": {"dt": 0.05, "duration": duration, "sample_every": 10, "seed": 2},
            "output": {"name": "onset", "variables": ["coherence", "mean_phase"]},
        }
    )


def judge_grid(dataset: "xr.Dataset") -> list[Check]:
    """Compare the end of the run with the known line angle, and with the fixed point that Newton's method finds.

    The tolerance of the second is the push that is left: the norm of a push of at most `PUSH` per bus, which bounds the
    deviation of every single bus, times exp(-damping t / (2 inertia)). The mean angle is free, and not compared.
    """
    from gpu_pipeline.grids import load_grid

    grid = load_grid("case39")
    fixed = grid.fixed_point()
    last = dataset["theta"].isel(replica=0, time=-1)
    deviation = np.asarray(last.values) - fixed
    deviation = np.angle(np.exp(1j * (deviation - np.angle(np.exp(1j * deviation).mean()))))
    left = PUSH * math.sqrt(grid.n_nodes) * math.exp(-DAMPING * float(last["time"]) / (2 * INERTIA))
    angle = math.degrees(grid.max_line_angle(last.values))
    newton = "0 at the fixed point of Newton's method; what the damping leaves of the push"
    return [
        Check("largest line angle", angle, LINE_ANGLE, 0.05, "degrees", "known value; half of its last digit"),
        Check("distance from the fixed point", float(np.abs(deviation).max()), 0.0, left, "rad", newton),
    ]


def judge_onset(dataset: "xr.Dataset", n_nodes: int) -> list[Check]:
    """Compare the time-averaged coherence of every coupling with theory, within four standard deviations.

    Above the onset the spread is that of the random frequencies. Below it, the average of T seconds holds T gamma
    independent values of a Rayleigh variable, whose standard deviation is sqrt(4 / pi - 1) of its mean; gamma is the
    rate `WIDTH` - K / 2 at which fluctuations decay.
    """
    late = dataset["coherence"].sel(time=slice(BURN_IN, None))
    seconds = float(late["time"][-1]) - BURN_IN
    checks = []
    for coupling, value in zip(COUPLINGS, late.mean("time").values.tolist(), strict=True):
        if coupling > 2 * WIDTH:
            expected = float(lorentzian_coherence(coupling, WIDTH))
            deviation, basis = float(lorentzian_spread(coupling, WIDTH, n_nodes)), "sqrt(1 - 2Δ/K)"
        else:
            expected, basis = float(incoherent_level(coupling, WIDTH, n_nodes)), "sqrt(π / (4N (1 - K/2Δ)))"
            deviation = expected * math.sqrt((4 / math.pi - 1) / (seconds * (WIDTH - coupling / 2)))
        basis = f"{basis}; four standard deviations for N = {n_nodes:,}"
        checks.append(Check(f"coherence at K = {coupling:g} rad/s", value, expected, 4 * deviation, "", basis))
    return checks


def _run_part(part: _Part, folder: "RunFolder", say: Say, *, first: bool) -> _Outcome:
    """Run one simulation, judge it and tell about it."""
    part.config_path.write_text(part.config.to_toml(), encoding="utf-8")
    simulation = prepare(part.config)
    if first:
        _say_device(simulation, say)
    dataset = simulate(simulation, part.config, store=part.store)
    say(f"\n{part.title}")
    say(f"  {_work(simulation, part.config)}")
    checks = part.judge(dataset)
    for check in checks:
        say(f"  {_line(check)}")
        folder.event("check", part=part.config.output.name, ok=check.ok, **asdict(check))
    return _Outcome(dataset, checks)


def _say_device(simulation: "Simulation", say: Say) -> None:
    device = simulation.device
    say(f"device   {device.name}")
    say(f"because  {device.reason}")
    if device.fix:
        say(f"         {device.fix}")


def _work(simulation: "Simulation", config: RunConfig) -> str:
    counts = [(simulation.model.n_nodes, "node"), (simulation.replicas, "replica"), (config.simulation.n_steps, "step")]
    size = ", ".join(counted(count, noun) for count, noun in counts)
    size += f", {counted(simulation.threads, 'thread')}"
    return f"{size}: compiled in {simulation.compile_seconds:.2f} s, ran in {simulation.run_seconds:.2f} s"


def _line(check: Check) -> str:
    expected = f"{number(check.value):>9}  expected {number(check.expected):>8} ± {number(check.tolerance):<8}"
    return f"{check.name:<30}{expected} {check.unit:<8}{'ok' if check.ok else 'FAILED'}"


def _write_page(folder: "RunFolder", parts: list[_Part], outcomes: list[_Outcome]) -> None:
    """Draw the figures of both parts and put them, with the checks, on one page."""
    pairs = list(zip(parts, outcomes, strict=True))
    panels = draw_all([(part.config.output.name, part.config, outcome.dataset) for part, outcome in pairs])
    save_panels(panels, folder.path / "figures")
    html = page(
        folder.path.name,
        panels=panels,
        checks=[check for outcome in outcomes for check in outcome.checks],
        facts={part.title: facts_of(outcome.dataset) for part, outcome in pairs},
        configs={part.config_path.name: part.config.to_toml() for part in parts},
    )
    folder.report.write_text(html, encoding="utf-8")


def _say_end(folder: "RunFolder", ok: bool, say: Say) -> None:
    say("\nall checks passed" if ok else "\nat least one check FAILED; see the report")
    say(f"written to {folder.path}: report.html, figures/, result.zarr, onset.zarr, events.jsonl")
    say("\nnext:")
    say(f"  gpu-pipeline inspect {folder.path}")
    say(f"  gpu-pipeline plot {folder.path} --format svg")
    say(f"  gpu-pipeline run {folder.path / 'onset.toml'} --seed 3")
    say("  gpu-pipeline doctor")
