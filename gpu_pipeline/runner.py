"""Run a configuration into a run folder, and read such a folder again."""

import json
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from gpu_pipeline.config import RunConfig, load_config
from gpu_pipeline.errors import ConfigError, StoreError
from gpu_pipeline.progress import Progress, ProgressOption, Reporter, reporting
from gpu_pipeline.report import Panel, facts_of, page, panels_of, with_coupling

if TYPE_CHECKING:
    import xarray as xr

    from gpu_pipeline.simulation import Simulation
    from gpu_pipeline.stores import RunFolder

__all__ = [
    "Result",
    "draw_all",
    "kept_in",
    "prepare",
    "results_in",
    "save_panels",
    "simulate",
    "summary",
    "write_report",
]

Result = tuple[str, RunConfig | None, "xr.Dataset"]
"""Name of a result, the configuration it came from if that can still be read, and its samples."""


def prepare(config: RunConfig) -> "Simulation":
    """Build the model of a configuration, ready to run.

    Raises
    ------
    PipelineError
        If the parts of the configuration do not fit each other or this machine.
    """
    from gpu_pipeline.simulation import Simulation

    model, options = config.build()
    return Simulation(model, **options)


def simulate(
    simulation: "Simulation", config: RunConfig, *, store: Path | None = None, progress: ProgressOption = "auto"
) -> "xr.Dataset":
    """Run a prepared simulation to its end.

    Parameters
    ----------
    simulation : Simulation
        From `prepare`.
    config : RunConfig
        Says how far to go, and what to keep.
    store : Path, optional
        Zarr store that grows while the simulation runs; without it the result stays in memory.
    progress : {"auto", "none"} or callable, default "auto"
        As for `Simulation.run`.

    Returns
    -------
    dataset : xarray.Dataset
        With the couplings of the replicas as a coordinate where each has its own.

    Raises
    ------
    PipelineError
        If the run breaks down.
    """
    with reporting(progress, label=config.output.name) as report, _ended_between_chunks(report) as relay:
        dataset = simulation.run(**config.run_options(), store=store, progress=relay)
    return with_coupling(dataset, config)


@contextmanager
def _ended_between_chunks(report: Reporter) -> Iterator[Reporter]:
    """Let Ctrl-C end a run between two chunks, where samples are complete; a second Ctrl-C ends it at once."""
    asked = False

    def note(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, previous or signal.SIG_DFL)

    def relay(progress: Progress) -> None:
        report(progress)
        if asked:
            raise KeyboardInterrupt

    # Only the main thread may say what a signal does, and a job in the background is started to ignore this one.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield report
        return
    previous = signal.signal(signal.SIGINT, note)
    try:
        yield relay
    finally:
        signal.signal(signal.SIGINT, previous or signal.SIG_DFL)


def results_in(folder: "RunFolder") -> list[Result]:
    """Open the results of a run folder: ``result.zarr``, and every other store beside a TOML file of its name.

    Parameters
    ----------
    folder : RunFolder

    Returns
    -------
    results : list of (name, configuration or None, dataset)
        A configuration is None if it cannot be used here, for example because a file that it names is gone.

    Raises
    ------
    StoreError
        If a store cannot be read.
    """
    from gpu_pipeline.stores import open_result

    others = [path for path in sorted(folder.path.glob("*.toml")) if path != folder.config]
    pairs = [(folder.config, folder.result)] + [(path, path.with_suffix(".zarr")) for path in others]
    results: list[Result] = []
    for config_path, store in pairs:
        if config_path == folder.config or store.exists():
            config = _config_or_none(config_path)
            dataset = open_result(store)
            name = config.output.name if config else store.stem
            results.append((name, config, with_coupling(dataset, config) if config else dataset))
    return results


def _config_or_none(path: Path) -> RunConfig | None:
    try:
        return load_config(path)
    except ConfigError:
        return None


def draw_all(results: Sequence[Result]) -> list[Panel]:
    """Draw the figures of every result; with more than one, names and headings tell them apart.

    Raises
    ------
    InputError
        If matplotlib, or pandapower for a grid, is not installed.
    """
    panels = []
    for name, config, dataset in results:
        drawn = panels_of(dataset, config)
        if len(results) > 1:
            drawn = [replace(panel, name=f"{name}-{panel.name}", title=f"{panel.title} ({name})") for panel in drawn]
        panels += drawn
    return panels


def save_panels(panels: Sequence[Panel], folder: Path, *, suffix: str = "png") -> list[Path]:
    """Write figures as image files.

    Parameters
    ----------
    panels : sequence of Panel
        Their names become the names of the files.
    folder : Path
        Made if it is missing.
    suffix : {"png", "svg", "pdf"}, default "png"
        Format.

    Returns
    -------
    paths : list of Path
    """
    from gpu_pipeline.plots import encode

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{panel.name}.{suffix}" for panel in panels]
    for path, panel in zip(paths, panels, strict=True):
        path.write_bytes(encode(panel.figure, suffix=suffix, dpi=200))
    return paths


def write_report(folder: "RunFolder", dataset: "xr.Dataset", config: RunConfig) -> None:
    """Draw the figures of a finished run into its folder and compose its page.

    Raises
    ------
    InputError
        If matplotlib, or pandapower for a grid, is not installed.
    """
    panels = panels_of(dataset, config)
    save_panels(panels, folder.path / "figures")
    facts, configs = {"Run": facts_of(dataset)}, {"config.toml": config.to_toml()}
    html = page(config.output.name, panels=panels, facts=facts, configs=configs)
    folder.report.write_text(html, encoding="utf-8")


def kept_in(folder: "RunFolder") -> str:
    """Say in one clause how much of a run that ended early is in its folder."""
    from gpu_pipeline.stores import open_result

    try:
        time = open_result(folder.result)["time"]
    except (StoreError, KeyError):
        return f"{folder.path} holds no samples yet"
    if time.size == 0:
        return f"{folder.path} holds no samples yet"
    return f"{folder.path} keeps {time.size:,} samples up to t = {float(time[-1]):g} s"


def summary(folder: "RunFolder") -> list[str]:
    """Tell what a run was, where it ran and how it ended, in lines of a label and a text.

    Parameters
    ----------
    folder : RunFolder

    Returns
    -------
    lines : list of str

    Raises
    ------
    StoreError
        If a result cannot be read.
    """
    size = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
    rows = [("run", f"{folder.path}, {size / 1e6:.1f} MB")]
    for name, config, dataset in results_in(folder):
        known = (_planned(config) if config else {}) | facts_of(dataset)
        rows += [("", ""), ("result", name), *_result_rows(known, dataset)]
    rows += [("", ""), *_check_rows(folder)]
    return [f"{label:<10}{text}".rstrip() for label, text in rows]


def _planned(config: RunConfig) -> dict[str, str]:
    """What the configuration tells about a run that ended before its result got its attributes."""
    simulation = config.simulation
    return {
        "Model": config.model.kind,
        "Method": simulation.method,
        "Step dt (s)": f"{simulation.dt:g}",
        "Precision": simulation.dtype,
        "Seed": str(simulation.seed),
        "Backend": simulation.backend,
    }


def _result_rows(known: Mapping[str, str], dataset: "xr.Dataset") -> list[tuple[str, str]]:
    rows = [
        ("model", ", ".join(known[key] for key in ("Model", "Equation") if key in known)),
        ("size", known["Size"]),
        ("method", _phrase(known, "{Method}", "dt {Step dt (s)} s", "{Steps} steps", "{Precision}", "seed {Seed}")),
        ("device", _phrase(known, "{Device}", "backend {Backend}", "threads: {Threads}")),
        ("seconds", _phrase(known, "compiling {Compiling (s)}", "running {Running (s)}")),
        ("samples", _samples(dataset)),
        ("coherence", _final_coherence(dataset)),
        ("created", known.get("Created", "")),
    ]
    return [(label, text) for label, text in rows if text]


def _phrase(known: Mapping[str, str], *templates: str) -> str:
    """Join those of the parts whose facts are known."""
    parts = []
    for template in templates:
        with suppress(KeyError):
            parts.append(template.format_map(known))
    return ", ".join(parts)


def _samples(dataset: "xr.Dataset") -> str:
    time = dataset["time"].values
    if not time.size:
        return "none yet"
    return f"{time.size:,} from t = {time[0]:g} s to {time[-1]:g} s of {', '.join(sorted(map(str, dataset)))}"


def _final_coherence(dataset: "xr.Dataset") -> str:
    if "coherence" not in dataset or not dataset.sizes["time"]:
        return ""
    last = dataset["coherence"].isel(time=-1).values
    return f"{last[0]:.4f} at the end" if last.size == 1 else f"{last.min():.4f} to {last.max():.4f} at the end"


def _check_rows(folder: "RunFolder") -> list[tuple[str, str]]:
    """What the events tell about checks and the end of the run."""
    events = _events(folder)
    checks = [event for event in events if event.get("kind") == "check"]
    failed = [str(event.get("name")) for event in checks if not event.get("ok")]
    rows = [("checks", f"{len(checks) - len(failed)} of {len(checks)} ok")] if checks else []
    rows += [("failed", name) for name in failed]
    ends = [event for event in events if event.get("kind") in {"finished", "stopped", "failed"}]
    end = " ".join(str(ends[-1][key]) for key in ("kind", "reason") if key in ends[-1]) if ends else "not finished"
    return [*rows, ("end", end)]


def _events(folder: "RunFolder") -> list[dict[str, object]]:
    """Read the events; the last line may be cut off where a run was killed while writing it."""
    events = []
    for line in folder.events.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(json.JSONDecodeError):
            event = json.loads(line)
            events += [event] if isinstance(event, dict) else []
    return events
