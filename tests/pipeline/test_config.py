"""Configuration files: what is accepted, what is refused, and how it is said."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from gpu_pipeline import config_tables
from gpu_pipeline.config import RunConfig, load_config
from gpu_pipeline.config_tables import FrequencyDraw
from gpu_pipeline.errors import ConfigError
from gpu_pipeline.scenario import draw
from gpu_pipeline.units import parse_quantity

RING = """
[model]
kind = "kuramoto"
omega = "1 Hz"
coupling = 2.5

[network]
kind = "ring"
n_nodes = 12

[simulation]
dt = "10 ms"
steps = 100
"""


def written(folder: Path, text: str) -> Path:
    """Path of a configuration file with this text."""
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    """The message about a file that must be refused, without the name of the file."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path).build()
    message = str(caught.value)
    assert len(message.splitlines()) <= 6
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("10 ms", "s", 0.01),
        ("2 min", "s", 120.0),
        ("60 Hz", "rad/s", 120 * math.pi),
        ("1.5e3 mHz", "rad/s", 3 * math.pi),
        ("15 deg", "rad", math.pi / 12),
        ("-90°", "rad", -math.pi / 2),
        ("180 deg/s", "rad/s", math.pi),
        ("2 rad^2/ms", "rad^2/s", 2000.0),
        ("2 rad²/s", "rad^2/s", 2.0),
        ("3 p.u.", "pu", 3.0),
        (7, "rad/s", 7.0),
    ],
)
def test_quantities_are_converted_to_the_canonical_unit(text, unit, number):
    """A cycle taken for a radian is wrong by 2 pi and nothing would show it."""
    assert parse_quantity(text, unit) == pytest.approx(number, rel=1e-15)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"1 Hz"', '"1 ms"', "model.omega: found '1 ms' (time), expected rad/s (angular frequency)"),
        ('"10 ms"', '"10 Hz"', "simulation.dt: found '10 Hz' (angular frequency), expected s (time)"),
        ('"10 ms"', '"10"', "simulation.dt: found '10' without a unit, expected 10 (in s) or '10 s'"),
        ('"1 Hz"', '"1 parsec"', "model.omega: found '1 parsec' with unknown unit 'parsec', expected rad/s or"),
        ('"1 Hz"', "nan", "model.omega: found nan, expected a finite number"),
        ('"1 Hz"', "[1, -inf]", "model.omega: entry 1: found -inf, expected a finite number"),
        ('"1 Hz"', "true", "model.omega: found the truth value true, expected a number"),
        ('"1 Hz"', '{ distribution = "lorenz" }', "model.omega.distribution: found 'lorenz', expected 'lorentzian'"),
        ('"1 Hz"', '{ distribution = "normal", widht = 1 }', "model.omega.widht: unknown key, did you mean 'width'?"),
        ('"1 Hz"', '{ file = "none.npy" }', "model.omega.file: found 'none.npy', but there is no file"),
        ('omega = "1 Hz"', "", "model.omega: missing, expected a number, a list"),
        ("coupling = 2.5", "couplign = 1", "model.couplign: unknown key, did you mean 'coupling'?"),
        ("coupling = 2.5", "coupling = []", "model.coupling: found an empty list, expected at least one number"),
        ("coupling = 2.5", 'coupling = "2.5"', "model.coupling: found '2.5' without a unit"),
        ("coupling = 2.5", "noise = -1", "model.noise: found -1, expected a number >= 0"),
        ("coupling = 2.5", "inertia = 1", "model.inertia: not a parameter of kind = 'kuramoto', which takes omega"),
        ("n_nodes = 12", "n_nodes = 12\np = 0.1", "network.p: not a parameter of kind = 'ring', which takes n_nodes"),
        ("n_nodes = 12", 'n_nodes = "12"', "network.n_nodes: found the text '12', expected a whole number"),
        ("n_nodes = 12", "n_nodes = true", "network.n_nodes: found the truth value true, expected a whole number"),
        ("n_nodes = 12", "n_nodes = 0", "network.n_nodes: found 0, expected a number >= 1"),
        ("n_nodes = 12", "n_node = 12", "network.n_node: unknown key, did you mean 'n_nodes'?"),
        ('kind = "ring"', 'kind = "rnig"', "network.kind: found 'rnig', expected 'mean_field', 'ring'"),
        ('kind = "ring"', "", "network.kind: missing, expected 'mean_field'"),
        ("[model]", "[modle]", "modle: unknown key, did you mean 'model'?"),
        ('dt = "10 ms"', "dt = 0", "simulation.dt: found 0, expected a number > 0"),
        ("steps = 100", "", "simulation: found neither of steps and duration, expected one"),
        ("steps = 100", "steps = 1\nduration = 1", "simulation: found both of steps and duration, expected one"),
        ("steps = 100", "duration = 0.015", "simulation: duration is 1.5 steps of dt = 0.01 s, expected a whole"),
        ("steps = 100", "steps = 9\nsample_every = 10", "simulation: sample_every is 10, expected at most the 9 steps"),
        ("steps = 100", 'steps = 100\n[output]\nvariables = ["velocity"]', "output.variables: found 'velocity', which"),
        ("steps = 100", "steps = 100\nseed = -1", "simulation.seed: found -1, expected a whole number from 0"),
        ("steps = 100", 'steps = 100\ndtype = "float16"', "simulation.dtype: found 'float16', expected 'float32'"),
        ("steps = 100", 'steps = 100\ninitial = "splat"', "simulation.initial: found 'splat', expected 'uniform'"),
        ("steps = 100", 'steps = 100\n[output]\nname = "../x"', "output.name: found the text '../x', expected"),
        ("steps = 100", "steps = 100\nsteps = 100", "not valid TOML: Cannot overwrite a value (at line 14"),
        ('kind = "kuramoto"\nomega = "1 Hz"', 'kind = "second_order"', "model.power: missing, expected powers"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(tmp_path, old, new, expected):
    """Every one of these would run with another meaning, or fail later without the name of the key."""
    assert old in RING
    assert refusal(tmp_path, RING.replace(old, new)).startswith(expected)


def test_many_problems_are_reported_together_but_five_at_most(tmp_path):
    """One problem per attempt wears users out; fifty lines do too."""
    wrong = "\n".join(f"wrong{n} = 1" for n in range(9))
    lines = refusal(tmp_path, RING + wrong).splitlines()
    assert lines[0] == "9 problems"
    assert len(lines) == 6
    assert lines[-1].endswith("(and 4 more)")


def test_missing_file_and_folder_are_one_line_each(tmp_path):
    """The first thing that goes wrong on a command line is the path."""
    with pytest.raises(ConfigError, match="there is no such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="byte 5 is not UTF-8"):
        load_config(tmp_path / "latin.toml")


def test_every_example_survives_writing_and_reading(tmp_path):
    """A run folder keeps this text as the record of what was computed."""
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
    assert len(examples) >= 3
    for example in examples:
        config = load_config(example)
        again = load_config(written(tmp_path, config.to_toml()))
        assert again == config
        assert again.digest() == config.digest()


def test_digest_follows_what_decides_the_numbers(tmp_path):
    """Two runs with one digest must agree; a name or a number of threads must not tell them apart."""
    digests = {}
    for name, text in {
        "plain": RING,
        "same": RING.replace('"10 ms"', "0.01") + 'threads = 2\n[output]\nname = "other"\n',
        "seed": RING + "seed = 1\n",
        "weaker": RING.replace("2.5", "2.4"),
    }.items():
        digests[name] = load_config(written(tmp_path, text)).digest()
    assert digests["plain"] == digests["same"]
    assert len({digests["plain"], digests["seed"], digests["weaker"]}) == 3


def test_digest_follows_the_contents_of_a_file(tmp_path):
    """The path stays when the numbers in the file change."""
    text = RING.replace('"1 Hz"', '{ file = "omega.npy" }')
    np.save(tmp_path / "omega.npy", np.zeros(12))
    before = load_config(written(tmp_path, text)).digest()
    np.save(tmp_path / "omega.npy", np.ones(12))
    assert load_config(written(tmp_path, text)).digest() != before


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros(11), r"model.omega: found shape \(11,\), expected \(12,\) or \(replicas, 12\)"),
        (np.full(12, np.nan), r"model.omega.file: omega.npy holds nan at \(0,\), expected finite numbers"),
        (np.zeros(12, dtype=complex), "model.omega.file: omega.npy holds complex128, expected real numbers"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, array, complaint):
    """Nothing is padded, cut or cast to make it fit."""
    np.save(tmp_path / "omega.npy", array)
    path = written(tmp_path, RING.replace('"1 Hz"', '{ file = "omega.npy" }'))
    with pytest.raises(ConfigError, match=complaint):
        load_config(path).build()


def test_a_matrix_that_is_not_square_is_refused(tmp_path):
    """A table exported without its last row still looks like a matrix."""
    (tmp_path / "weights.csv").write_text("0,1,1\n1,0,1\n")
    dense = RING.replace('kind = "ring"\nn_nodes = 12', 'kind = "dense"\nfile = "weights.csv"')
    assert refusal(tmp_path, dense) == "network.file: found shape (2, 3), expected a square matrix (N, N)"


def test_an_unreadable_table_names_the_file(tmp_path):
    """A header line is the usual reason."""
    (tmp_path / "weights.csv").write_text("a,b\n0,1\n1,0\n")
    dense = RING.replace('kind = "ring"\nn_nodes = 12', 'kind = "dense"\nfile = "weights.csv"')
    assert refusal(tmp_path, dense).startswith("network.file: weights.csv cannot be read: could not convert string")


def test_parameters_that_contradict_each_other_name_their_table(tmp_path):
    """Each is valid alone, so only the network itself can tell."""
    assert refusal(tmp_path, RING.replace("n_nodes = 12", "n_nodes = 12\nk = 3")).startswith("network: ")


def test_build_gives_the_model_and_its_simulation(tmp_path):
    """A parameter lost on the way would leave its default in force."""
    path = written(tmp_path, RING.replace("2.5", "[0.5, 1.5]") + 'seed = [3, 4]\nthreads = 1\nmethod = "heun"\n')
    config = load_config(path, overrides={"dtype": "float32", "backend": None})
    model, options = config.build()
    assert (model.n_nodes, model.replicas) == (12, 2)
    np.testing.assert_array_equal(model.parameters()["coupling"], [0.5, 1.5])
    np.testing.assert_allclose(model.parameters()["omega"], 2 * math.pi)
    assert options["dt"] == 0.01
    assert options["seed"] == (3, 4)
    assert (options["dtype"], options["method"], options["threads"]) == ("float32", "heun", 1)
    assert options["theta0"] is None
    assert config.run_options() == {"steps": 100, "sample_every": 1, "variables": None}


def test_overrides_are_checked_like_the_file(tmp_path):
    """What comes from the command line meets the same rules."""
    with pytest.raises(ConfigError, match=r"simulation\.dtype: found 'float8'"):
        load_config(written(tmp_path, RING), overrides={"dtype": "float8"})


def test_spread_gives_every_replica_other_phases_within_the_arc(tmp_path):
    """Replicas that start alike would pass for a small spread of results."""
    text = RING.replace("2.5", "[1, 2, 3]") + "initial = { spread = 0.4 }\n"
    theta0 = load_config(written(tmp_path, text)).build()[1]["theta0"]
    assert theta0.shape == (3, 12)
    assert np.abs(theta0).max() <= 0.2
    assert len(np.unique(theta0)) == 36


def test_twisted_phases_turn_once(tmp_path):
    """The sum of the steps around the ring is the winding number."""
    theta0 = load_config(written(tmp_path, RING + 'initial = "twisted"\n')).build()[1]["theta0"]
    steps = np.angle(np.exp(1j * (np.roll(theta0, -1) - theta0)))
    assert steps.sum() == pytest.approx(2 * math.pi)


def test_quantile_frequencies_are_the_quantiles_in_another_order():
    """Left in order they would line up with the nodes of a ring."""
    table = FrequencyDraw(distribution="lorentzian", center=1.0, width=2.0, quantile=True, seed=1)
    omega = draw(table, 8)
    np.testing.assert_allclose(np.sort(omega), 1 + 2 * np.tan(np.pi * np.arange(-7, 8, 2) / 16))
    assert not np.array_equal(omega, np.sort(omega))


@pytest.mark.parametrize(
    ("distribution", "quartile"), [("lorentzian", 1.0), ("normal", 0.6744897501960817), ("uniform", 0.5)]
)
def test_random_frequencies_follow_their_distribution(distribution, quartile):
    """`width` means another thing in each: half-width at half-maximum, standard deviation, half-width."""
    omega = draw(FrequencyDraw(distribution=distribution, width=1.0, seed=5), 40_000)
    inside = np.mean(np.abs(omega) < quartile)
    assert inside == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(40_000))


def test_cutoff_moves_the_tails_to_the_edge_and_nothing_else():
    """Dropping them instead would change how many oscillators there are."""
    wide = draw(FrequencyDraw(distribution="lorentzian", width=1.0, seed=5), 2000)
    cut = draw(FrequencyDraw(distribution="lorentzian", width=1.0, seed=5, cutoff=10.0), 2000)
    np.testing.assert_array_equal(cut, np.clip(wide, -10, 10))
    assert np.abs(wide).max() > 10


def test_defaults_are_spelled_out_in_what_is_written(tmp_path):
    """A record that leaves defaults out changes its meaning when a default does."""
    text = load_config(written(tmp_path, RING)).to_toml()
    for line in ('method = "auto"', "noise = 0.0", "k = 2", 'initial = "uniform"', "coupling = 2.5"):
        assert line in text.splitlines()


def test_a_configuration_can_be_made_in_python():
    """Scripts use the same checks without a file."""
    tables = {
        "model": {"kind": "kuramoto", "omega": 1.0},
        "network": {"kind": "mean_field", "n_nodes": 3},
        "simulation": {"dt": 0.1, "duration": 2.0},
    }
    assert RunConfig.model_validate(tables).simulation.n_steps == 20


def test_every_key_is_documented():
    """The documentation is where users look for a key; one that is missing there does not exist for them."""
    text = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    tables = [table for table in vars(config_tables).values() if isinstance(table, type)]
    keys = {key for table in tables if issubclass(table, config_tables.Table) for key in table.model_fields}
    assert len(keys) > 30
    assert {key for key in keys if not re.search(rf"`{key}\b|\b{key} =", text)} == set()
