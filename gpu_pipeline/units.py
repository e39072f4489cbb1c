"""Quantities as users write them: "10 ms", "60 Hz", "15 deg" or a plain number in the canonical unit.

Canonical units are s, rad, rad/s, rad^2/s and, for grids, per unit of power (pu). A cycle is an angle of 2 pi rad, so
that 60 Hz is 377 rad/s and never 60.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["finite_number", "parse_quantity", "quantity", "shown"]

Dimension = tuple[int, int, int]
"""Powers of time, angle and power."""

_DEGREE: Final = math.pi / 180
_CYCLE: Final = 2 * math.pi

_BASE: Final[dict[str, tuple[float, Dimension]]] = {
    "s": (1.0, (1, 0, 0)),
    "min": (60.0, (1, 0, 0)),
    "h": (3600.0, (1, 0, 0)),
    "ms": (1e-3, (1, 0, 0)),
    "us": (1e-6, (1, 0, 0)),
    "µs": (1e-6, (1, 0, 0)),
    "ns": (1e-9, (1, 0, 0)),
    "rad": (1.0, (0, 1, 0)),
    "mrad": (1e-3, (0, 1, 0)),
    "deg": (_DEGREE, (0, 1, 0)),
    "°": (_DEGREE, (0, 1, 0)),
    "turn": (_CYCLE, (0, 1, 0)),
    "cycle": (_CYCLE, (0, 1, 0)),
    "mHz": (1e-3 * _CYCLE, (-1, 1, 0)),
    "Hz": (_CYCLE, (-1, 1, 0)),
    "kHz": (1e3 * _CYCLE, (-1, 1, 0)),
    "MHz": (1e6 * _CYCLE, (-1, 1, 0)),
    "rpm": (_CYCLE / 60, (-1, 1, 0)),
    "pu": (1.0, (0, 0, 1)),
    "p.u.": (1.0, (0, 0, 1)),
}

_NAMES: Final[dict[str, str]] = {
    "s": "time",
    "rad": "angle",
    "rad/s": "angular frequency",
    "rad^2/s": "diffusion",
    "pu": "power",
    "pu s^2/rad": "inertia",
    "pu s/rad": "damping",
    "pu rad": "energy",
}

_QUANTITY: Final = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*")
_FACTOR: Final = re.compile(r"([^\d\s*/^²³]+)(?:\^(-?\d)|([²³]))?")


@dataclass(frozen=True, slots=True)
class _Unit:
    scale: float
    dimension: Dimension


def _parse_unit(text: str) -> _Unit:
    """Read products and quotients of known units, such as ``rad^2/s``."""
    scale, dimension = 1.0, [0, 0, 0]
    for index, group in enumerate(text.split("/")):
        sign = -1 if index else 1
        for factor in group.replace("*", " ").split():
            match = _FACTOR.fullmatch(factor)
            if match is None or match[1] not in _BASE:
                raise ValueError(f"unknown unit {text!r}")
            power = sign * int(match[2] or {"²": 2, "³": 3}.get(match[3], 1))
            base, exponents = _BASE[match[1]]
            scale *= base**power
            dimension = [d + power * e for d, e in zip(dimension, exponents, strict=True)]
    return _Unit(scale, (dimension[0], dimension[1], dimension[2]))


def finite_number(value: object, expected: str = "a number") -> float:
    """Check that `value` is a finite number, and neither a truth value nor text.

    Parameters
    ----------
    value : object
        Anything a TOML file can hold.
    expected : str, default "a number"
        What to say was expected.

    Raises
    ------
    ValueError
        If it is not; the message says what was found and expected.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"found {shown(value)}, expected {expected}")
    if not math.isfinite(value):
        raise ValueError(f"found {value}, expected a finite number")
    return float(value)


def parse_quantity(value: object, unit: str) -> float:
    """Convert a number, or a string with a unit, to `unit`.

    Parameters
    ----------
    value : object
        A number already in `unit`, or a string such as ``"10 ms"``. A string without a unit is refused: the quotation
        marks were likely a slip, and nothing tells which unit was meant.
    unit : str
        The canonical unit, for example ``"rad/s"``; ``""`` takes plain numbers only.

    Returns
    -------
    number : float
        The quantity in `unit`.

    Raises
    ------
    ValueError
        If the value is no finite number or the units do not fit each other.

    Examples
    --------
    >>> parse_quantity("10 ms", "s")
    0.01
    >>> parse_quantity("60 Hz", "rad/s")
    376.99111843077515
    """
    if not isinstance(value, str) or not unit:
        return finite_number(value, f"a number in {unit} or a string with a unit" if unit else "a number")
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise ValueError(f"found {shown(value)}, expected a number in {unit} or a string such as '1.5 {unit}'")
    if match[2] is None:
        raise ValueError(f"found {value!r} without a unit, expected {match[1]} (in {unit}) or '{match[1]} {unit}'")
    expected = _parse_unit(unit)
    try:
        found = _parse_unit(match[2])
    except ValueError as exc:
        raise ValueError(f"found {value!r} with {exc}, expected {_units_like(unit)}") from None
    if found.dimension != expected.dimension:
        raise ValueError(f"found {value!r} ({_name(found)}), expected {unit} ({_name(expected)})")
    return finite_number(float(match[1]) * found.scale / expected.scale)


def quantity(unit: str) -> Callable[[object], float]:
    """Return the function that converts a value to `unit`; see `parse_quantity`."""
    return lambda value: parse_quantity(value, unit)


def _name(unit: _Unit) -> str:
    named = (name for canonical, name in _NAMES.items() if _parse_unit(canonical).dimension == unit.dimension)
    return next(named, "another dimension")


def _units_like(unit: str) -> str:
    dimension = _parse_unit(unit).dimension
    same = [name for name, (_, exponents) in _BASE.items() if exponents == dimension and name != unit]
    return " or ".join([unit, ", ".join(same)] if same else [unit])


def shown(value: object) -> str:
    """Show what was found, cut to a length that fits a line."""
    names = {bool: "the truth value ", str: "the text ", list: "a list ", dict: "a table ", int: "", float: ""}
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return names.get(type(value), "the value ") + (text if len(text) <= 40 else text[:37] + "...")
