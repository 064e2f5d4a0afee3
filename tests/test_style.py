"""What `make check` asks, once more as tests: so it runs beside the others and not before them, on every core there is."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.timeout(1200)  # types are looked at for a minute where nothing was kept of an earlier look
@pytest.mark.parametrize("asked", [("mypy",), ("ruff", "check"), ("ruff", "format", "--check")], ids=" ".join)
def test_what_is_written_passes(asked: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *asked], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
