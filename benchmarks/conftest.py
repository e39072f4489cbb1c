"""The modules here import each other by their bare names, as they do when run.py is started."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def threads() -> int:
    """One thread in tests: they share the machine with other test processes."""
    return 1
