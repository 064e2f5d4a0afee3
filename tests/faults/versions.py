"""An old node and a new one side by side over a migration. The new program is a copy of ours with one revision more, which adds
columns, a table and indexes; its processes really run on it.

The promise (api/migrations, README): a node that runs goes on while the tables become newer, and beside newer nodes; one that
is started on newer tables than it knows refuses with a sentence.
"""

import random
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from api import migrations
from engine.commands import Asked
from engine.errors import Busy, FolderError
from engine.handle import handle
from engine.store.database import Database
from engine.tick import tick
from tests.databases import KINDS, Kind
from tests.faults.faults import Counted, Fault, Ground, Plain, at_a_school
from tests.faults.forks import ROOT, Forks, What, Work
from tests.faults.invariants import Broken, answer_of
from tests.faults.places import Place, everything

MOST_TRIES = 50  # of one command while the tables change; each may have waited for them
REMARK = "by the new one"

_REVISION = '''"""What the next version might bring. The tests' own."""

import sqlalchemy as sa
from alembic import op
from api.migrations import walls

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("case_record", sa.Column("remark", sa.String(length=200), nullable=True))
    op.create_table(
        "remark",
        sa.Column("organisation", sa.String(length=64), primary_key=True),
        sa.Column("number", sa.String(length=64), primary_key=True),
        sa.Column("remark", sa.String(length=200), nullable=True),
    )
    if op.get_bind().dialect.name != "sqlite":
        walls.enclose(op.get_bind(), "remark")
    op.create_index("ix_remark_remark", "remark", ["remark"])
    op.create_index("ix_case_record_remark", "case_record", ["organisation", "remark"])
    with op.batch_alter_table("file") as table:
        table.add_column(sa.Column("remark", sa.String(length=200), nullable=False, server_default=""))
'''


@dataclass
class TwoVersions(Plain):
    """new    processes of the new program"""

    new: Forks


@contextmanager
def _ground(kind: Kind, folder: Path, *, short: bool) -> Iterator[TwoVersions]:
    program = folder / "new"
    shutil.copytree(ROOT / "api", program / "api", ignore=shutil.ignore_patterns("__pycache__"))
    newest = str(migrations.newest_revision())
    newer = f"{int(newest) + 1:04d}"
    file = program / "api" / "migrations" / "versions" / f"rev_{newer}.py"
    file.write_text(_REVISION.format(revision=newer, before=newest), encoding="utf-8")
    with Forks(program) as new:
        yield TwoVersions(kind, folder, new)


def _cycle(ground: Ground, place: Place, chance: random.Random, number: int) -> Counted:
    """1. the old node works while the tables change under it  2. both work at once  3. neither loses what the other wrote
    4. who is started now and knows less refuses
    """
    assert isinstance(ground, TwoVersions)
    counted = Counted()
    commands = everything(place)
    chance.shuffle(commands)
    before, meanwhile = chance.randint(1, 4), chance.randint(4, 10)
    _old(place, commands[:before], counted)  # its connections are open, its statements known to the server
    with ThreadPoolExecutor(1) as pool:
        upgrading = pool.submit(_new, ground, place, "upgrade", ())
        _old(place, commands[before:meanwhile], counted)
        upgrading.result()
        left = commands[meanwhile:]
        at_once = pool.submit(_new, ground, place, "handle", left[::2])
        _old(place, left[1::2], counted)
        at_once.result()
    _neither_loses_what_the_other_wrote(ground, place)
    _who_knows_less_does_not_start(place)
    tick(place.engine)
    _new(ground, place, "deliver", ())
    return counted


def _old(place: Place, group: Sequence[Asked], counted: Counted) -> None:
    for asked in group:
        for _ in range(MOST_TRIES):
            try:
                [outcome] = handle(place.engine, [asked])
                break
            except Busy:
                counted.busy += 1
                counted.undone += 1
        else:
            raise Broken(f"the old node was kept from {asked.command} for ever")
        place.acknowledge([asked], [answer_of(outcome)])


def _new(ground: TwoVersions, place: Place, what: What, group: Sequence[Asked]) -> None:
    ran = ground.new.run(Work(place.url, place.school.clock.now(), what, tuple(group), place.post))
    assert ran.answers is not None
    if what == "handle":
        place.acknowledge(group, ran.answers)


def _neither_loses_what_the_other_wrote(ground: TwoVersions, place: Place) -> None:
    number = place.ledger.open_cases(place.engine.database)[0]
    with place.engine.database.write_across() as connection:
        connection.execute(text(f"UPDATE case_record SET remark = '{REMARK}' WHERE number = '{number}'"))
    place.ask(place.next_step(number))
    with place.engine.database.read_across() as connection:
        kept = connection.execute(text(f"SELECT remark FROM case_record WHERE number = '{number}'")).scalar_one()
    if kept != REMARK:
        raise Broken(f"the old node wrote over what it does not know of {number}: {kept!r}")


def _who_knows_less_does_not_start(place: Place) -> None:
    with closing(Database(place.url)) as database:
        try:
            migrations.must_be_newest(database)
        except FolderError as refused:
            if "newer than this program" not in refused.text.en or "请升级程序" not in refused.text.zh:
                raise Broken(f"it refused, and said {refused.text.en!r}") from refused
        else:
            raise Broken("an old node was started on newer tables")


VERSIONS = Fault(
    "versions",
    "an old node and a new one side by side while the tables change and after",
    KINDS,
    _ground,
    at_a_school(_cycle),
)
