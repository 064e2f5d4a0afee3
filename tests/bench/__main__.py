"""`make bench`: prints what it measures and what came out, and ends by itself. Options after `ARGS=`, as in `ARGS=--help`."""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import click

from tests.bench import backlog, cycles, many, messages, over_http, reading, sealing, trail, verifying
from tests.bench.commands import COMMANDS_A_CASE, Compared, Recording, compare, must_write_the_same, record
from tests.bench.grounds import Ground, grounds
from tests.bench.measuring import flush_milliseconds
from tests.bench.sweeps import Swept, sweeps

#: clients of each kind of database → the part of raw that ours has to reach
WANTED = {("SQLite", 1): 0.4, ("SQLite", 16): 0.6, ("PostgreSQL", 1): 0.5, ("PostgreSQL", 8): 0.45}
MOST_CLIENTS = max(over_http.CLIENTS, *(clients for _, clients in WANTED))
MOST_ROUNDS_OF_SWEEPS = 3  # one takes ten seconds, and a long measurement swings less than a short one
TIMES_EACH_IS_READ = 20
WORST_TOLD = 8
BOTH = ("sqlite", "postgresql")
NAMES = ("commands", "http", "sweeps", "backlog", "cycles", "reads", "sealing", "verify", "trail", "messages")
MOST_SCHOOLS_BESIDE_RAW = 50
VERIFYING = 2  # processes
NODES = 4  # that open a cycle's periods at once, on PostgreSQL


@dataclass(frozen=True)
class Asked:
    """How much is measured."""

    rounds: int
    cases: int
    waiting: int
    due: int
    size: int
    mixed: int
    behind: int
    schools: int
    messages: int


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--on", "kinds", multiple=True, type=click.Choice(BOTH), default=BOTH, help="Which databases.")
@click.option("--rounds", default=5, type=click.IntRange(1), help="How often each pair is measured.")
@click.option(
    "--cases", default=48, type=click.IntRange(MOST_CLIENTS), help="Cases a round: opened, moved four times, closed."
)
@click.option("--open", "waiting", default=10_000, type=click.IntRange(1), help="Cases open during a sweep.")
@click.option("--due", default=1_000, type=click.IntRange(1), help="Reminders that fall due at once.")
@click.option(
    "--size",
    default=20_000,
    type=click.IntRange(1000),
    help="Cases that are read, events that are verified; a million shows what it is for.",
)
@click.option(
    "--mixed", default=2_000, type=click.IntRange(reading.ASKERS), help="Requests between looks at the memory."
)
@click.option(
    "--behind", default=2_000, type=click.IntRange(1), help="Reminders of a backlog; 100,000 are an outage's."
)
@click.option(
    "--schools",
    default=100,
    type=click.IntRange(1),
    help="Schools that open a month's periods; 5,000 are a province's.",
)
@click.option(
    "--messages",
    default=1_000,
    type=click.IntRange(30),
    help="Messages that are due at once; 10,000 are a province's morning.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output; the words go beside it.")
def main(names: tuple[str, ...], kinds: tuple[str, ...], *, as_json: bool, **much: int) -> None:
    """Measure what is named: all of it if nothing is.

    commands: a full command beside raw SQL. http: the same over HTTP beside a bare route. sweeps: over many open cases.
    backlog: the latency of commands beside a tick with very many rungs to tell. cycles: opening a month's periods.
    reads: start, lists, worklists, single cases and memory where there are very many cases. sealing: eight writers beside
    rounds of numbering and signing. verify: `audit verify` over `--size` events, and its memory at two sizes. trail: what
    auditors ask, where one school has ten events for each of `--size` cases (SQLite alone). messages: many that are due at
    once, by four workers, to services that fail now and then.

    All numbers: least / median / most of the rounds. Ratios are of what was measured in turn, pair by pair.
    """
    measures = {
        "commands": _commands, "http": _http, "sweeps": _sweeps, "backlog": _backlog, "cycles": _cycles,
        "reads": _reads, "sealing": _sealing, "verify": _verify, "trail": _trail, "messages": _messages,
    }  # fmt: skip
    asked = Asked(**much)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="bihuan-bench-") as folder, grounds(Path(folder), kinds) as there:
        flush = flush_milliseconds(Path(folder))
        found["flush_ms"] = asdict(flush)
        _Words(beside=as_json)(f"Flushing a file once takes {flush} ms here.")
        for kind, ground in there.items():
            for name in names or NAMES:
                found.setdefault(name, {})[kind] = measures[name](ground, asked, _Words(beside=as_json))
    if as_json:
        click.echo(json.dumps(found))


class _Words:
    """What people read: on standard output, or beside the JSON that has it to itself."""

    def __init__(self, *, beside: bool) -> None:
        self._beside = beside

    def __call__(self, line: str) -> None:
        click.echo(line, err=self._beside)


def _commands(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    wanted = {clients: part for (name, clients), part in WANTED.items() if name == ground.name}
    recording = record(ground, asked.cases + max(wanted))
    must_write_the_same(ground, recording)
    tell(
        f"\n{ground.name}: {_of_a_command(recording)}; {asked.cases} cases of {COMMANDS_A_CASE} commands, "
        f"{asked.rounds} rounds"
    )
    found = {}
    for clients, part in wanted.items():
        measured: Compared = compare(ground, recording, cases=asked.cases, clients=clients, rounds=asked.rounds)
        tell(
            f"  {clients:2} client{'s' if clients > 1 else ' '}  ours {measured.ours} a second, raw {measured.raw}; "
            f"ours/raw {measured.ratio}, wanted {part}"
        )
        found[str(clients)] = {**asdict(measured), "wanted": part}
    return {"statements": mean(recording.statements), "clients": found}


def _of_a_command(recording: Recording) -> str:
    writes = [write for case in recording.cases for command in case for write in command]
    commands = len(recording.cases) * COMMANDS_A_CASE
    return (
        f"a command takes {mean(recording.statements):.1f} statements and writes "
        f"{sum(len(write.rows) for write in writes) / commands:.1f} rows, raw in {len(writes) / commands:.1f} statements"
    )


def _http(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    recording = record(ground, asked.rounds * asked.cases + over_http.CLIENTS)
    measured = over_http.compare(ground, recording, cases=asked.cases, rounds=asked.rounds)
    tell(
        f"\n{ground.name}: over HTTP with a token; {asked.cases} cases of {COMMANDS_A_CASE} requests, {asked.rounds} rounds\n"
        f"  {over_http.CLIENTS} clients  ours {measured.ours} a second, a bare route {measured.raw}; "
        f"ours/bare {measured.ratio}, wanted {over_http.WANTED}"
    )
    return {**asdict(measured), "wanted": over_http.WANTED}


def _sweeps(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    rounds = min(asked.rounds, MOST_ROUNDS_OF_SWEEPS)
    tell(f"\n{ground.name}: sweeps over {asked.waiting} open cases beside {asked.due}, {rounds} rounds")
    idle, reminding = sweeps(ground, cases=asked.waiting, due=asked.due, rounds=rounds)
    for what, measured in (("nothing due", idle), (f"{asked.due} due", reminding)):
        swept: Swept = measured
        tell(f"  {what:11}  {swept.many} ms beside {swept.few} ms; ratio {swept.ratio}")
    return {"idle": asdict(idle), "reminding": asdict(reminding)}


def _backlog(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    found = backlog.work_off(ground, asked.behind)
    tell(
        f"\n{ground.name}: {found.due} reminders told in {found.seconds:.1f} s ({1000 * found.seconds / found.due:.2f} ms each); "
        f"meanwhile {found.asked} commands in {found.median:.0f} ms, nineteen in twenty within {found.p95:.0f} ms, wanted "
        f"{backlog.P95_WANTED:.0f}"
    )
    return asdict(found)


def _cycles(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    nodes = NODES if ground.name == "PostgreSQL" else 1
    with cycles.schools(ground, asked.schools) as database:
        found = cycles.open_them(database, nodes)
    beside = cycles.beside_raw(ground, min(asked.schools, MOST_SCHOOLS_BESIDE_RAW))
    tell(
        f"\n{ground.name}: {asked.schools} schools opened {found.cases} periods, each once, in {found.seconds:.1f} s "
        f"({1000 * found.seconds / found.cases:.2f} ms each) by {nodes} node{'s' if nodes > 1 else ''}: "
        f"{', '.join(map(str, found.by_node))}\n"
        f"  one node's process takes {beside.ours_ms:.2f} ms of the processor for each, the bare driver {beside.raw_ms:.2f} for "
        f"the same rows; ours/raw {beside.raw_ms / beside.ours_ms:.2f}"
    )
    return {**asdict(found), "beside_raw": asdict(beside)}


def _messages(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    found = messages.send(ground, asked.messages)
    tell(
        f"\n{ground.name}: {found.messages} messages by {messages.WORKERS} workers to services of which each fails "
        f"{messages.FAILING:.0%} of the time: all but one service's in {found.seconds:.1f} s, that one's in "
        f"{found.after_seconds:.1f} s from when it was there; {found.again} came twice"
    )
    return asdict(found)


def _reads(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    times = TIMES_EACH_IS_READ if asked.rounds > 1 else 1
    found = reading.read(ground, cases=asked.size, times=times, mixed=asked.mixed)
    tell(f"\n{ground.name}: {asked.size} cases, {asked.size * many.EVENTS} events; each question {times} times")
    tell(f"  ready after {found.ready_seconds:.2f} s, wanted {reading.READY_WITHIN_SECONDS}")
    worst = sorted(found.p95.items(), key=lambda told: told[1][0] / told[1][1], reverse=True)
    tell(
        f"  nineteen in twenty of {len(worst)} questions within what is allowed: {len(worst) - len(found.slow)}; the worst:"
    )
    for name, (took, allowed) in worst[: max(WORST_TOLD, len(found.slow))]:
        tell(f"    {name:36} {took:7.1f} ms of {allowed}")
    tell(f"  a first visit transfers {found.first_visit} bytes, wanted {reading.FIRST_VISIT_BYTES}")
    told = " / ".join("?" if megabytes is None else f"{megabytes:.0f}" for megabytes in found.megabytes)
    tell(
        f"  memory {told} MB: then, after {asked.mixed} mixed requests, after as many again; "
        f"wanted {reading.MEMORY_MEGABYTES}"
    )
    return {**asdict(found), "slow": found.slow, "cases": asked.size}


def _trail(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    if ground.name != "SQLite":
        return {}
    found = trail.ask(ground, cases=asked.size, times=TIMES_EACH_IS_READ if asked.rounds > 1 else 1)
    tell(
        f"\n{ground.name}: {found.events} events in {asked.size} cases of one school, made in {found.filled_seconds:.0f} s; "
        f"{found.bytes_an_event:.0f} bytes an event, of them {found.trail_bytes_an_event:.0f} the trail with its indexes"
    )
    worst = sorted(found.p95.items(), key=lambda told: told[1][0] / told[1][1], reverse=True)
    tell(
        f"  nineteen in twenty of {len(worst)} questions within what is allowed: {len(worst) - len(found.slow)}; the worst:"
    )
    for name, (took, allowed) in worst[: max(WORST_TOLD, len(found.slow))]:
        tell(f"    {name:48} {took:7.1f} ms of {allowed}")
    return {**asdict(found), "slow": found.slow, "cases": asked.size}


def _sealing(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    found = sealing.compare(ground, cases=asked.cases, rounds=asked.rounds)
    tell(
        f"\n{ground.name}: {sealing.CLIENTS} writers beside {found.rounds_of_sealing} rounds that numbered {found.numbered} "
        f"events; {found.commands} commands, {asked.rounds} rounds\n"
        f"  with sealing {found.sealing} a second, without {found.alone}; with/without {found.ratio}, wanted {sealing.WANTED}\n"
        f"  of the processor, without/with {found.cpu_ratio}"
    )
    return {**asdict(found), "wanted": sealing.WANTED}


def _verify(ground: Ground, asked: Asked, tell: _Words) -> Mapping[str, Any]:
    found = verifying.compare(ground, asked.size, VERIFYING)
    tell(f"\n{ground.name}: audit verify with {VERIFYING} processes")
    for each in (found.small, found.large):
        tell(
            f"  {each.events} events under {each.checkpoints} checkpoints in {each.seconds:.1f} s, {each.cpu_seconds:.1f} s of the "
            f"processor with starting; {each.megabytes:.0f} MB the largest process"
        )
    tell(
        f"  without what starting takes {found.a_second:.0f} events a second, wanted {verifying.WANTED_PER_SECOND}; "
        f"{found.cpu_microseconds:.0f} µs of the processor each, wanted {verifying.WANTED_CPU_MICROSECONDS:.0f}"
    )
    return verifying.told(found)


if __name__ == "__main__":
    sys.exit(main())
