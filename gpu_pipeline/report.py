"""One HTML page about a run: checks, figures and where the numbers come from. It refers to nothing outside itself."""

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final

from gpu_pipeline import plots
from gpu_pipeline.config import RunConfig
from gpu_pipeline.config_tables import FrequencyDraw, GridTable, KuramotoTable

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["Check", "Panel", "counted", "facts_of", "number", "page", "panels_of", "theory_of", "with_coupling"]

LARGEST_RASTER: Final = 200_000_000
"""Bytes of theta beyond which the raster is left out: reading them would take longer than it helps."""


@dataclass(frozen=True, slots=True)
class Check:
    """A number, what it should be, and how far off it may be.

    Parameters
    ----------
    name : str
        What is checked, in a few words.
    value, expected, tolerance : float
        In the same unit. A value that is not finite never passes.
    unit : str, default ""
        Unit of the three.
    basis : str, default ""
        Where `expected` and `tolerance` come from.
    """

    name: str
    value: float
    expected: float
    tolerance: float
    unit: str = ""
    basis: str = ""

    @property
    def ok(self) -> bool:
        """Whether the value is within the tolerance; False if any of the numbers is NaN."""
        return bool(abs(self.value - self.expected) <= self.tolerance)


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure with the name of its file, a heading and a sentence about what it shows."""

    name: str
    title: str
    caption: str
    figure: "Figure"


def with_coupling(dataset: "xr.Dataset", config: RunConfig) -> "xr.Dataset":
    """Give the replicas their couplings as a coordinate, where the configuration lists one for each."""
    coupling = config.model.coupling
    if isinstance(coupling, tuple) and len(coupling) == dataset.sizes["replica"] > 1:
        return dataset.assign_coords(
            coupling=("replica", list(coupling), {"units": "rad/s", "long_name": "coupling K"})
        )
    return dataset


def panels_of(dataset: "xr.Dataset", config: RunConfig | None) -> list[Panel]:
    """Draw the figures that a result has the variables for.

    Parameters
    ----------
    dataset : xarray.Dataset
        Result of a simulation.
    config : RunConfig or None
        What was run: it tells which theory applies and which nodes are linked.

    Returns
    -------
    panels : list of Panel

    Raises
    ------
    InputError
        If matplotlib, or pandapower for a grid, is not installed.
    """
    dataset = with_coupling(dataset, config) if config else dataset
    panels = []
    if "coherence" in dataset:
        caption = "Modulus of the order parameter: 1 is full synchrony, and about 1/√N means none."
        panels.append(Panel("coherence", "Coherence over time", caption, plots.coherence_over_time(dataset)))
    if "coherence" in dataset and "coupling" in dataset.coords:
        caption = "Average over the second half of the run."
        theory = theory_of(config) if config else {}
        panels.append(Panel("onset", "Coherence against coupling", caption, plots.onset(dataset, **theory)))
    if "theta" in dataset and dataset["theta"].nbytes / dataset.sizes["replica"] <= LARGEST_RASTER:
        if config and isinstance(config.network, GridTable):
            panels.insert(0, _grid_panel(dataset, config.network))
        panels += _phase_panels(dataset)
    return panels


def _phase_panels(dataset: "xr.Dataset") -> list[Panel]:
    first = "" if dataset.sizes["replica"] == 1 else " First replica."
    raster = plots.phase_raster(dataset)
    circle = plots.phase_circle(dataset)
    return [
        Panel("phases", "Phases", f"One row per node; −π and π are the same color.{first}", raster),
        Panel("circle", "Phases at the end", f"The arrow is the order parameter.{first}", circle),
    ]


def _grid_panel(dataset: "xr.Dataset", network: GridTable) -> Panel:
    from gpu_pipeline.grids import load_grid

    grid = load_grid(network.name)
    figure = plots.line_angles(dataset, grid.lines, expected=grid.max_line_angle(grid.fixed_point()))
    return Panel(
        "grid", f"Lines of {network.name}", "Phase differences across the lines settle as swings decay.", figure
    )


def theory_of(config: RunConfig) -> dict[str, float]:
    """Parameters of the closed form that applies to a run, as arguments of `plots.onset`; empty if there is none."""
    model = config.model
    if not isinstance(model, KuramotoTable) or config.network.kind != "mean_field" or model.alpha != 0.0:
        return {}
    if isinstance(model.omega, FrequencyDraw):
        known = model.omega.distribution == "lorentzian" and model.omega.width > 0 and model.noise == 0.0
        return {"width": model.omega.width} if known else {}
    identical = isinstance(model.omega, float) and isinstance(model.noise, float) and model.noise > 0
    return {"noise": float(model.noise)} if identical and isinstance(model.noise, float) else {}


def facts_of(dataset: "xr.Dataset") -> dict[str, str]:
    """What a result says about its origin, as labels and texts in reading order.

    Parameters
    ----------
    dataset : xarray.Dataset
        Result of a simulation.

    Returns
    -------
    facts : dict of str to str
        What the attributes do not tell is left out.
    """
    labels = {
        "model": "Model",
        "equation": "Equation",
        "method": "Method",
        "dt": "Step dt (s)",
        "steps": "Steps",
        "sample_every": "Steps per sample",
        "seed": "Seed",
        "dtype": "Precision",
        "backend": "Backend",
        "device": "Device",
        "threads": "Threads",
        "compile_seconds": "Compiling (s)",
        "run_seconds": "Running (s)",
        "config_digest": "Digest",
        "created": "Created",
    }
    names = {"replica": "replica", "node": "node", "time": "sample"}
    sizes = [counted(dataset.sizes[dim], name) for dim, name in names.items() if dim in dataset.sizes]
    facts = {"Size": ", ".join(sizes)}
    known = {key: f"{value:.3g}" if key.endswith("_seconds") else value for key, value in dataset.attrs.items()}
    return facts | {label: _readable(known[key]) for key, label in labels.items() if key in known} | _versions(known)


def counted(count: int, noun: str) -> str:
    """Say how many, with the noun in the singular for one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _readable(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _versions(attributes: Mapping[str, object]) -> dict[str, str]:
    try:
        versions = json.loads(str(attributes["versions"]))
    except (KeyError, ValueError):
        return {}
    if not isinstance(versions, dict):
        return {}
    return {"Versions": ", ".join(f"{name} {number}" for name, number in versions.items())}


def page(
    title: str,
    *,
    panels: Sequence[Panel] = (),
    checks: Sequence[Check] = (),
    facts: Mapping[str, Mapping[str, str]] | None = None,
    configs: Mapping[str, str] | None = None,
) -> str:
    """Compose the page.

    Parameters
    ----------
    title : str
        Heading.
    panels : sequence of Panel
        Figures; they are embedded.
    checks : sequence of Check
        Rows of the table of checks, which is left out if there are none.
    facts : mapping of str to mapping, optional
        Tables of labels and texts, by heading.
    configs : mapping of str to str, optional
        Texts of configuration files, by name.

    Returns
    -------
    html : str
        A complete document that refers to nothing outside itself.
    """
    body = [_check_table(checks)] if checks else []
    body += [_figure(panel) for panel in panels]
    body += [_fact_table(heading, rows) for heading, rows in (facts or {}).items()]
    body += [
        f"<details><summary>{escape(name)}</summary><pre>{escape(text)}</pre></details>"
        for name, text in (configs or {}).items()
    ]
    template = files("gpu_pipeline").joinpath("templates/report.html").read_text(encoding="utf-8")
    return Template(template).substitute(title=escape(title), verdict=_verdict(checks), body="\n".join(body))


def _verdict(checks: Sequence[Check]) -> str:
    if not checks:
        return ""
    failed = sum(not check.ok for check in checks)
    text = f"{failed} of {len(checks)} checks failed" if failed else f"{len(checks)} of {len(checks)} checks passed"
    return f'<p class="verdict {"bad" if failed else "good"}">{text}</p>'


def _check_table(checks: Iterable[Check]) -> str:
    rows = "".join(
        f"<tr><td>{escape(check.name)}<small>{escape(check.basis)}</small></td>"
        f'<td class="number">{number(check.value)}</td><td class="number">{number(check.expected)}</td>'
        f'<td class="number">± {number(check.tolerance)}</td><td>{escape(check.unit)}</td>'
        f'<td class="{"good" if check.ok else "bad"}">{"✓ ok" if check.ok else "✗ failed"}</td></tr>'
        for check in checks
    )
    numbers = "".join(f'<th class="number">{head}</th>' for head in ("Value", "Expected", "Tolerance"))
    heads = f"<tr><th>Check</th>{numbers}<th>Unit</th><th></th></tr>"
    return f'<h2>Checks</h2><div class="scroll"><table>{heads}{rows}</table></div>'


def number(value: float) -> str:
    """Show a number with four significant digits, and without an exponent where that stays short."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.2e}" if abs(value) < 1e-3 else f"{value:.4g}"


def _figure(panel: Panel) -> str:
    image = base64.b64encode(plots.encode(panel.figure)).decode()
    width = int(panel.figure.get_figwidth() * 118)
    return (
        f'<figure id="{escape(panel.name)}"><h2>{escape(panel.title)}</h2>'
        f'<img width="{width}" alt="{escape(panel.title)}" src="data:image/png;base64,{image}">'
        f"<figcaption>{escape(panel.caption)}</figcaption></figure>"
    )


def _fact_table(heading: str, rows: Mapping[str, str]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f'<h2>{escape(heading)}</h2><div class="scroll"><table class="facts">{cells}</table></div>'
