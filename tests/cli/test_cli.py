"""The command line as users meet it: what it prints, which code it exits with, and no traceback for their mistakes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gpu_pipeline.cli import app

RING = """
[model]
kind = "kuramoto"
omega = 1.0
coupling = [0.5, 1.0]
[network]
kind = "ring"
n_nodes = 12
[simulation]
dt = 0.01
steps = 40
sample_every = 10
threads = 1
[output]
name = "ring"
"""


def call(*arguments: object):
    """Outcome of a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refusal(code: int, *arguments: object) -> str:
    """The one line on standard error of a command that must fail with this code."""
    outcome = call(*arguments)
    assert outcome.exit_code == code, outcome.output
    assert outcome.stdout == ""
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.fixture
def ring(tmp_path) -> Path:
    """A small configuration."""
    path = tmp_path / "ring.toml"
    path.write_text(RING)
    return path


@pytest.fixture
def done(ring, tmp_path) -> Path:
    """The folder of a finished run."""
    outcome = call("run", ring, "--output", tmp_path / "runs")
    assert outcome.exit_code == 0, outcome.output
    (folder,) = (tmp_path / "runs").iterdir()
    return folder


def test_run_leaves_a_folder_that_repeats_it(done, tmp_path):
    """The folder must hold all that is needed: its own config.toml gives the same samples again."""
    import xarray as xr

    from gpu_pipeline import open_result

    assert call("run", done / "config.toml", "--output", tmp_path / "again").exit_code == 0
    (again,) = (tmp_path / "again").iterdir()
    first, second = (open_result(folder) for folder in (done, again))
    xr.testing.assert_equal(first.load(), second.load())
    assert first.sizes == {"replica": 2, "time": 5, "node": 12}


def test_run_says_where_the_result_is_and_what_to_do_next(ring, tmp_path):
    """A folder name that has to be guessed is not found."""
    outcome = call("run", ring, "--output", tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"written to {folder}" in outcome.stdout
    assert f"gpu-pipeline inspect {folder}" in outcome.stdout


def test_options_take_the_place_of_the_file(ring, tmp_path):
    """An option that is read but not passed on changes nothing, and nobody notices."""
    assert call("run", ring, "-o", tmp_path / "runs", "--seed", 7, "--dtype", "float32").exit_code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    written = (folder / "config.toml").read_text()
    assert "seed = 7" in written
    assert 'dtype = "float32"' in written


def test_wrong_configuration_is_one_line_and_code_2(ring, tmp_path):
    """Nothing may be written before the input is known to be right."""
    ring.write_text(RING.replace("n_nodes = 12", "n_node = 12"))
    assert "network.n_node: unknown key, did you mean 'n_nodes'?" in refusal(2, "run", ring, "-o", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "code", "text"),
    [
        ("dt = 0.01", "dt = 5.0", 2, "dt"),
        ("n_nodes = 12", "n_nodes = 12\nk = 13", 2, "network: "),
        ("coupling = [0.5, 1.0]", "coupling = [0.5, 1.0]\nalpha = [0, 0, 0]", 2, "model: "),
        ("threads = 1", 'method = "baoab"', 2, "baoab"),
        ("threads = 1", 'backend = "cupy"', 5, "cupy"),
    ],
)
def test_what_only_the_simulation_can_tell_is_one_line_too(ring, tmp_path, old, new, code, text):
    """Every key is valid alone; the errors come from deeper down, and have to reach the user as short."""
    ring.write_text(RING.replace(old, new))
    assert text in refusal(code, "run", ring, "-o", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["inspect", "plot"])
def test_a_folder_that_is_no_run_is_one_line(command, tmp_path):
    """Pointing at the folder above is the usual slip."""
    assert str(tmp_path) in refusal(1, command, tmp_path)
    assert "none" in refusal(1, command, tmp_path / "none")


def test_an_output_that_cannot_be_written_is_one_line(ring, tmp_path):
    """A file stands where the folder should be made."""
    (tmp_path / "taken").write_text("")
    assert "taken" in refusal(1, "run", ring, "-o", tmp_path / "taken")


def test_inspect_tells_what_ran_and_how_it_ended(done):
    """The few facts that tell one run from another."""
    outcome = call("inspect", done)
    assert outcome.exit_code == 0
    labels = {line.split()[0] for line in outcome.stdout.splitlines() if line}
    assert {"run", "result", "model", "size", "method", "device", "samples", "coherence", "end"} <= labels
    assert "12 nodes" in outcome.stdout
    assert "5 from t = 0 s to 0.4 s" in outcome.stdout
    assert "finished" in outcome.stdout


def test_inspect_survives_an_event_that_was_cut_off(done):
    """A killed run leaves half a line, just when one wants to know what happened."""
    with (done / "events.jsonl").open("a") as events:
        events.write('{"kind": "che')
    assert call("inspect", done).exit_code == 0


def test_plot_draws_into_the_folder_asked_for(done, tmp_path):
    """Figures for a paper go elsewhere, in another format."""
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    outcome = call("plot", done, "--output", tmp_path / "figures", "--format", "svg")
    assert outcome.exit_code == 0, outcome.output
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert drawn == ["circle.svg", "coherence.svg", "onset.svg", "phases.svg"]
    assert sorted(Path(line).name for line in outcome.stdout.splitlines()) == drawn


def test_plot_works_when_a_file_of_the_configuration_is_gone(done):
    """The samples are enough for most figures; archived runs lose their inputs."""
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    config = done / "config.toml"
    config.write_text(config.read_text().replace("omega = 1.0", 'omega = { file = "/gone/omega.npy" }'))
    assert call("plot", done).exit_code == 0


def test_doctor_lists_every_backend_and_its_obstacle():
    """A backend left out of the list looks as if it did not exist; one without a reason cannot be repaired."""
    from gpu_pipeline.kernels.backends import BACKENDS

    facts = json.loads(call("doctor", "--json").stdout)
    assert [backend["name"] for backend in facts["backends"]] == list(BACKENDS)
    for backend in facts["backends"]:
        assert backend["runs"] or backend["obstacle"]
    assert facts["packages"]["numpy"]
    assert facts["cpu"]["usable"] >= 1


def test_doctor_fits_80_columns():
    """Lines that a terminal breaks at random are hard to read."""
    outcome = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "80"})
    assert outcome.exit_code == 0, outcome.output
    assert max(map(len, outcome.stdout.splitlines())) <= 80


def test_version_is_that_of_the_package():
    """Bug reports begin with it."""
    import gpu_pipeline

    assert call("--version").stdout == f"gpu-pipeline {gpu_pipeline.__version__}\n"


def test_wrong_usage_names_what_is_there():
    """Commands and formats are mistyped too."""
    assert call("rnu").exit_code == 2
    outcome = call("plot", ".", "--format", "bmp")
    assert outcome.exit_code == 2
    assert "png" in outcome.stderr


def test_interrupt_keeps_the_samples_and_exits_130(ring, tmp_path):
    """Ctrl-C is how long runs end: it must neither lose the store nor print a traceback."""
    ring.write_text(RING.replace("steps = 40\nsample_every = 10", "steps = 400_000_000"))
    command = [sys.executable, "-m", "gpu_pipeline", "run", str(ring), "-o", str(tmp_path / "runs")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    try:
        _wait_for_samples(tmp_path / "runs", process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: stopped by Ctrl-C; ")
    assert "samples up to t = " in last
    (folder,) = (tmp_path / "runs").iterdir()
    outcome = call("inspect", folder)
    assert "stopped Ctrl-C" in outcome.stdout


def _wait_for_samples(base: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the first samples are on disk."""
    for _ in range(600):
        if process.poll() is not None:
            return
        if any(path.is_file() for path in base.glob("*/result.zarr/coherence/c/**/*")):
            return
        time.sleep(0.1)
