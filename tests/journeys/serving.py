"""A real `bihuan serve` in a process of its own, on a free port of 127.0.0.1."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]


def command(*arguments: str | Path) -> list[str]:
    """`bihuan …`, also where the command itself is not installed."""
    return [sys.executable, "-m", "api.cli", *map(str, arguments)]


def environment(**settings: str) -> dict[str, str]:
    """Ours without anybody's BIHUAN_* settings, and with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BIHUAN_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **settings}


class Served:
    """The serving process. `url` is known as soon as it says that it listens: nothing has to be polled."""

    asks_for: tuple[str, ...] = ("serve", "--port", "0")
    says = "http://"

    def __init__(self, data: Path, *options: str, **settings: str) -> None:
        self.log = data.parent / f"{data.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(*self.asks_for, *options, "--data", data),
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                cwd=data.parent,  # no .env of ours lies there
                env=environment(BIHUAN_LOG_LEVEL="warning", **settings),
            )
        self.said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if self.says in line:
                self.url = line.split()[-1]
                return
        self.process.wait()
        raise AssertionError(
            f"{self.asks_for[0]} ended with {self.process.returncode}: {self.log.read_text(encoding='utf-8')}"
        )

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
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        elif self.process.stdout is not None:
            self.process.stdout.close()


class Worked(Served):
    """A real `bihuan work`, which listens to nobody."""

    asks_for = ("work",)
    says = "Ticking"
