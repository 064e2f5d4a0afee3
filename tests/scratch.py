"""Where tests write: into memory where there is plenty of it, else where everything temporary goes.

They wait for nothing that a disk has written: what is killed here is a process, never the machine, and what a process has
written outlives it in memory as well. A fifth of the time of a test with a database of its own went into files (measured).
Benchmarks and `make soak` write where their figures mean something: to the disk.
"""

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108  each test has a folder of its own in it
_ROOM = 6 * 2**30  # bytes; a whole run leaves two behind, and a container often has 64 MiB in all


@cache
def roomy() -> Path | None:
    """A folder in memory with room for a whole run; None where there is none, or where somebody has said where to write."""
    if os.environ.get("TMPDIR") not in (None, "", str(_MEMORY)) or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ROOM else None


def write_there() -> None:
    """From here on for everything temporary, in this process and in those it starts."""
    if (place := roomy()) is not None:
        os.environ["TMPDIR"] = tempfile.tempdir = str(place)
