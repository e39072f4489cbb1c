"""Tables on the screen and figures in JSON, from contestants that have been timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cases import Case
from ceilings import floor
from contest import Contestant


def table(case: Case, dtype: str, timed: Sequence[Contestant]) -> str:
    """One row's table: microseconds per right-hand side, fastest first, and the ratios that matter."""
    found = floor(case.row, timed)
    peers = [c.best for c in timed if c.role == "peer"]
    best_peer = min(peers, default=float("nan"))
    head = f"{'us per right-hand side':<46}{'best':>10}{'median':>10}{'/ floor':>9}{'/ best peer':>13}"
    lines = [f"\n{case.row}  {case.title}, {dtype}", head, "-" * len(head)]
    for c in sorted((c for c in timed if c.role != "ceiling"), key=lambda c: c.best):
        name = f"* {c.name}" if c.role == "ours" else f"  {c.name}"
        lines.append(f"{name:<46}{c.best:>10.2f}{c.median:>10.2f}{c.best / found:>9.2f}{c.best / best_peer:>13.2f}")
    lines.append(
        f"{'  floor (fastest program of each piece)':<46}{found:>10.2f}{floor(case.row, timed, 'median'):>10.2f}"
    )
    lines += [f"{'    ' + c.name:<46}{c.best:>10.2f}{c.median:>10.2f}" for c in timed if c.role == "ceiling"]
    return "\n".join(lines)


def figures(case: Case, dtype: str, timed: Sequence[Contestant]) -> dict[str, Any]:
    """The same as plain JSON values, with every round."""
    return {
        "row": case.row,
        "title": case.title,
        "dtype": dtype,
        "n_nodes": case.n_nodes,
        "replicas": case.replicas,
        "edges": case.nnz,
        "unit": "microseconds per right-hand side",
        "floor": {"best": floor(case.row, timed), "median": floor(case.row, timed, "median")},
        "contestants": [_figure(c) for c in timed],
    }


def _figure(contestant: Contestant) -> dict[str, Any]:
    return {
        "name": contestant.name,
        "role": contestant.role,
        "component": contestant.component,
        "method": contestant.method if contestant.role != "ceiling" else "",
        "best": contestant.best,
        "median": contestant.median,
        "rounds": [1e6 * s for s in contestant.seconds],
    }


def scaling_line(case: Case, dtype: str, threads: int, timed: Sequence[Contestant]) -> str:
    """One point of a scaling table: size, cost, cost over the floor, and cost per elementary interaction."""
    own = min(c.best for c in timed if c.role == "ours")
    found = floor(case.row, timed)
    work = max(case.nnz, case.n_nodes) * case.replicas
    return (
        f"{case.kind:<11}{case.n_nodes:>11,}{case.replicas:>9}{threads:>8}  {dtype}"
        f"{own:>14.2f}{found:>14.2f}{own / found:>8.2f}{1e3 * own / work:>12.4f}"
    )


SCALING_HEAD = (
    f"{'network':<11}{'N':>11}{'replicas':>9}{'threads':>8}  {'dtype':<7}{'us':>14}{'floor us':>14}{'ratio':>8}"
    f"{'ns/edge':>12}"
)
