"""The tables of a configuration file: their keys, types, units and bounds."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypedDict, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    model_validator,
)

from gpu_pipeline.units import finite_number, quantity, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "KuramotoTable",
    "NetworkTable",
    "OutputTable",
    "RunOptions",
    "SecondOrderTable",
    "SimulationOptions",
    "SimulationTable",
    "Table",
]

T = TypeVar("T")
Numbers = float | tuple[float, ...]


def _checked(unit: str, *, above: float | None = None, at_least: float | None = None) -> Callable[[object], Numbers]:
    """Return a validator for a number or a list of numbers in `unit`, each within the bounds."""
    convert = quantity(unit)

    def one(value: object) -> float:
        number = convert(value)
        if above is not None and not number > above:
            raise ValueError(f"found {shown(value)}, expected a number > {above:g}")
        if at_least is not None and not number >= at_least:
            raise ValueError(f"found {shown(value)}, expected a number >= {at_least:g}")
        return number

    def several(value: object) -> Numbers:
        if not isinstance(value, list | tuple):
            return one(value)
        if not value:
            raise ValueError("found an empty list, expected at least one number")
        return tuple(_entry(one, index, entry) for index, entry in enumerate(value))

    return several


def _entry(convert: Callable[[object], T], index: int, value: object) -> T:
    try:
        return convert(value)
    except ValueError as exc:
        raise ValueError(f"entry {index}: {exc}") from None


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise ValueError(f"found {shown(value)}, expected a whole number from 0 to 2^64 - 1")
    return value


def _seeds(value: object) -> int | tuple[int, ...]:
    """Check one seed for all replicas, or a list with one for each."""
    if not isinstance(value, list | tuple):
        return _seed(value)
    if not value:
        raise ValueError("found an empty list, expected a seed for every replica")
    return tuple(_entry(_seed, index, entry) for index, entry in enumerate(value))


def _existing_file(*suffixes: str) -> Callable[[str, ValidationInfo], str]:
    """Return a validator for a file beside the configuration; the path becomes absolute."""

    def resolve(value: str, info: ValidationInfo) -> str:
        path = Path((info.context or {}).get("folder", "."), value).expanduser().resolve()
        if path.suffix not in suffixes:
            raise ValueError(f"found {value!r}, expected a file that ends in {' or '.join(suffixes)}")
        if not path.is_file():
            raise ValueError(f"found {value!r}, but there is no file {path}")
        return str(path)

    return resolve


def _value_form(value: object) -> str:
    """Tell the forms of a value apart, so that an error is about the form that was meant."""
    if isinstance(value, ArrayFile) or (isinstance(value, Mapping) and "file" in value):
        return "<file>"
    return "<distribution>" if isinstance(value, Mapping | Draw) else "<numbers>"


def _initial_form(value: object) -> str:
    if isinstance(value, Spread) or (isinstance(value, Mapping) and "spread" in value):
        return "<spread>"
    return "<file>" if isinstance(value, Mapping | ArrayFile) else "<name>"


class Table(BaseModel):
    """A table that takes no keys but its own, and no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Array = Annotated[str, AfterValidator(_existing_file(".npy", ".csv"))]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, BeforeValidator(_seed)]
Probability = Annotated[float, BeforeValidator(finite_number), Field(ge=0, le=1)]
Time = Annotated[float, BeforeValidator(quantity("s")), Field(gt=0)]
Rates = Annotated[Numbers, BeforeValidator(_checked("rad/s"))]
Powers = Annotated[Numbers, BeforeValidator(_checked("pu"))]
Angles = Annotated[Numbers, BeforeValidator(_checked("rad"))]


class ArrayFile(Table):
    """Numbers read from a file: one per node, or a row of them per replica."""

    file: Array


class Draw(Table):
    """Values drawn at random; `width` is Delta, the standard deviation or half the width of the interval.

    Values further than `cutoff` from the center are set to that distance.
    """

    distribution: Literal["lorentzian", "normal", "uniform", "constant"]
    seed: Seed = 0
    quantile: bool = False


class FrequencyDraw(Draw):
    """Frequencies drawn from a distribution, in rad/s."""

    center: Annotated[float, BeforeValidator(quantity("rad/s"))] = 0.0
    width: Annotated[float, BeforeValidator(quantity("rad/s")), Field(ge=0)] = 0.0
    cutoff: Annotated[float, BeforeValidator(quantity("rad/s")), Field(gt=0)] | None = None


class PowerDraw(Draw):
    """Powers drawn from a distribution, per unit."""

    center: Annotated[float, BeforeValidator(quantity("pu"))] = 0.0
    width: Annotated[float, BeforeValidator(quantity("pu")), Field(ge=0)] = 0.0
    cutoff: Annotated[float, BeforeValidator(quantity("pu")), Field(gt=0)] | None = None


class KuramotoTable(Table):
    """Phase oscillators of first order."""

    kind: Literal["kuramoto"]
    omega: Annotated[
        Annotated[Rates, Tag("<numbers>")]
        | Annotated[FrequencyDraw, Tag("<distribution>")]
        | Annotated[ArrayFile, Tag("<file>")],
        Discriminator(_value_form),
    ]
    coupling: Rates = 1.0
    alpha: Angles = 0.0
    noise: Annotated[Numbers, BeforeValidator(_checked("rad^2/s", at_least=0))] = 0.0


class SecondOrderTable(Table):
    """Oscillators with inertia: the swing equation of power grids."""

    kind: Literal["second_order"]
    power: (
        Annotated[
            Annotated[Powers, Tag("<numbers>")]
            | Annotated[PowerDraw, Tag("<distribution>")]
            | Annotated[ArrayFile, Tag("<file>")],
            Discriminator(_value_form),
        ]
        | None
    ) = None
    inertia: Annotated[Numbers, BeforeValidator(_checked("pu s^2/rad", above=0))] = 1.0
    damping: Annotated[Numbers, BeforeValidator(_checked("pu s/rad", at_least=0))] = 0.1
    coupling: Powers = 1.0
    alpha: Angles = 0.0
    temperature: Annotated[Numbers, BeforeValidator(_checked("pu rad", at_least=0))] = 0.0


class MeanFieldTable(Table):
    """Everyone coupled to everyone with weight 1/N."""

    kind: Literal["mean_field"]
    n_nodes: Count


class RingTable(Table):
    """Ring in which each node is linked to its k nearest."""

    kind: Literal["ring"]
    n_nodes: Count
    k: Count = 2


class ErdosRenyiTable(Table):
    """Random graph; give the mean degree or the probability of a link."""

    kind: Literal["erdos_renyi"]
    n_nodes: Count
    degree: Annotated[float, BeforeValidator(finite_number), Field(ge=0)] | None = None
    p: Probability | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_density(self) -> Self:
        if (self.degree is None) == (self.p is None):
            raise ValueError(f"found {'neither' if self.p is None else 'both'} of degree and p, expected one of them")
        return self


class SmallWorldTable(Table):
    """Watts-Strogatz graph: a ring with a share p of its links rewired."""

    kind: Literal["small_world"]
    n_nodes: Count
    k: Count
    p: Probability
    seed: Seed = 0


class ScaleFreeTable(Table):
    """Barabasi-Albert graph: every new node brings m links."""

    kind: Literal["scale_free"]
    n_nodes: Count
    m: Count
    seed: Seed = 0


class DenseTable(Table):
    """Square matrix of weights: row = target, column = source."""

    kind: Literal["dense"]
    file: Array


class SparseTable(Table):
    """Sparse matrix of weights as scipy.sparse.save_npz writes it."""

    kind: Literal["sparse"]
    file: Annotated[str, AfterValidator(_existing_file(".npz"))]


class EdgesTable(Table):
    """List of links, one per row: two nodes counted from 0, and a weight if there is a third column."""

    kind: Literal["edges"]
    n_nodes: Count
    file: Array
    directed: bool = False


class GridTable(Table):
    """Power grid from the cases of pandapower."""

    kind: Literal["grid"]
    name: str = "case39"


NetworkTable = (
    MeanFieldTable
    | RingTable
    | ErdosRenyiTable
    | SmallWorldTable
    | ScaleFreeTable
    | DenseTable
    | SparseTable
    | EdgesTable
    | GridTable
)


class Spread(Table):
    """Phases drawn uniformly within +-spread of 0, or of the fixed point of a grid."""

    spread: Annotated[float, BeforeValidator(quantity("rad")), Field(ge=0)]


class SimulationTable(Table):
    """How the model is integrated."""

    dt: Time
    steps: Count | None = None
    duration: Time | None = None
    sample_every: Count = 1
    method: Literal["auto", "euler", "heun", "rk4", "dopri5", "em", "sra1", "baoab"] = "auto"
    dtype: Literal["float32", "float64"] = "float64"
    seed: Annotated[int | tuple[int, ...], BeforeValidator(_seeds)] = 0
    replicas: Count | None = None
    backend: Literal["auto", "cupy", "numba_cuda", "jax", "cpu"] = "auto"
    threads: Count | None = None
    atol: Annotated[float, BeforeValidator(finite_number), Field(gt=0)] = 1e-8
    initial: Annotated[
        Annotated[Literal["uniform", "twisted", "splay"], Tag("<name>")]
        | Annotated[ArrayFile, Tag("<file>")]
        | Annotated[Spread, Tag("<spread>")],
        Discriminator(_initial_form),
    ] = "uniform"

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.duration is None):
            raise ValueError(f"found {'neither' if self.steps is None else 'both'} of steps and duration, expected one")
        ratio = (self.duration or 0.0) / self.dt
        if self.steps is None and (round(ratio) < 1 or abs(ratio - round(ratio)) > 1e-6 * ratio):
            raise ValueError(f"duration is {ratio:.7g} steps of dt = {self.dt:g} s, expected a whole number of steps")
        if self.sample_every > self.n_steps:
            raise ValueError(
                f"sample_every is {self.sample_every}, expected at most the {self.n_steps} steps of the run"
            )
        return self

    @property
    def n_steps(self) -> int:
        """Steps to take, from whichever of the two lengths was given."""
        return self.steps if self.steps is not None else round((self.duration or 0.0) / self.dt)


Variable = Literal["theta", "frequency", "coherence", "mean_phase", "velocity"]


class OutputTable(Table):
    """What is kept, and under which name."""

    variables: Annotated[list[Variable], Field(min_length=1)] | None = None
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "run"


class SimulationOptions(TypedDict):
    """Keyword arguments of `Simulation`."""

    dt: float
    method: str
    dtype: str
    seed: int | tuple[int, ...]
    backend: str
    replicas: int | None
    theta0: "NDArray[np.float64] | None"
    threads: int | None
    atol: float


class RunOptions(TypedDict):
    """Keyword arguments of `Simulation.run`."""

    steps: int
    sample_every: int
    variables: list[Variable] | None
