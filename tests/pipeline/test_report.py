"""The page about a run: what it shows, and that it stands alone."""

import math
import re

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("matplotlib", reason="reports hold figures, which need matplotlib")

from gpu_pipeline.config import RunConfig
from gpu_pipeline.report import Check, facts_of, page, panels_of, theory_of


def config(**changes) -> RunConfig:
    """Mean-field run with tables replaced by those given."""
    tables = {
        "model": {"kind": "kuramoto", "omega": {"distribution": "lorentzian", "width": 0.5}, "coupling": [1.0, 4.0]},
        "network": {"kind": "mean_field", "n_nodes": 5},
        "simulation": {"dt": 0.1, "steps": 3},
    }
    return RunConfig.model_validate(tables | changes)


def dataset() -> xr.Dataset:
    """Two replicas of five nodes at four times, with the attributes of a run."""
    rng = np.random.default_rng(3)
    theta = rng.uniform(-math.pi, math.pi, (2, 4, 5))
    return xr.Dataset(
        {
            "theta": (("replica", "time", "node"), theta),
            "coherence": (("replica", "time"), np.abs(np.exp(1j * theta).mean(-1))),
        },
        coords={"time": 0.1 * np.arange(4), "replica": [0, 1]},
        attrs={"model": "Kuramoto <b>", "dt": 0.1, "steps": 3, "versions": '{"numpy": "2.4"}', "run_seconds": 0.012345},
    )


@pytest.mark.parametrize(
    ("value", "ok"),
    [(10.35, True), (10.45, True), (10.46, False), (10.34, False), (math.nan, False), (math.inf, False)],
)
def test_check_passes_within_its_tolerance_and_fails_closed(value, ok):
    """A comparison written the other way round passes for NaN, which a broken run delivers."""
    assert Check("angle", value, 10.4, 0.0501).ok is ok
    assert not Check("angle", 1.0, 1.0, math.nan).ok


def test_page_refers_to_nothing_outside():
    """Reports are mailed and archived; a missing style sheet or image would ruin them."""
    html = page(
        "run", panels=panels_of(dataset(), config()), facts={"Run": facts_of(dataset())}, configs={"c": "x = 1"}
    )
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", html)
    assert "url(" not in html
    assert html.count("data:image/png;base64,") == 4
    assert "$" not in re.sub(r"base64,[^\"]*", "", html)


def test_verdict_counts_failures():
    """The heading is read first, and often alone."""
    good, bad = Check("first", 1.0, 1.0, 0.1), Check("second", 2.0, 1.0, 0.1, "rad", "from theory")
    assert "1 of 1 checks passed" in page("run", checks=[good])
    failed = page("run", checks=[good, bad])
    assert "1 of 2 checks failed" in failed
    assert failed.count("✗ failed") == 1
    assert "from theory" in failed
    assert "verdict" not in page("run").partition("</style>")[2]


def test_text_from_outside_is_escaped():
    """Names and configuration files may hold anything."""
    html = page("<script>", facts={"Run": facts_of(dataset())}, configs={"config.toml": "a = '<i>'"})
    assert "<script>" not in html
    assert "Kuramoto &lt;b&gt;" in html
    assert "&lt;i&gt;" in html


def test_facts_name_size_and_origin():
    """What a reader needs to repeat the run."""
    facts = facts_of(dataset())
    assert facts["Size"] == "2 replicas, 5 nodes, 4 samples"
    assert facts["Versions"] == "numpy 2.4"
    assert facts["Running (s)"] == "0.0123"


def test_panels_follow_the_variables_that_were_kept():
    """Runs that keep the coherence alone must still get their report."""
    assert [panel.name for panel in panels_of(dataset(), config())] == ["coherence", "onset", "phases", "circle"]
    assert [panel.name for panel in panels_of(dataset()[["coherence"]], config())] == ["coherence", "onset"]


@pytest.mark.parametrize(
    ("model", "network", "theory"),
    [
        ({}, {}, {"width": 0.5}),
        ({"alpha": 0.1}, {}, {}),
        ({"noise": 0.1}, {}, {}),
        ({"omega": 2.0, "noise": 0.3}, {}, {"noise": 0.3}),
        ({"omega": 2.0}, {}, {}),
        ({}, {"kind": "ring"}, {}),
    ],
)
def test_theory_is_drawn_only_where_it_holds(model, network, theory):
    """A curve beside data it was not derived for looks like a failed simulation."""
    tables = config().model_dump(exclude_none=True)
    changed = config(model=tables["model"] | model, network=tables["network"] | network)
    assert theory_of(changed) == theory
