"""Files that one can read in one sitting."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    path
    for folder in ("gpu_pipeline", "kernels", "resilience")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".cu", ".cuh"}
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_has_at_most_400_lines(path):
    """Modules grow one function at a time; a long one holds more than one thing."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
