"""Files of a run: its folder, and results that grow in a Zarr v3 store while the run goes on."""

import json
import re
import shutil
import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_pipeline.errors import StoreError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ResultWriter", "RunFolder", "open_result"]

_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @classmethod
    def create(cls, base: str | Path, name: str) -> "RunFolder":
        """Make a new folder ``base/name``, or ``base/name-2`` and so on if that is taken.

        Raises
        ------
        StoreError
            If the name cannot be a folder name, or the folder cannot be made.
        """
        if not re.fullmatch(r"[\w.-]+", name) or set(name) <= {"."}:
            raise StoreError(f"run name {name!r} cannot name a folder, expected letters, digits, '.', '_' and '-'")
        number = 1
        while True:
            path = Path(base) / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True)
            except (FileExistsError, NotADirectoryError):
                if not Path(base).is_dir():
                    raise StoreError(f"{base} is a file, expected a folder for runs") from None
                number += 1
            except OSError as error:
                raise StoreError(f"{path} cannot be made: {error.strerror}") from error
            else:
                break
        folder = cls(path)
        folder.events.touch()
        return folder

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """Open the folder of an earlier run.

        Raises
        ------
        StoreError
            If there is no such folder, or it is none of a run.
        """
        folder = cls(Path(path))
        if not folder.path.is_dir():
            raise StoreError(f"{path} is not a folder, expected the folder of a run, such as runs/demo-20260101-120000")
        if not folder.config.is_file() or not folder.events.is_file():
            raise StoreError(f"{path} holds no run: config.toml or events.jsonl is missing")
        return folder

    @property
    def config(self) -> Path:
        """The configuration, ``config.toml``."""
        return self.path / "config.toml"

    @property
    def result(self) -> Path:
        """The samples, ``result.zarr``."""
        return self.path / "result.zarr"

    @property
    def events(self) -> Path:
        """What happened, one JSON object a line, ``events.jsonl``."""
        return self.path / "events.jsonl"

    @property
    def report(self) -> Path:
        """The page for people, ``report.html``."""
        return self.path / "report.html"

    def event(self, kind: str, **data: object) -> None:
        """Append one event with its time (UTC, ISO 8601)."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "kind": kind, **data})
        with self.events.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class ResultWriter:
    """Appends pieces of a dataset along time to a Zarr v3 store.

    Pieces are gathered until a chunk of the store is full, so that no chunk is written twice before the end.

    Parameters
    ----------
    path : Path
        Must not exist yet, or be a store that this run wrote before.
    continues : sequence of str or None
        Variables with which to continue an existing store; None for a new one.
    time : float
        Time in s at which the run goes on.
    attributes : mapping
        Attributes of the dataset from its first piece on; ``finish`` brings them up to date.

    Raises
    ------
    StoreError
        If the path is taken, or what is there cannot be continued.
    """

    def __init__(
        self, path: Path, continues: Sequence[str] | None, *, time: float, attributes: Mapping[str, object]
    ) -> None:
        if path.exists() and continues is None:
            raise StoreError(f"{path} exists already: choose another path or remove it")
        if continues is not None:
            _check_continuation(path, continues, time, attributes)
        self.path, self._exists, self._attributes = path, continues is not None, attributes
        self._waiting: list[xr.Dataset] = []
        self._chunk: int | None = None

    def append(self, piece: "xr.Dataset") -> None:
        """Take over a piece; written when a chunk is full."""
        if self._chunk is None:
            per_sample = max(1, max(v.nbytes // max(1, v.sizes["time"]) for v in piece.data_vars.values()))
            self._chunk = max(1, _CHUNK_BYTES // per_sample)
        self._waiting.append(piece)
        if sum(part.sizes["time"] for part in self._waiting) >= self._chunk:
            self.flush(whole_chunks=True)

    def flush(self, *, whole_chunks: bool = False) -> None:
        """Write what waits, or as much of it as fills chunks."""
        if not self._waiting or self._chunk is None:
            return
        import xarray as xr

        joined = xr.concat(self._waiting, "time", join="exact") if len(self._waiting) > 1 else self._waiting[0]
        count = joined.sizes["time"]
        cut = count - count % self._chunk if whole_chunks else count
        self._write(joined.isel(time=slice(0, cut)))
        self._waiting = [joined.isel(time=slice(cut, None))] if cut < count else []

    def _write(self, piece: "xr.Dataset") -> None:
        try:
            if self._exists:
                still = [name for name in piece.variables if "time" not in piece[name].dims]
                piece.drop_vars(still).to_zarr(self.path, append_dim="time", zarr_format=3, consolidated=False)
            else:
                chunks = {
                    name: {"chunks": tuple(self._chunk if d == "time" else n for d, n in variable.sizes.items())}
                    for name, variable in piece.data_vars.items()
                }
                chunks["time"] = {"chunks": (max(4096, self._chunk or 1),)}
                self._create(piece.assign_attrs(_plain(self._attributes)), chunks)
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path} cannot be written: {error}") from error

    def _create(self, piece: "xr.Dataset", chunks: Mapping[Hashable, Any]) -> None:
        try:
            piece.to_zarr(self.path, mode="w-", zarr_format=3, consolidated=False, encoding=chunks)
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)  # half a store would stand in the way of a second try
            raise
        self._exists = True

    def finish(self, attributes: Mapping[str, object]) -> None:
        """Write the rest and the attributes of the dataset."""
        import zarr

        self.flush()
        if self._exists:
            zarr.open_group(self.path, mode="r+", use_consolidated=False).attrs.update(_plain(attributes))
            with warnings.catch_warnings():
                # Not yet part of the Zarr v3 standard, but what xarray looks for first.
                warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
                zarr.consolidate_metadata(self.path)


def _check_continuation(path: Path, names: Sequence[str], time: float, attributes: Mapping[str, object]) -> None:
    """Refuse to append what does not go on from what is there, or would leave its variables of different lengths."""
    held = open_result(path)
    if held.attrs.get("config_digest") != attributes["config_digest"]:
        raise StoreError(f"{path} holds the samples of another run: choose another path or remove it")
    if set(held.data_vars) != set(names):
        raise StoreError(
            f"{path} holds {', '.join(map(str, held.data_vars))}, expected {', '.join(names)}: "
            "continue it with the same variables"
        )
    last = float(held["time"][-1])
    if time < last:
        raise StoreError(
            f"{path} holds samples up to {last:g} s, but the run goes on at {time:g} s: "
            "choose another path or remove it"
        )


def open_result(path: str | Path) -> "xr.Dataset":
    """Open the samples of a run; they stay on disk until they are used.

    Parameters
    ----------
    path : str or Path
        A Zarr store, or a run folder with ``result.zarr`` in it.

    Returns
    -------
    dataset : xarray.Dataset

    Raises
    ------
    StoreError
        If there is none, or it cannot be read.
    """
    import xarray as xr

    place = Path(path)
    if (place / "result.zarr").is_dir():
        place = place / "result.zarr"
    if not (place / "zarr.json").is_file():
        raise StoreError(f"{path} holds no result, expected a Zarr v3 store or a run folder")
    try:
        dataset: xr.Dataset = xr.open_zarr(place, consolidated=False, chunks=None)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{place} cannot be read: {error}") from error
    return dataset


def _plain(attributes: Mapping[str, object]) -> dict[str, str | int | float]:
    """Attributes as JSON keeps them."""
    return {name: value if isinstance(value, str | int | float) else str(value) for name, value in attributes.items()}
