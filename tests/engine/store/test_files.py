from dataclasses import replace
from datetime import timedelta

from engine.store import files
from engine.store.files import FileRecord
from tests.engine.fakes import HERE, PHOTO, START, THERE, School, local

NOW = local(START)
SHA = "b" * 64
RECORD = FileRecord(HERE, SHA, "image/png", 10, NOW)
ALICE, BOB = "person:alice", "person:bob"


def test_an_upload_nobody_used_is_swept_after_seven_days(school: School) -> None:
    with school.engine.database.write_across() as connection:
        files.use(connection, HERE, PHOTO, "X-2019-0001")
        files.use(connection, THERE, PHOTO, "X-2019-0001")
        files.add(connection, RECORD, ALICE)
        assert files.sweep(connection, NOW + timedelta(days=7, microseconds=-1)) == []
        assert files.sweep(connection, NOW + timedelta(days=7)) == [(HERE, SHA)]
        assert files.find(connection, HERE, SHA) is None


def test_a_used_file_stays_however_old_it_is(school: School) -> None:
    with school.engine.database.write_across() as connection:
        files.add(connection, RECORD, ALICE)
        files.use(connection, HERE, SHA, "X-2019-0001")
        assert (HERE, SHA) not in files.sweep(connection, NOW + timedelta(days=3650))
        assert files.find(connection, HERE, SHA) == RECORD


def test_a_file_is_evidence_in_every_case_that_uses_it(school: School) -> None:
    with school.engine.database.write_across() as connection:
        files.add(connection, RECORD, ALICE)
        files.add(connection, RECORD, BOB)
        for number in ("X-2019-0002", "X-2019-0001", "X-2019-0002"):
            files.use(connection, HERE, SHA, number)
        assert files.cases_using(connection, HERE, SHA) == ["X-2019-0001", "X-2019-0002"]
        assert list(files.senders(connection, HERE, SHA)) == [ALICE, BOB]
        assert files.senders(connection, THERE, SHA) == {}


def test_the_same_content_uploaded_again_begins_its_week_anew(school: School) -> None:
    again = NOW + timedelta(days=6)
    with school.engine.database.write_across() as connection:
        files.add(connection, RECORD, ALICE)
        files.add(connection, replace(RECORD, uploaded_at=again), BOB)
        assert (HERE, SHA) not in files.sweep(connection, NOW + timedelta(days=8))
        assert files.find(connection, HERE, SHA) == replace(RECORD, uploaded_at=again)


def test_one_school_does_not_know_anothers_files(school: School) -> None:
    with school.engine.database.write_across() as connection:
        files.add(connection, RECORD, ALICE)
        files.use(connection, THERE, SHA, "X-2019-0001")
        assert files.find(connection, THERE, SHA) is None
        assert files.find(connection, HERE, SHA) == RECORD
