"""What the process that writes Word may take of the machine: a template that would have more ends it, and nothing else."""

import sys

SECONDS = 20  # of a processor; three hundred rows take two
MEMORY_BYTES = 1 << 30  # of addresses; three hundred rows take a quarter of it


def bind() -> None:
    """From here on. Windows has no such bounds: there the server's patience is the only one."""
    if sys.platform != "win32":
        _bind()


if sys.platform != "win32":
    import resource

    def _bind() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
