"""What a pack is made of: one case's events as they were recorded, their places in the tree, the files they name, who is who."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.evidence.documents import EXTENSIONS
from api.papers.pack.verify import hashes_in
from engine.audit import Checkpoint, inclusion_of
from engine.case import Case, fold
from engine.definition import Catalog, Workflow
from engine.directory import Organisation, Person
from engine.errors import BihuanError, Text
from engine.handle import unknown_case
from engine.store import files, people, records, seals
from engine.store.files import FileRecord
from engine.store.records import Record
from engine.store.seals import Signed

#: how files of a kind end
ENDINGS: Mapping[str, str] = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", **EXTENSIONS}
UNKNOWN_ENDING = ".bin"


class NotSealed(BihuanError):
    """The last checkpoint is another key's, or does not speak of all events of the case."""


@dataclass(frozen=True)
class Gathered:
    """One case as it is on record.

    proofs       one an event: the hashes that lead from it up to the checkpoint's root
    checkpoint   the last one, which speaks of all these events; `public` is the key it was signed with, in hex
    files        by hash, every file the events name; None for one that nobody knows anything of
    people       by key, whoever is named; strangers of other organisations too
    with_names   whether people are called by name besides their post
    """

    organisation: Organisation
    workflow: Workflow
    case: Case
    records: Sequence[Record]
    proofs: Sequence[Sequence[bytes]]
    checkpoint: Signed
    public: str
    files: Mapping[str, FileRecord | None]
    departments: Mapping[str, Text]
    people: Mapping[str, Person]
    zone: ZoneInfo
    made_at: datetime
    with_names: bool = True
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.checkpoint.size)

    def name_of(self, sha256: str) -> str:
        """Where this file is in the pack."""
        record = self.files.get(sha256)
        ending = UNKNOWN_ENDING if record is None else ENDINGS.get(record.media_type, UNKNOWN_ENDING)
        return f"files/{sha256}{ending}"


def gather(
    connection: Connection,
    catalog: Catalog,
    organisation: str,
    number: str,
    now: datetime,
    *,
    key: str,
    with_names: bool,
) -> Gathered:
    """Everything on record of this case, of one instant; its events have to be numbered and sealed.

    key       the fingerprint of the key that the checkpoint has to be signed with
    Raises    UnknownCase, NotSealed
    """
    found = records.of_case(connection, organisation, number)
    checkpoint = seals.last_checkpoint(connection, organisation)
    here = people.organisation(connection, organisation)
    if not found or here is None:
        raise unknown_case(number)
    case = fold([record.changes() for record in found], last_hash=found[-1].hash)
    if checkpoint is None or checkpoint.key != key or found[-1].position >= checkpoint.size:
        raise NotSealed(f"no checkpoint of the key {key} speaks of all events of {number}")
    tree = seals.Tree(connection, organisation)
    sha256s = sorted(set().union(*(hashes_in(entry["value"]) for r in found for entry in r.entries.values())))
    return Gathered(
        organisation=here,
        workflow=catalog.of(case),
        case=case,
        records=found,
        proofs=[inclusion_of(tree, record.position, checkpoint.size) for record in found],
        checkpoint=checkpoint,
        public=seals.keys(connection, organisation)[checkpoint.key],
        files={sha256: files.find(connection, organisation, sha256) for sha256 in sha256s},
        departments={each.code: each.name for each in people.departments(connection, organisation)},
        people=_people(connection, organisation, found),
        zone=people.time_zone(connection, organisation),
        made_at=now,
        with_names=with_names,
    )


def speaks_of(connection: Connection, organisation: str, number: str, key: str) -> bool:
    """Whether the last checkpoint is signed with this key and speaks of every event of the case."""
    last = seals.last_checkpoint(connection, organisation)
    found = records.of_case(connection, organisation, number)
    if last is None or last.key != key:
        return False
    return all(record.position < last.size for record in found)


def checkpoint_of(gathered: Gathered) -> Checkpoint:
    return Checkpoint.from_bytes(gathered.checkpoint.body.encode())


def _people(connection: Connection, organisation: str, found: Sequence[Record]) -> dict[str, Person]:
    """Everybody an event names: who acted, whom he stood for, whom a form names."""
    keys = set()
    for record in found:
        said = record.read()
        keys |= {key.partition(":")[2] for key in (said["actor"], said["on_behalf_of"]) if key}
        keys |= {value for value in record.answers().values() if isinstance(value, str) and len(value) <= 64}
        keys |= {value for name in ("reporter", "assignee") if (value := record.changes().get(name))}
    known = ((key, people.person(connection, organisation, key)) for key in sorted(keys))
    return {key: person for key, person in known if person is not None}
