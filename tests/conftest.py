"""Where the shared reference data lies, and one kernel cache for all tests."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("ISOCORTEX_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with golden results and example circuits; tests that need it skip without."""
    if not (SHARED / "golden").is_dir():
        pytest.skip(f"no reference data at {SHARED} (set ISOCORTEX_SHARED)")
    return SHARED
