"""Time gpu-pipeline, its peers and the limits of the machine side by side, in one process.

    python benchmarks/run.py                              # five rows, float32 and float64
    python benchmarks/run.py --rows bd --dtype float32 --quick
    python benchmarks/run.py --scaling                    # how the cost grows with N, replicas and threads
    python benchmarks/run.py --output benchmarks/results/NAME.json

Leave the machine otherwise idle. A library that is missing is skipped and named; a contestant with a wrong result is
refused and named. README.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine

Notes = dict[str, dict[str, str]]  # skipped and refused, by name, with the reason

if TYPE_CHECKING:
    from cases import Case, DType
    from contest import Contestant


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="abcde", help="which of the rows a to e (default: all)")
    parser.add_argument("--dtype", choices=["float32", "float64", "both"], default="both")
    parser.add_argument("--quick", action="store_true", help="3 short rounds: a look, no figures to quote")
    parser.add_argument("--threads", type=int, default=2, help="threads for everybody (default: 2)")
    parser.add_argument("--no-peers", action="store_true", help="only ours and the ceilings")
    parser.add_argument("--scaling", action="store_true", help="cost of ours against N, replicas and threads")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="write all figures here")
    found = parser.parse_args(argv)
    cores = len(os.sched_getaffinity(0))
    if not 1 <= found.threads <= cores:
        parser.error(f"--threads {found.threads}: this process may use {cores} cores; give 1 to {cores}")
    if unknown := set(found.rows) - set("abcde"):
        parser.error(f"--rows {found.rows}: {''.join(sorted(unknown))} is unknown; give letters from abcde")
    return found


def say(line: str) -> None:
    """Progress, apart from the tables on standard output."""
    print(line, file=sys.stderr, flush=True)


def admitted(contestants: list[Contestant], case: Case, refused: dict[str, str]) -> list[Contestant]:
    """Those whose results are right; the others with the size of their error in ``refused``."""
    from contest import WrongResultError, check

    found = []
    for contestant in contestants:
        try:
            check(contestant, case)
        except WrongResultError as error:
            refused[f"{case.row} {contestant.dtype} {contestant.name}"] = str(error)
            say(f"refused: {error}")
        else:
            found.append(contestant)
    return found


def contest(case: Case, dtype: DType, options: argparse.Namespace, notes: Notes) -> list[Contestant]:
    """Everybody who can run this case, checked and timed."""
    from ceilings import ceilings
    from contest import round_robin
    from ours import AVAILABLE, ours
    from peers import peers

    entered = ours(case, dtype, options.threads) if AVAILABLE else []
    if not options.no_peers:
        entered += peers(case, dtype, options.threads, notes["skipped"])
    entered = admitted(entered, case, notes["refused"]) + ceilings(case, dtype, options.threads)
    rounds, seconds = (3, 0.02) if options.quick else (9, 0.1)
    say(f"{case.row} {dtype}: {len(entered)} contestants, {rounds} rounds")
    round_robin(entered, rounds=rounds, seconds=seconds)
    return entered


def run_rows(options: argparse.Namespace, notes: Notes) -> list[dict[str, Any]]:
    """The tables of the rows; their figures as JSON values."""
    from cases import DTYPES, ROWS, standard
    from report import figures, table

    found = []
    for row in (r for r in ROWS if r in options.rows):
        case = standard(row)
        for dtype in (d for d in DTYPES if options.dtype in (d, "both")):
            timed = contest(case, dtype, options, notes)
            print(table(case, dtype, timed), flush=True)
            found.append(figures(case, dtype, timed))
    return found


def sizes(quick: bool) -> Iterator[Callable[[], Case]]:
    """Cases whose size grows by steps, each made only when its turn comes."""
    from cases import dense, mean_field, sparse

    last = -1 if quick else None
    for n in (1_000, 10_000, 100_000, 1_000_000, 10_000_000)[:last]:
        yield partial(mean_field, n)
    for n in (256, 512, 1_024, 2_048, 4_096, 8_192)[:last]:
        yield partial(dense, n)
    for n in (10_000, 100_000, 1_000_000)[:last]:
        yield partial(sparse, n)
    for replicas in (1, 2, 8, 16, 64, 512)[:last]:
        yield partial(sparse, 1_000, 10, replicas)


def run_scaling(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Ours and the floor along N and replicas with all threads, then along threads for the five rows."""
    from cases import DTYPES, ROWS, standard
    from report import SCALING_HEAD

    print(SCALING_HEAD)
    found = []
    chosen = [d for d in DTYPES if options.dtype in (d, "both")]
    for make in sizes(options.quick):
        case = make()
        found += [_point(case, dtype, options.threads, options.quick) for dtype in chosen]
    for row in (r for r in ROWS if r in options.rows):
        case = standard(row)
        for threads in range(1, options.threads + 1):
            found += [_point(case, dtype, threads, options.quick) for dtype in chosen]
    return found


def _point(case: Case, dtype: DType, threads: int, quick: bool) -> dict[str, Any]:
    from ceilings import ceilings
    from contest import round_robin
    from ours import AVAILABLE, ours
    from report import figures, scaling_line

    if not AVAILABLE:
        sys.exit("run.py: --scaling times gpu-pipeline, which is not installed; pip install -e . first")
    timed = ours(case, dtype, threads)[:1] + ceilings(case, dtype, threads)
    round_robin(timed, rounds=3 if quick else 5, seconds=0.02 if quick else 0.1)
    print(scaling_line(case, dtype, threads, timed), flush=True)
    return {**figures(case, dtype, timed), "threads": threads}


def main(argv: list[str] | None = None) -> None:
    """Run what the command line asks for, and write it down."""
    options = arguments(argv)
    machine.limit_threads(options.threads)  # before numpy, numba, torch or JAX are imported
    facts = machine.describe(options.threads)
    neighbors = machine.Neighbors()
    notes: Notes = {"skipped": {}, "refused": {}}
    results = run_scaling(options) if options.scaling else run_rows(options, notes)
    facts["share_of_cores_used_by_others"] = neighbors.share()
    print(_footer(facts, notes))
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        document = {"machine": facts, "quick": options.quick, **notes, "results": results}
        options.output.write_text(json.dumps(document, indent=1) + "\n")
        say(f"written: {options.output}")


def _footer(facts: dict[str, Any], notes: Notes) -> str:
    lines = [f"\n{facts['processor']}, {facts['threads']} threads, revision {facts['revision']}, {facts['date']}"]
    if (share := facts["share_of_cores_used_by_others"]) is not None:
        warning = "; not quiet, quote ratios only" if share > 0.05 else ""
        lines.append(f"cores used by others meanwhile: {share:.0%}{warning}")
    lines += [f"skipped: {name}: {reason}" for name, reason in notes["skipped"].items()]
    lines += [f"refused: {reason}" for reason in notes["refused"].values()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
