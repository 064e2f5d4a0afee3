"""A real `bihuan serve` in a process of its own, on a free port of 127.0.0.1."""

import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, Self

from tests.journeys.forking import Forked

ROOT = Path(__file__).parents[2]
BIHUAN = "from api.cli import main; main(prog_name='bihuan')"


#: for connections without TLS: left to itself, httpx reads every authority there is each time, which takes 20 ms
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def command(*arguments: str | Path) -> list[str]:
    """`bihuan …`, also where the command itself is not installed."""
    return [sys.executable, "-m", "api.cli", *map(str, arguments)]


def environment(**settings: str) -> dict[str, str]:
    """Ours without anybody's BIHUAN_* settings, and with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BIHUAN_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **settings}


class Served:
    """The serving process. `url` is known as soon as it says that it listens: nothing has to be polled.

    It is forked from a helper that has the program imported; `Started` is one from the command line.
    """

    asks_for: tuple[str, ...] = ("serve", "--port", "0")
    says = "Serving "  # an address to set a school up at may come before

    def __init__(self, data: Path, *options: str, **settings: str) -> None:
        self.log = data.parent / f"{data.name}.log"
        with self.log.open("ab") as log:
            self.process = self._begun(
                [*self.asks_for, *options, "--data", str(data)],
                log,
                cwd=data.parent,  # no .env of ours lies there
                env=environment(**{"BIHUAN_LOG_LEVEL": "warning", **settings}),
            )
        self.said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if self.says in line:
                self.url = line.split()[-1]
                return
        self.process.wait()
        self._let_go()
        raise AssertionError(
            f"{self.asks_for[0]} ended with {self.process.returncode}: {self.log.read_text(encoding='utf-8')}"
        )

    def _begun(
        self, arguments: list[str], log: BinaryIO, *, cwd: Path, env: dict[str, str]
    ) -> "Forked | subprocess.Popen[str]":
        return Forked(BIHUAN, *arguments, cwd=cwd, env=env, said_to=log.fileno())

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        self.process.kill()
        self._reap()

    def stop(self) -> None:
        """As `systemctl stop` would."""
        self.process.terminate()
        self._reap()

    def _reap(self) -> None:
        self.process.wait(timeout=30)
        self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        else:
            self._let_go()

    def _let_go(self) -> None:
        if isinstance(self.process, Forked):
            self.process.close()
        elif self.process.stdout is not None:
            self.process.stdout.close()


class Started(Served):
    """The same from the command line, as a shell starts it."""

    def _begun(
        self, arguments: list[str], log: BinaryIO, *, cwd: Path, env: dict[str, str]
    ) -> "Forked | subprocess.Popen[str]":
        return subprocess.Popen(
            command(*arguments), stdout=subprocess.PIPE, stderr=log, encoding="utf-8", cwd=cwd, env=env
        )


class Worked(Served):
    """A real `bihuan work`, which listens to nobody."""

    asks_for = ("work",)
    says = "Ticking"
