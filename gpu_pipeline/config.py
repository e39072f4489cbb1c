"""A run described by a TOML file: checked once and completely, before anything is computed.

The tables are ``[model]``, ``[network]``, ``[simulation]`` and ``[output]``. Unknown keys, parameters that do not
belong to the chosen kind, wrong types, units of the wrong dimension and non-finite numbers are refused with the dotted
name of the key, what was found and what was expected.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, ValidationError, model_validator

from gpu_pipeline.config_errors import explain
from gpu_pipeline.config_tables import (
    KuramotoTable,
    NetworkTable,
    OutputTable,
    RunOptions,
    SecondOrderTable,
    SimulationOptions,
    SimulationTable,
    Table,
)
from gpu_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from gpu_pipeline.models import Kuramoto, SecondOrder

__all__ = ["RunConfig", "load_config"]


class RunConfig(Table):
    """A complete run: model, network, integration and output.

    Attributes
    ----------
    model, network, simulation, output
        The tables of the file, every default filled in. Numbers are in s, rad, rad/s, rad^2/s or per unit of power.

    Examples
    --------
    >>> config = load_config("onset.toml")  # doctest: +SKIP
    >>> model, options = config.build()  # doctest: +SKIP
    >>> Simulation(model, **options).run(**config.run_options())  # doctest: +SKIP
    """

    model: Annotated[KuramotoTable | SecondOrderTable, Field(discriminator="kind")]
    network: Annotated[NetworkTable, Field(discriminator="kind")]
    simulation: SimulationTable
    output: OutputTable = OutputTable()

    @model_validator(mode="after")
    def _power_is_known(self) -> Self:
        if isinstance(self.model, SecondOrderTable) and self.model.power is None and self.network.kind != "grid":
            raise ValueError("model.power: missing, expected powers per node; only kind = 'grid' brings its own")
        return self

    @model_validator(mode="after")
    def _velocity_exists(self) -> Self:
        if isinstance(self.model, KuramotoTable) and "velocity" in (self.output.variables or ()):
            raise ValueError(
                "output.variables: found 'velocity', which only kind = 'second_order' has; use 'frequency'"
            )
        return self

    def build(self) -> "tuple[Kuramoto | SecondOrder, SimulationOptions]":
        """Read the files, draw the random numbers and make the model.

        Returns
        -------
        model : Kuramoto or SecondOrder
        options : SimulationOptions
            Keyword arguments of `Simulation`, initial phases included.

        Raises
        ------
        ConfigError
            If a file or a parameter does not fit the network; the message names the key.
        """
        from gpu_pipeline.scenario import build

        return build(self)

    def run_options(self) -> RunOptions:
        """Keyword arguments of `Simulation.run`: number of steps, sampling and variables."""
        return {
            "steps": self.simulation.n_steps,
            "sample_every": self.simulation.sample_every,
            "variables": self.output.variables,
        }

    def to_toml(self) -> str:
        """Return the file that gives this configuration again, with every default spelled out."""
        tables = self.model_dump(exclude_none=True)
        return "\n".join(f"[{name}]\n{_toml_lines(table)}" for name, table in tables.items())

    def digest(self) -> str:
        """SHA-256 of all that decides the numbers: not of names and threads, but of the contents of files."""
        tables = self.model_dump(exclude={"output": {"name"}, "simulation": {"threads"}})
        text = json.dumps(_with_contents(tables), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _toml_lines(table: Mapping[str, object]) -> str:
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in table.items())


def _toml_value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml_value(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    # The strings of JSON are strings of TOML too, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _with_contents(value: object) -> object:
    """Put the SHA-256 of a file in the place of its path."""
    if isinstance(value, Mapping):
        return {
            key: hashlib.sha256(Path(entry).read_bytes()).hexdigest() if key == "file" else _with_contents(entry)
            for key, entry in value.items()
        }
    return value


def load_config(path: str | Path, *, overrides: Mapping[str, object] | None = None) -> RunConfig:
    """Read and check a configuration file.

    Parameters
    ----------
    path : str or Path
        A TOML file. Files that it names are looked for beside it.
    overrides : mapping, optional
        Keys of ``[simulation]`` that take the place of those in the file; None values are left out.

    Returns
    -------
    config : RunConfig

    Raises
    ------
    ConfigError
        If the file cannot be read or used; one line per problem, at most five.
    """
    path = Path(path)
    tables = _read_toml(path)
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if given and isinstance(tables.get("simulation"), dict):
        tables["simulation"] |= given  # type: ignore[operator]
    try:
        return RunConfig.model_validate(tables, context={"folder": path.parent})
    except ValidationError as exc:
        raise ConfigError(explain(exc, RunConfig, source=str(path))) from None


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; give the path of a TOML file") from None
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: byte {exc.start} is not UTF-8; save the file as UTF-8 text") from None
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path}: not valid TOML: {exc}") from None
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from None
