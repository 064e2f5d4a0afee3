"""Does pm4py read our object-centric logs as we mean them? Run by `make ocel-check` with a Python that has pm4py: it is a tool of
its own, under a licence of its own, and never among what we install or import.

    python tests/bench/ocel_check.py LOG.ocel.json EVENTS.jsonl

Both files are exports of the same data folder: the second, which has another writer, says what the first has to hold. Ends
with 0 where everything agrees, else with the first sentence that does not.
"""

import json
import sqlite3
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

LOGBOOK = "logbook"


def _listed(required: Sequence[str], **given: Any) -> dict[str, Any]:
    """A schema of a list of objects that have at least these names."""
    return {"type": "array", "items": {"type": "object", "properties": given, "required": list(required)}}


_TEXT, _TIME = {"type": "string", "minLength": 1}, {"type": "string", "format": "date-time"}
_TYPES = _listed(
    ["name", "attributes"], name=_TEXT,
    attributes=_listed(["name", "type"], name=_TEXT, type={"enum": ["string", "time", "integer", "float", "boolean"]}),
)  # fmt: skip
_RELATED = _listed(["objectId", "qualifier"], objectId=_TEXT, qualifier=_TEXT)
_SAID = {"type": "string"}
#: what OCEL 2.0 says of its JSON, in our own words
SCHEMA = {
    "type": "object",
    "required": ["objectTypes", "eventTypes", "objects", "events"],
    "properties": {
        "objectTypes": _TYPES,
        "eventTypes": _TYPES,
        "objects": _listed(
            ["id", "type"], id=_TEXT, type=_TEXT, relationships=_RELATED,
            attributes=_listed(["name", "value", "time"], name=_TEXT, value=_SAID, time=_TIME),
        ),
        "events": _listed(
            ["id", "type", "time"], id=_TEXT, type=_TEXT, time=_TIME, relationships=_RELATED,
            attributes=_listed(["name", "value"], name=_TEXT, value=_SAID),
        ),
    },
}  # fmt: skip
#: how many rows break a key of the format's tables
KEYS = (
    "SELECT count(*) - count(DISTINCT ocel_id) FROM event",
    "SELECT count(*) - count(DISTINCT ocel_id) FROM object",
    "SELECT count(*) FROM event WHERE ocel_type NOT IN (SELECT ocel_type FROM event_map_type)",
    "SELECT count(*) FROM object WHERE ocel_type NOT IN (SELECT ocel_type FROM object_map_type)",
    "SELECT count(*) FROM event_object WHERE ocel_event_id NOT IN (SELECT ocel_id FROM event)",
    "SELECT count(*) FROM event_object WHERE ocel_object_id NOT IN (SELECT ocel_id FROM object)",
    "SELECT count(*) FROM object_object WHERE ocel_source_id NOT IN (SELECT ocel_id FROM object)",
    "SELECT count(*) FROM object_object WHERE ocel_target_id NOT IN (SELECT ocel_id FROM object)",
)


def _broken(tables: str, query: str) -> list[int]:
    with closing(sqlite3.connect(tables)) as connection:
        return [row[0] for row in connection.execute(query)]


def ours(lines: Path) -> tuple[dict[str, tuple[str, datetime]], dict[str, str]]:
    """Events by id, with type and time; objects by id, with type: as the lines tell, which know nothing of OCEL."""
    events: dict[str, tuple[str, datetime]] = {}
    objects: dict[str, str] = {}
    stands: dict[str, dict[str, Any]] = {}
    for line in lines.open(encoding="utf-8"):
        said = json.loads(line)
        case = said["case"]
        if case == LOGBOOK:
            continue
        stand = stands.setdefault(case, {})
        stand.update(said["changes"])
        loop, kind, trigger = stand["workflow"], said["type"], said["trigger"]
        called = {"stepped": trigger, "signed": f"{trigger}.signed"}.get(kind, kind)
        events[f"{case}#{said['sequence']}"] = (f"{loop}.{called}", datetime.fromisoformat(said["recorded_at"]))
        objects[case] = loop
        if stand.get("department"):
            objects[f"department:{stand['department']}"] = "department"
        if stand.get("assignee"):
            objects[f"person:{stand['assignee']}"] = "person"
        for who in (said["actor"], said["on_behalf_of"]):
            if who and who.startswith("person:"):
                objects[who] = "person"
    return events, objects


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")


def must(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        sys.exit(f"FAILED {what}: pm4py {str(found)[:300]}, we {str(wanted)[:300]}")
    _say(f"ok  {what}")


def main(log: Path, lines: Path) -> None:
    pm4py, reading = import_module("pm4py"), import_module("pm4py.objects.ocel.importer.jsonocel.importer")
    validation = import_module("pm4py.objects.ocel.validation.ocel20_rel_validation")
    events, objects = ours(lines)
    written = json.loads(log.read_text(encoding="utf-8"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # its own checks: identifiers that are not unique
        ocel = reading.apply(str(log), variant=reading.Variants.OCEL20_STANDARD)
    _say(f"pm4py {pm4py.__version__}: {len(ocel.events)} events, {len(ocel.objects)} objects")
    columns = zip(ocel.events["ocel:eid"], ocel.events["ocel:activity"], ocel.events["ocel:timestamp"], strict=True)
    must("events, their types and times", {eid: (kind, at.to_pydatetime()) for eid, kind, at in columns}, events)
    must(
        "objects and their types", dict(zip(ocel.objects["ocel:oid"], ocel.objects["ocel:type"], strict=True)), objects
    )
    must("object types", set(pm4py.ocel_get_object_types(ocel)), {each["name"] for each in written["objectTypes"]})
    related = {(event["id"], each["objectId"]) for event in written["events"] for each in event["relationships"]}
    must("events and objects", set(zip(ocel.relations["ocel:eid"], ocel.relations["ocel:oid"], strict=True)), related)
    bound = {
        (each["id"], to["objectId"], to["qualifier"]) for each in written["objects"] for to in each["relationships"]
    }
    o2o = zip(ocel.o2o["ocel:oid"], ocel.o2o["ocel:oid_2"], ocel.o2o["ocel:qualifier"], strict=True)
    must("objects and objects", set(o2o), bound)
    names = [[each["name"] for each in one["attributes"]] for one in written["objects"]]
    must("changes of objects", len(ocel.object_changes), sum(len(each) - len(set(each)) for each in names))
    must("event types", set(ocel.events["ocel:activity"]), {each["name"] for each in written["eventTypes"]})
    with tempfile.TemporaryDirectory() as place:
        schema = Path(place, "schema.json")
        schema.write_text(json.dumps(SCHEMA), encoding="utf-8")
        by_schema = import_module("pm4py.objects.ocel.validation.jsonocel")
        must("its check of the JSON by a schema", by_schema.apply(str(log), str(schema)), True)
        again = f"{place}/log.sqlite"
        pm4py.write_ocel2(ocel, again)
        satisfied, unsatisfied = validation.apply(again)
        # its writer declares no keys in SQLite, whatever the log: whether they hold is looked at here instead
        must(f"its {len(satisfied)} checks of a log as tables", [c for c in unsatisfied if "_key_" not in c], [])
        must("the keys of those tables", [sum(_broken(again, query)) for query in KEYS], [0] * len(KEYS))
        read = pm4py.read_ocel2(again)
        must("the same counts from its tables", (len(read.events), len(read.objects)), (len(events), len(objects)))
    graph = pm4py.discover_ocdfg(ocel)
    must("a graph of every type of object", set(graph["object_types"]), set(objects.values()))
    for loop in sorted(set(objects.values()) - {"department", "person"}):
        flat = pm4py.ocel_flattening(ocel, loop)
        must(f"the cases of {loop}, flattened", flat["case:concept:name"].nunique(), Counter(objects.values())[loop])
    _say("pm4py reads it as we mean it")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
