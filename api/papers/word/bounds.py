"""What the process that writes Word may take of the machine: a template that would have more ends it, and nothing else."""

import sys
from contextlib import suppress

SECONDS = 20  # of a processor; three hundred rows take two
MEMORY_BYTES = 1 << 30  # of addresses; three hundred rows take a quarter of it


def bind() -> None:
    """From here on. Windows has no such bounds: there the server's patience is the only one."""
    if sys.platform != "win32":
        _bind()


if sys.platform != "win32":
    import resource

    def _bind() -> None:
        for what, most in ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_AS, MEMORY_BYTES)):
            _, allowed = resource.getrlimit(what)
            least = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
            with suppress(ValueError, OSError):  # macOS binds no addresses, and says so
                resource.setrlimit(what, (least, least))
