"""Run folders and growing stores: names that are taken, lazy reading, resizing, and runs that break off."""

import json
from datetime import datetime

import numpy as np
import pytest
import xarray as xr
import zarr

from gpu_pipeline import Kuramoto, MeanField, Simulation, open_result
from gpu_pipeline.errors import StoreError
from gpu_pipeline.stores import ResultWriter, RunFolder


@pytest.fixture
def simulation():
    """Three replicas of four oscillators."""
    return Simulation(Kuramoto(MeanField(4), np.arange(12.0).reshape(3, 4)), dt=0.01, seed=5)


def piece(first, count):
    """A piece of a result with the times first, first + 1, ..."""
    times = np.arange(first, first + count, dtype=float)
    return xr.Dataset({"theta": (("replica", "time", "node"), np.tile(times[None, :, None], (2, 1, 3)))},
                      {"replica": [0, 1], "time": times, "node": [0, 1, 2]})  # fmt: skip


def test_folder_of_a_taken_name_gets_a_number(tmp_path):
    """A second run on the same day must not write into the first."""
    names = [RunFolder.create(tmp_path / "runs", "demo").path.name for _ in range(3)]
    assert names == ["demo", "demo-2", "demo-3"]


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "a b", "a\nb"])
def test_folder_names_stay_below_their_base(tmp_path, name):
    """A name from a configuration file must not lead elsewhere."""
    with pytest.raises(StoreError, match="cannot name a folder"):
        RunFolder.create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_base_that_is_a_file_is_refused(tmp_path):
    """Counting up names below a file would never end."""
    base = tmp_path / "runs"
    base.write_text("")
    with pytest.raises(StoreError, match="is a file, expected a folder"):
        RunFolder.create(base, "demo")


def test_events_are_one_json_object_a_line(tmp_path):
    """Line breaks in a value would end the line; times without a zone would be ambiguous."""
    folder = RunFolder.create(tmp_path, "demo")
    folder.event("started", text="two\nlines", number=3)
    folder.event("finished")
    first, second = map(json.loads, folder.events.read_text().splitlines())
    assert first | {"time": ""} == {"time": "", "kind": "started", "text": "two\nlines", "number": 3}
    assert second["kind"] == "finished"
    assert datetime.fromisoformat(first["time"]).utcoffset().total_seconds() == 0


def test_only_folders_of_runs_are_opened(tmp_path):
    """Any other folder would give an empty report."""
    with pytest.raises(StoreError, match="is not a folder"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="holds no run"):
        RunFolder.open(tmp_path)
    folder = RunFolder.create(tmp_path, "demo")
    folder.config.write_text("")
    assert RunFolder.open(folder.path) == folder
    assert [getattr(folder, name).name for name in ("config", "result", "events", "report")] == [
        "config.toml", "result.zarr", "events.jsonl", "report.html",
    ]  # fmt: skip


def test_pieces_join_in_whole_chunks(tmp_path, monkeypatch):
    """Pieces that do not fill chunks would be read, decompressed and written again for each one."""
    monkeypatch.setattr("gpu_pipeline.stores._CHUNK_BYTES", 4 * 2 * 3 * 8)
    writer = ResultWriter(tmp_path / "r.zarr", None, time=0.0, attributes={"config_digest": "a"})
    lengths = []
    for first in range(0, 15, 3):
        writer.append(piece(first, 3))
        lengths.append(open_result(writer.path).sizes["time"] if writer.path.exists() else 0)
    assert lengths == [0, 4, 8, 12, 12]
    writer.finish({"config_digest": "a", "note": "done"})
    result = open_result(writer.path)
    assert result.time.values.tolist() == list(range(15))
    np.testing.assert_array_equal(result.theta[1, :, 2], np.arange(15.0))
    assert result.attrs["note"] == "done"
    assert zarr.open_group(writer.path, mode="r")["theta"].chunks == (2, 4, 3)


def test_result_is_read_on_use(simulation, tmp_path):
    """A result larger than memory must open all the same."""
    result = simulation.run(50, store=tmp_path / "r.zarr", progress="none")
    assert not any(variable.variable._in_memory for variable in result.data_vars.values())
    assert result.theta[0, -1].values.shape == (4,)


@pytest.mark.parametrize("consolidated", [None, True, False])
def test_store_opens_without_this_package(simulation, tmp_path, consolidated):
    """Colleagues have xarray or zarr alone; a warning about missing metadata is an error in this test."""
    path = tmp_path / "r.zarr"
    simulation.run(50, store=path, progress="none")
    with xr.open_zarr(path, consolidated=consolidated, chunks=None) as plain:
        xr.testing.assert_identical(plain.load(), open_result(path).load())
        assert plain.theta.attrs["units"] == "rad"


def test_store_is_zarr_v3(simulation, tmp_path):
    """Readers of other languages follow the standard, not our code."""
    path = tmp_path / "r.zarr"
    result = simulation.run(50, store=path, progress="none")
    group = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == 3
    assert group["theta"].shape == (3, 51, 4)
    assert group["theta"].metadata.dimension_names == ("replica", "time", "node")
    np.testing.assert_array_equal(group["coherence"][:], result.coherence.values)
    assert group.attrs["model"] == "Kuramoto"


def test_store_grows_while_the_run_goes_on(simulation, tmp_path, monkeypatch):
    """Whoever watches a long run reads it from another process; so does a resumed one after a crash."""
    monkeypatch.setattr("gpu_pipeline.stores._CHUNK_BYTES", 1)
    path, lengths = tmp_path / "r.zarr", []
    simulation.run(400, sample_every=10, store=path, progress=lambda _: lengths.append(open_result(path).sizes["time"]))
    assert lengths == sorted(lengths)
    assert lengths[0] < 41
    assert open_result(path).sizes["time"] == 41


def test_store_is_continued_by_the_next_run(simulation, tmp_path):
    """Resized along time only: coordinates must neither repeat the border nor leave a gap."""
    path = tmp_path / "r.zarr"
    first = simulation.run(30, sample_every=10, store=path, progress="none")
    assert first.attrs["steps"] == 30
    second = simulation.run(50, sample_every=10, store=path, progress="none")
    np.testing.assert_allclose(second.time, np.arange(0, 81, 10) * 0.01)
    assert second.attrs["steps"] == 80
    assert second.replica.values.tolist() == [0, 1, 2]
    assert not np.isnan(second.frequency.values[:, 1:]).any()


def test_store_keeps_what_was_sampled_before_an_interruption(simulation, tmp_path):
    """Ctrl-C, or a progress bar that fails, ends a run after hours: its samples and their meaning must be there."""
    path = tmp_path / "r.zarr"

    def interrupt(progress):
        if progress.done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulation.run(10_000, store=path, progress=interrupt)
    kept = open_result(path)
    assert kept.sizes["time"] == simulation.step + 1
    assert kept.attrs["config_digest"] == simulation.describe()["config_digest"]
    resumed = simulation.run(10, store=path, progress="none")
    steps = np.rint(resumed.time.values / 0.01)
    np.testing.assert_array_equal(steps, np.arange(simulation.step + 1))


@pytest.mark.parametrize("content", [None, "empty", "file", "damaged"])
def test_what_is_no_result_is_refused(tmp_path, content):
    """One line, in place of what zarr has to say about keys."""
    path = tmp_path / "r.zarr"
    if content in ("empty", "damaged"):
        path.mkdir()
    if content == "damaged":
        (path / "zarr.json").write_text("{")
    if content == "file":
        path.write_text("data")
    with pytest.raises(StoreError) as caught:
        open_result(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_result_of_a_run_folder_opens_by_its_path(simulation, tmp_path):
    """People pass the folder they see."""
    folder = RunFolder.create(tmp_path, "demo")
    simulation.run(10, store=folder.result, progress="none")
    xr.testing.assert_identical(open_result(folder.path).load(), open_result(folder.result).load())
