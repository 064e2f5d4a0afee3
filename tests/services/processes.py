"""A service in a process of its own, to be killed and started again on the same port and log."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.services.serving import Taken

ROOT = Path(__file__).parents[2]


class Running:
    """`python -m tests.services` with these arguments. `kill` is for good and at once; `again` starts it where it was."""

    def __init__(self, kind: str, log: Path, arguments: Sequence[str] = ()) -> None:
        self._command = [sys.executable, "-m", "tests.services", kind, "--log", str(log), *arguments]
        self._log = log
        self.port = 0
        self.process = self._started()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def taken(self) -> list[Taken]:
        return lines_of(self._log)

    @property
    def refused(self) -> list[Taken]:
        return lines_of(self._log.with_name(f"{self._log.name}.refused"))

    @property
    def ended(self) -> list[Taken]:
        """Connections of a mail server that somebody said good-bye on."""
        return lines_of(self._log.with_name(f"{self._log.name}.ended"))

    def kill(self) -> None:
        self.process.kill()
        self._ended()

    def again(self) -> None:
        self.process = self._started()

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self._ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*self._command, "--port", str(self.port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait()
            process.stdout.close()
            raise RuntimeError(f"the service did not start: {self._command}")
        self.port = int(line)
        return process

    def _ended(self) -> None:
        self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()


def lines_of(file: Path) -> list[Taken]:
    """What was written whole."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [Taken.of_line(line) for line in text.splitlines()[: text.count("\n")]]
