"""`make soak`: does every harm again and again on both databases, says what came of it line by line, and ends by itself.

make soak                                           # every fault, 200 cycles on each database
make soak ARGS="crashes disks --cycles 20"          # some of them, fewer
make soak ARGS="crashes --seed 7 --first 113 --cycles 1"   # the cycle that failed, again
"""

import json
import logging
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from api import logs
from tests.databases import KINDS, Kind
from tests.faults.catalog import FAULTS
from tests.faults.faults import Counted, Fault, run_cycle

CYCLES = 200


@dataclass
class Line:
    """What one fault came to on one database."""

    fault: str
    database: Kind
    cycles: int
    seconds: float
    counted: Counted
    broken: str | None = None
    cut_short: bool = False  # by Ctrl-C: what came of it so far is told

    def in_words(self) -> str:
        c = self.counted
        said = (
            f"{self.fault:9} {self.database:10} {self.cycles:4} cycles, {self.seconds:6.1f} s: {c.acknowledged} commands "
            f"acknowledged; hit before the commit {c.undone}, after it {c.unheard}, told to come again {c.busy}; "
            f"{c.delivered} messages delivered, {c.duplicates} came twice under the same key"
        )
        return said if self.broken is None else f"{said}\n{self.broken}"

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "ok": self.broken is None}, ensure_ascii=False)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([fault.name for fault in FAULTS]))
@click.option("--cycles", default=CYCLES, type=click.IntRange(1), help="Of each fault on each database.")
@click.option("--on", "kinds", multiple=True, type=click.Choice(KINDS), default=KINDS, help="Which databases.")
@click.option("--seed", type=int, help="Of all chance in it; drawn and told if not given.")
@click.option("--first", default=0, type=click.IntRange(0), help="The cycle to begin with.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(
    names: tuple[str, ...], cycles: int, kinds: tuple[Kind, ...], seed: int | None, first: int, as_json: bool
) -> None:
    """Do harm, and look whether every promise still holds after it. Exit code 1 if one does not."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    wanted = [fault for fault in FAULTS if fault.name in names or not names]
    if not as_json:
        click.echo(f"Seed {seed}; {cycles} cycles of each fault on each database it applies to.")
    failed = False
    for line in _soaked(wanted, kinds, seed, range(first, first + cycles)):
        click.echo(line.to_json() if as_json else line.in_words())
        failed |= line.broken is not None
        if line.cut_short:
            sys.exit(130)
    if not as_json:
        click.echo("A promise is broken." if failed else "Every promise held.")
    sys.exit(failed)


def _soaked(wanted: list[Fault], kinds: tuple[Kind, ...], seed: int, cycles: range) -> Iterator[Line]:
    for fault in wanted:
        for kind in fault.kinds:
            if kind in kinds:
                yield _soak(fault, kind, seed, cycles)


def _soak(fault: Fault, kind: Kind, seed: int, cycles: range) -> Line:
    """Until the last cycle, or the first that breaks a promise."""
    line = Line(fault.name, kind, 0, 0.0, Counted())
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="bihuan-soak-") as folder,
        fault.ground(kind, Path(folder), short=False) as ground,
    ):
        for number in cycles:
            try:
                line.counted += run_cycle(fault, ground, seed, number)
            except KeyboardInterrupt:
                line.cut_short = True
                break
            except Exception as error:  # noqa: BLE001  # whatever it is, the seed and the cycle have to be told with it
                again = f"make soak ARGS='{fault.name} --on {kind} --seed {seed} --first {number} --cycles 1'"
                line.broken = (
                    f"{''.join(traceback.format_exception(error))}Cycle {number} broke it. To see it again: {again}"
                )
                break
            line.cycles += 1
    line.seconds = round(time.monotonic() - began, 1)
    return line


if __name__ == "__main__":
    logs.configure("error", "console")  # of broken connections much is told, and here it is no news
    logging.disable(logging.ERROR)
    main()
