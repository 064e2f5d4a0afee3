"""`make bench`: prints what it measures and what came out, and ends by itself. Options after `ARGS=`, as in `ARGS=--help`."""

import sys
import tempfile
from pathlib import Path
from statistics import mean

import click

from tests.bench.commands import COMMANDS_A_CASE, Compared, compare, must_write_the_same, record
from tests.bench.grounds import Ground, grounds
from tests.bench.sweeps import Swept, sweeps

#: clients of each kind of database → the part of raw that ours has to reach
WANTED = {("SQLite", 1): 0.4, ("SQLite", 16): 0.6, ("PostgreSQL", 1): 0.5, ("PostgreSQL", 8): 0.45}
MOST_CLIENTS = max(clients for _, clients in WANTED)
MOST_ROUNDS_OF_SWEEPS = 3  # one takes ten seconds, and a long measurement swings less than a short one
BOTH = ("sqlite", "postgresql")


@click.command()
@click.option("--on", "kinds", multiple=True, type=click.Choice(BOTH), default=BOTH, help="Which databases.")
@click.option("--rounds", default=5, type=click.IntRange(1), help="How often each pair is measured.")
@click.option(
    "--cases", default=48, type=click.IntRange(MOST_CLIENTS), help="Cases a round: opened, moved four times, closed."
)
@click.option("--open", "waiting", default=10_000, type=click.IntRange(1), help="Cases open during a sweep.")
@click.option("--due", default=1_000, type=click.IntRange(1), help="Reminders that fall due at once.")
@click.option("--only", type=click.Choice(["commands", "sweeps"]), help="Only one of the measurements.")
def main(kinds: tuple[str, ...], rounds: int, cases: int, waiting: int, due: int, only: str | None) -> None:
    """Measure a full command beside raw SQL, and sweeps over many open cases. All numbers: least / median / most."""
    click.echo("Commands a second of ours and of raw SQL that writes the same rows; milliseconds of sweeps.")
    click.echo(
        "Each number: least / median / most of the rounds. Ratios are of what was measured in turn, pair by pair."
    )
    with tempfile.TemporaryDirectory(prefix="bihuan-bench-") as folder, grounds(Path(folder), kinds) as found:
        for ground in found.values():
            if only != "sweeps":
                _commands(ground, cases, rounds)
            if only != "commands":
                _sweeps(ground, waiting, due, min(rounds, MOST_ROUNDS_OF_SWEEPS))


def _commands(ground: Ground, cases: int, rounds: int) -> None:
    wanted = {clients: part for (name, clients), part in WANTED.items() if name == ground.name}
    recording = record(ground, cases + max(wanted))
    must_write_the_same(ground, recording)
    writes = [write for case in recording.cases for command in case for write in command]
    commands = len(recording.cases) * COMMANDS_A_CASE
    click.echo(
        f"\n{ground.name}: a command takes {mean(recording.statements):.1f} statements and writes "
        f"{sum(len(write.rows) for write in writes) / commands:.1f} rows, raw in {len(writes) / commands:.1f} statements; "
        f"{cases} cases of {COMMANDS_A_CASE} commands, {rounds} rounds"
    )
    for clients, part in wanted.items():
        measured: Compared = compare(ground, recording, cases=cases, clients=clients, rounds=rounds)
        click.echo(
            f"  {clients:2} client{'s' if clients > 1 else ' '}  ours {measured.ours} a second, raw {measured.raw}; "
            f"ours/raw {measured.ratio}, wanted {part}"
        )


def _sweeps(ground: Ground, waiting: int, due: int, rounds: int) -> None:
    click.echo(f"\n{ground.name}: sweeps over {waiting} open cases beside {due}, {rounds} rounds")
    idle, reminding = sweeps(ground, cases=waiting, due=due, rounds=rounds)
    for what, measured in (("nothing due", idle), (f"{due} due", reminding)):
        swept: Swept = measured
        click.echo(f"  {what:11}  {swept.many} ms beside {swept.few} ms; ratio {swept.ratio}")


if __name__ == "__main__":
    sys.exit(main())
