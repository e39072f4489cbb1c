"""The demonstration judges its own results: it must be able to fail."""

import math
from unittest.mock import Mock

import numpy as np
import pytest
import xarray as xr

from gpu_pipeline import demo
from gpu_pipeline.demo import BURN_IN, COUPLINGS, WIDTH, grid_config, judge_grid, judge_onset, onset_config
from gpu_pipeline.stores import RunFolder, open_result
from gpu_pipeline.theory import incoherent_level, lorentzian_coherence


def onset_result(n_nodes: int, shift: float = 0.0) -> xr.Dataset:
    """Coherence as theory has it, shifted at every coupling above the onset."""
    above = np.array(COUPLINGS) > 2 * WIDTH
    level = np.where(above, lorentzian_coherence(COUPLINGS, WIDTH) + shift, incoherent_level(COUPLINGS, WIDTH, n_nodes))
    time = np.arange(0.0, 161.0, 0.5)
    coherence = np.where(time < BURN_IN, 0.0, level[:, None])
    return xr.Dataset({"coherence": (("replica", "time"), coherence)}, coords={"time": time})


def test_onset_accepts_theory_and_refuses_a_few_percent_off():
    """A tolerance too wide would pass a solver with a wrong factor in the coupling."""
    assert all(check.ok for check in judge_onset(onset_result(20_000), 20_000))
    failed = [check for check in judge_onset(onset_result(20_000, shift=0.04), 20_000) if not check.ok]
    assert len(failed) == sum(coupling > 2 * WIDTH for coupling in COUPLINGS)
    assert not any(check.ok for check in judge_onset(onset_result(20_000) * np.nan, 20_000))


def test_onset_would_notice_a_coupling_off_by_ten_percent():
    """The same as a wrong normalization by N - 1 in a net of ten, or a step of another length."""
    wrong = onset_result(20_000)
    wrong["coherence"][:] = lorentzian_coherence(1.1 * np.array(COUPLINGS), WIDTH)[:, None]
    assert sum(not check.ok for check in judge_onset(wrong, 20_000)) >= 4


def test_grid_accepts_its_fixed_point_and_refuses_others():
    """The mean angle is free, everything else is not."""
    pytest.importorskip("pandapower", reason="the grid comes from pandapower")
    from gpu_pipeline.grids import load_grid

    fixed = load_grid("case39").fixed_point()

    def result(theta):
        return xr.Dataset({"theta": (("replica", "time", "node"), theta[None, None])}, coords={"time": [30.0]})

    assert all(check.ok for check in judge_grid(result((fixed + 3.0 + math.pi) % (2 * math.pi) - math.pi)))
    pushed = fixed.copy()
    pushed[3] += 1e-3
    assert [check.ok for check in judge_grid(result(pushed))] == [True, False]
    assert [check.ok for check in judge_grid(result(2 * fixed))] == [False, False]
    assert not any(check.ok for check in judge_grid(result(np.full_like(fixed, np.nan))))


def test_steps_resolve_the_fastest_rates():
    """An oscillator that turns by more than half a turn per step has no phase velocity left to speak of."""
    onset = onset_config(100, 80.0)
    assert onset.model.omega.cutoff * onset.simulation.dt < math.pi
    assert grid_config(20.0).simulation.n_steps == 4000


def test_missing_extra_gives_the_command(monkeypatch):
    """The first command a newcomer runs: one line must be enough to go on."""
    monkeypatch.setattr("importlib.util.find_spec", {}.get)
    with pytest.raises(demo.InputError, match=r"pip install 'gpu-pipeline\[demo\]'"):
        demo.demand_extras()


def test_quick_demonstration_passes_and_leaves_everything(tmp_path):
    """The whole chain, from configuration to page, as `make run` goes through it."""
    pytest.importorskip("pandapower", reason="the grid comes from pandapower")
    pytest.importorskip("matplotlib", reason="the page holds figures")
    lines: list[str] = []
    folder = RunFolder.create(tmp_path, "demo").path
    assert demo.run_demo(RunFolder(folder), quick=True, say=lines.append)
    for name in ("config.toml", "onset.toml", "events.jsonl", "report.html"):
        assert (folder / name).stat().st_size > 100, name
    assert open_result(folder / "result.zarr").sizes["node"] == 39
    assert open_result(folder / "onset.zarr").sizes["replica"] == len(COUPLINGS)
    assert len(list((folder / "figures").glob("*.png"))) == 6
    assert any("all checks passed" in line for line in lines)
    assert any(line.startswith("device ") for line in lines)


def test_failed_check_fails_the_command(tmp_path, monkeypatch):
    """A demonstration that always succeeds demonstrates nothing."""
    monkeypatch.setattr(demo, "demand_extras", Mock())
    from typer.testing import CliRunner

    from gpu_pipeline.cli import app

    monkeypatch.setattr(demo, "run_demo", Mock(return_value=False))
    assert CliRunner().invoke(app, ["demo", "--output", str(tmp_path)]).exit_code == 1
