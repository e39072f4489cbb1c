"""What is wrong with a configuration, in one line per problem: the dotted key, what was found, what was expected."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gpu_pipeline.config_tables import ArrayFile, FrequencyDraw, KuramotoTable, NetworkTable, SecondOrderTable, Spread
from gpu_pipeline.units import shown

__all__ = ["explain"]

MOST_LINES: Final = 5

_KINDS: Final[Mapping[str, Mapping[str, type[BaseModel]]]] = {
    section: {get_args(table.model_fields["kind"].annotation)[0]: table for table in tables}
    for section, tables in {"model": (KuramotoTable, SecondOrderTable), "network": get_args(NetworkTable)}.items()
}
_FORMS: Final[Mapping[str, type[BaseModel]]] = {
    "<file>": ArrayFile,
    "<distribution>": FrequencyDraw,
    "<spread>": Spread,
}

_EXPECTED: Final[Mapping[str, str]] = {
    "distribution": "'lorentzian', 'normal', 'uniform' or 'constant'",
    "dt": "the step, a number in s or a string such as '10 ms'",
    "file": "the path of a file",
    "k": "the number of nearest neighbors on the ring",
    "kind": "one of the kinds",
    "m": "the number of links of a new node",
    "model": "a table [model]",
    "n_nodes": "the number of nodes",
    "network": "a table [network]",
    "omega": "a number, a list, { distribution = ... } or { file = ... }",
    "p": "a probability",
    "simulation": "a table [simulation]",
    "spread": "an angle in rad",
}
_TYPES: Final[Mapping[str, str]] = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "string_type": "a text in quotation marks",
    "too_short": "a list with at least one entry",
}
_BOUNDS: Final[Mapping[str, str]] = {
    "greater_than": "> {gt}",
    "greater_than_equal": ">= {ge}",
    "less_than": "< {lt}",
    "less_than_equal": "<= {le}",
}


def explain(error: ValidationError, config: type[BaseModel], *, source: str) -> str:
    """Say what is wrong with the configuration in `source`.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    config : type of BaseModel
        The class of the whole configuration.
    source : str
        Name of the file.

    Returns
    -------
    message : str
        One line for one problem; else a heading and at most five lines.
    """
    details = error.errors(include_url=False)
    misspelled = {_likely(detail, config) for detail in details}
    lines = [
        _line(detail, config) for detail in details if detail["type"] != "missing" or detail["loc"] not in misspelled
    ]
    if len(lines) == 1:
        return f"{source}: {lines[0]}"
    kept = lines[:MOST_LINES]
    kept[-1] += f" (and {len(lines) - len(kept)} more)" if len(lines) > len(kept) else ""
    return "\n  ".join([f"{source}: {len(lines)} problems", *kept])


def _line(detail: ErrorDetails, config: type[BaseModel]) -> str:
    location = detail["loc"]
    key = _dotted(location)
    if detail["type"] == "union_tag_invalid":
        key, text = f"{key}.kind", _not_among(detail["ctx"]["tag"], _quoted(detail["ctx"]["expected_tags"]))
    elif detail["type"] == "union_tag_not_found":
        key, text = f"{key}.kind", f"missing, expected {_alternatives(_KINDS[key])}"
    elif detail["type"] == "extra_forbidden":
        text = _unknown(detail, config)
    else:
        text = _complaint(detail)
    return f"{key}: {text}" if key else text


def _complaint(detail: ErrorDetails) -> str:
    """What was found and expected, for problems with a single value."""
    kind, found, context = detail["type"], shown(detail["input"]), detail.get("ctx", {})
    if kind == "missing":
        return f"missing, expected {_EXPECTED.get(str(detail['loc'][-1]), 'a value')}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _not_among(detail["input"], _quoted(context["expected"]))
    if kind == "string_pattern_mismatch":
        return (
            f"found {found}, expected at most 100 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    if kind in _BOUNDS:
        return f"found {found}, expected a number {_BOUNDS[kind].format(**context)}"
    return f"found {found}, expected {_TYPES.get(kind, detail['msg'])}"


def _dotted(location: Sequence[str | int]) -> str:
    """Name a key as the file does, without the tags that tell kinds and forms apart."""
    parts = [part for part in location if not str(part).startswith("<")]
    if len(parts) > 1 and parts[1] in _KINDS.get(str(parts[0]), ()):
        del parts[1]
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return re.sub(r"\.(int|list|tuple|constrained-int|function-\w+|float)\b.*$", "", text)


def _likely(detail: ErrorDetails, config: type[BaseModel]) -> tuple[str | int, ...] | None:
    """Locate the key that an unknown one was likely meant to be."""
    location = detail["loc"]
    if detail["type"] != "extra_forbidden":
        return None
    known = _table_at(location, config).model_fields
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
    return (*location[:-1], close[0]) if close else None


def _unknown(detail: ErrorDetails, config: type[BaseModel]) -> str:
    """Name the key that was likely meant, or say that it belongs to another kind."""
    if likely := _likely(detail, config):
        return f"unknown key, did you mean {likely[-1]!r}?"
    location = detail["loc"]
    name, known = str(location[-1]), list(_table_at(location, config).model_fields)
    siblings = _KINDS.get(str(location[0]), {})
    if any(name in table.model_fields for table in siblings.values()) and location[1] in siblings:
        return f"not a parameter of kind = '{location[1]}', which takes {_listed(k for k in known if k != 'kind')}"
    return f"unknown key, expected {_alternatives(known)}"


def _table_at(location: Sequence[str | int], config: type[BaseModel]) -> type[BaseModel]:
    """Return the class of the table that holds the key at `location`."""
    if len(location) == 1:
        return config
    holder = str(location[-2])
    if holder in _FORMS:
        return _FORMS[holder]
    kinds = _KINDS.get(str(location[0]), {})
    if holder in kinds:
        return kinds[holder]
    annotation = config.model_fields[holder].annotation
    return annotation if isinstance(annotation, type) else config


def _not_among(found: object, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(found), known, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"found {found!r}, expected {_alternatives(known)}{hint}"


def _quoted(text: str) -> list[str]:
    """Return the names that pydantic lists in quotation marks."""
    return re.findall(r"'(.*?)'", text)


def _alternatives(names: Iterable[str]) -> str:
    *most, last = [repr(name) for name in names]
    return f"{', '.join(most)} or {last}" if most else last


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
