"""The command ``gpu-pipeline``.

What takes long to import is imported inside the commands, so that help answers at once. Failures that a user can act
on are one line on standard error and an exit code; everything else is a bug and keeps its traceback.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpu_pipeline.errors import InputError, KernelError, PipelineError

if TYPE_CHECKING:
    import xarray as xr

    from gpu_pipeline.config import RunConfig
    from gpu_pipeline.stores import RunFolder

__all__ = ["app", "main"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 plus the number of the signal."""

app = typer.Typer(
    name="gpu-pipeline",
    help="Phase-oscillator dynamics: Kuramoto and swing-equation networks on CPU and GPU.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder in which the run folder is made.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/onset.")]


class ImageFormat(StrEnum):
    """Formats of figures."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def main() -> None:
    """Run the command line and exit.

    The exit code is 0 on success, 1 for failed checks and damaged stores, 2 for wrong input, 3 for a run that broke
    down, 4 for too little memory, 5 for a backend that cannot run, and 130 after Ctrl-C.
    """
    try:
        app()
    except KeyboardInterrupt:  # before a command took over
        sys.exit(INTERRUPTED)


def _show_version(wanted: bool) -> None:
    if wanted:
        from gpu_pipeline import __version__

        typer.echo(f"gpu-pipeline {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn what a user can act on into one line and an exit code."""
    try:
        yield
    except (PipelineError, KernelError) as exc:
        raise _failure(str(exc), getattr(exc, "exit_code", 1)) from None
    except MemoryError as exc:
        raise _failure(f"not enough memory: {str(exc) or 'choose fewer nodes, replicas or samples'}", 4) from None
    except OSError as exc:
        raise _failure(f"{exc.filename or 'file system'}: {exc.strerror or exc}", 1) from None
    except KeyboardInterrupt:
        raise _failure("stopped by Ctrl-C; nothing was written", INTERRUPTED) from None


def _failure(message: str, code: int) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(code)


@app.command()
def demo(
    output: Output = Path("runs"),
    quick: Annotated[bool, typer.Option("--quick", help="Smaller and faster, with wider tolerances.")] = False,
) -> None:
    """Run two simulations with known results and check them."""
    with _one_line_errors():
        from gpu_pipeline.demo import demand_extras, run_demo
        from gpu_pipeline.stores import RunFolder

        demand_extras()
        folder = RunFolder.create(output, f"demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}")
        with _kept(folder):
            ok = run_demo(folder, quick=quick, say=typer.echo)
    if not ok:
        raise typer.Exit(1)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file; docs/config.md lists its keys.")],
    output: Output = Path("runs"),
    backend: Annotated[str | None, typer.Option(help="auto, cupy, numba_cuda, jax or cpu.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or float64.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of noise and initial phases.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the CPU backend.")] = None,
) -> None:
    """Run the simulation that CONFIG describes.

    Options given here take the place of what the file says.
    """
    overrides = {"backend": backend, "dtype": dtype, "seed": seed, "threads": threads}
    with _one_line_errors():
        from gpu_pipeline.config import load_config
        from gpu_pipeline.runner import prepare, simulate
        from gpu_pipeline.stores import RunFolder

        settings = load_config(config, overrides=overrides)
        simulation = prepare(settings)
        folder = RunFolder.create(output, settings.output.name)
        folder.config.write_text(settings.to_toml(), encoding="utf-8")
        folder.event("started", command="run", digest=settings.digest())
        with _kept(folder):
            dataset = simulate(simulation, settings, store=folder.result)
        folder.event("finished", steps=simulation.step)
        seconds = f"compiled in {simulation.compile_seconds:.2f} s, ran in {simulation.run_seconds:.2f} s"
        typer.echo(f"{simulation.step:,} steps on {simulation.device.name}: {seconds}")
        _try_report(folder, dataset, settings)
        typer.echo(f"written to {folder.path}\nnext: gpu-pipeline inspect {folder.path}")


@contextmanager
def _kept(folder: "RunFolder") -> Iterator[None]:
    """Say what a run leaves behind if it is stopped or breaks down."""
    try:
        yield
    except KeyboardInterrupt:
        from gpu_pipeline.runner import kept_in

        folder.event("stopped", reason="Ctrl-C")
        raise _failure(f"stopped by Ctrl-C; {kept_in(folder)}", INTERRUPTED) from None
    except PipelineError as exc:
        folder.event("failed", reason=str(exc))
        raise


def _try_report(folder: "RunFolder", dataset: "xr.Dataset", settings: "RunConfig") -> None:
    """Write the report, or say what is missing for it: the result is safe either way."""
    from gpu_pipeline.runner import write_report

    try:
        write_report(folder, dataset, settings)
    except InputError as exc:
        typer.echo(f"no report: {exc}", err=True)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a page.")] = False,
) -> None:
    """Show what this machine offers, which backends can run, and what would add the others."""
    with _one_line_errors():
        from gpu_pipeline.doctor import examine, render

        facts = examine()
        if as_json:
            import json

            typer.echo(json.dumps(facts.as_dict(), indent=2))
            return
        from rich.console import Console

        Console(highlight=False).print(render(facts))


@app.command()
def inspect(path: RunPath) -> None:
    """Tell in a few lines what a run was, where it ran and how it ended."""
    with _one_line_errors():
        from gpu_pipeline.runner import summary
        from gpu_pipeline.stores import RunFolder

        typer.echo("\n".join(summary(RunFolder.open(path))))


@app.command()
def plot(
    path: RunPath,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the figures.", show_default="RUN/figures")
    ] = None,
    image_format: Annotated[ImageFormat, typer.Option("--format", help="Format of the figures.")] = ImageFormat.PNG,
) -> None:
    """Draw the figures of a run."""
    with _one_line_errors():
        from gpu_pipeline.runner import draw_all, results_in, save_panels
        from gpu_pipeline.stores import RunFolder

        folder = RunFolder.open(path)
        panels = draw_all(results_in(folder))
        for file in save_panels(panels, output or folder.path / "figures", suffix=image_format.value):
            typer.echo(file)
