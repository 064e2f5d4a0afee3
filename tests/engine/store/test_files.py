from dataclasses import replace
from datetime import timedelta

from engine.store import files
from engine.store.files import FileRecord
from tests.engine.fakes import HERE, PHOTO, START, THERE, School, local

NOW = local(START)
SHA = "b" * 64
RECORD = FileRecord(HERE, SHA, "image/png", 10, "person:alice", NOW)


def test_an_upload_nobody_used_is_swept_after_seven_days(school: School) -> None:
    with school.engine.database.write() as connection:
        files.use(connection, HERE, PHOTO, "X-2019-0001")
        files.use(connection, THERE, PHOTO, "X-2019-0001")
        files.add(connection, RECORD)
        assert files.sweep(connection, NOW + timedelta(days=7, microseconds=-1)) == []
        assert files.sweep(connection, NOW + timedelta(days=7)) == [(HERE, SHA)]
        assert files.find(connection, HERE, SHA) is None


def test_a_used_file_stays_however_old_it_is(school: School) -> None:
    with school.engine.database.write() as connection:
        files.add(connection, RECORD)
        files.use(connection, HERE, SHA, "X-2019-0001")
        assert (HERE, SHA) not in files.sweep(connection, NOW + timedelta(days=3650))
        assert files.find(connection, HERE, SHA) == replace(RECORD, used_by="X-2019-0001")


def test_a_file_belongs_to_the_first_case_that_used_it(school: School) -> None:
    with school.engine.database.write() as connection:
        files.add(connection, RECORD)
        files.use(connection, HERE, SHA, "X-2019-0001")
        files.use(connection, HERE, SHA, "X-2019-0002")
        found = files.find(connection, HERE, SHA)
    assert found is not None and found.used_by == "X-2019-0001"


def test_the_same_content_uploaded_again_begins_its_week_anew(school: School) -> None:
    again = NOW + timedelta(days=6)
    with school.engine.database.write() as connection:
        files.add(connection, RECORD)
        files.add(connection, replace(RECORD, uploaded_at=again, uploaded_by="person:bob"))
        assert (HERE, SHA) not in files.sweep(connection, NOW + timedelta(days=8))
        assert files.find(connection, HERE, SHA) == replace(RECORD, uploaded_at=again)


def test_one_school_does_not_know_anothers_files(school: School) -> None:
    with school.engine.database.write() as connection:
        files.add(connection, RECORD)
        files.use(connection, THERE, SHA, "X-2019-0001")
        assert files.find(connection, THERE, SHA) is None
        assert files.find(connection, HERE, SHA) == RECORD
