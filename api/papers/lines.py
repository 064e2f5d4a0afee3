"""Everything on record of an organisation, an event a line (JSON Lines), in the order of the trail: cases and logbook alike."""

from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import orjson

from engine.store import people, records
from engine.store.database import Database
from engine.store.records import Record

Progress = Callable[[Iterable[Record]], Iterable[Record]]


def write_lines(
    database: Database,
    organisation: str,
    size: int,
    file: BinaryIO,
    *,
    with_names: bool = False,
    progress: Progress = lambda found: found,
) -> int:
    """Write the first `size` events of the trail; gives how many. It takes the memory of a few.

    A line has every field of the envelope but its commitments; `data`, what was said; `changes`, what changed of the case;
    `cleared`, the names of those of both that were cleared, whose value is what is left; `position` in the trail and `hash` of the envelope.

    with_names   whether `actor_name` and `on_behalf_of_name` stand beside the keys
    """
    names = {}
    if with_names:
        with database.read(organisation) as connection:
            names = people.names(connection, organisation)
    count = 0
    for record in progress(records.in_order(database, organisation, size)):
        file.write(orjson.dumps(_line(record, names if with_names else None)) + b"\n")
        count += 1
    return count


def _line(record: Record, names: dict[str, str] | None) -> dict[str, Any]:
    said = record.read()
    del said["commitments"]
    line = {
        "position": record.position, **said, "hash": record.hash, "data": record.answers(),
        "changes": record.changes(), "cleared": record.cleared(),
    }  # fmt: skip
    if names is not None:
        for who in ("actor", "on_behalf_of"):
            line[f"{who}_name"] = names.get((said[who] or "").partition(":")[2])
    return line
