from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from api.cli import main
from api.keeping.retention import before, kept_longer
from engine.store import files
from engine.store.database import table_of
from engine.store.tables import CaseRow
from tests.api.keeping_grounds import HERE, Grounds, the_grounds
from tests.builders import START
from tests.databases import Kind, on_sqlite
from tests.faults.invariants import contents


@pytest.fixture
def grounds(tmp_path: Path, kind: Kind) -> Iterator[Grounds]:
    with the_grounds(tmp_path, kind) as grounds:
        yield grounds


def test_what_was_closed_long_ago_is_told_by_workflow_and_year(grounds: Grounds) -> None:
    first, second, _ = grounds.work("a", 3)
    cases = table_of(CaseRow)
    with grounds.runtime.database.write(HERE) as connection:
        for number, year in ((first, 2015), (second, 2016)):
            closed = START.replace(year=year)
            connection.execute(update(cases).where(cases.c.number == number).values(closed_at=closed))
        files.add(connection, files.FileRecord(HERE, "ab" * 32, "image/png", 1234, START), "person:teacher")
        files.use(connection, HERE, "ab" * 32, second)
    with grounds.runtime.database.read(HERE) as connection:
        old, newer = kept_longer(connection, HERE, before(START))
    assert (old.workflow, old.year, old.cases, old.events, old.files, old.bytes) == ("hazard", 2015, 1, 2, 0, 0)
    assert (newer.year, newer.files, newer.bytes) == (2016, 1, 1234)
    assert old.text > 1000


@pytest.mark.parametrize(
    "now, then",
    [((2020, 3, 2), (2017, 3, 2)), ((2020, 2, 29), (2017, 2, 28))],
)
def test_three_years_ago_is_the_same_day(now: tuple[int, int, int], then: tuple[int, int, int]) -> None:
    assert before(datetime(*now, tzinfo=UTC)) == datetime(*then, tzinfo=UTC)


@on_sqlite
def test_the_command_reports_and_changes_nothing(grounds: Grounds) -> None:
    grounds.work("a")
    before_it = contents(grounds.runtime.database)
    told = CliRunner().invoke(main, ["audit", "retention", "--years", "0", "--data", str(grounds.folder.path)])
    assert told.exit_code == 0, told.output
    assert "nothing here deletes any of it" in told.output
    assert contents(grounds.runtime.database) == before_it
