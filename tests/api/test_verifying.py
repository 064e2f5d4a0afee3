"""Whatever is done to the records behind the engine's back is found, and named: which case, which event, what."""

import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import Connection, text

from api.bootstrap import Runtime
from api.cli import main
from api.keys import KeyRing, SealKey
from api.sealing import NotGrown, SealFile, begin_another, seal_after_restore, seal_now
from api.verifying import Report, verify
from engine.audit import SALT_BYTES, Checkpoint, commit
from engine.clock import SimulatedClock
from engine.commands import Asked, Command, FireTrigger, OpenCase
from engine.errors import FolderError
from engine.events import LOGBOOK
from engine.handle import handle_one, note
from engine.store import history, seals
from engine.store.database import Database
from tests.builders import REPAIRS, School, a_school
from tests.conftest import Played
from tests.databases import on_sqlite

HERE = "school"
NONCE = b"n" * SALT_BYTES
LEFT = commit(NONCE, "（已清除）")
FIRST, SECOND = "WX-2020-0001", "WX-2020-0002"


def do(runtime: Runtime, who: str, command: Command) -> None:
    handle_one(runtime.engine, Asked(School(HERE).actor(who), command, "route", None))
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(minutes=1))


def a_picture(colour: str = "red") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def kept(runtime: Runtime) -> Runtime:
    """Two cases, one of them with a picture on its third event, sealed twice."""
    a_school(runtime.database)
    for title in ("插座松动", "灯不亮"):
        do(runtime, "teacher", OpenCase("repair", {"title": title, "place": "教学楼", "category": "ELEC"}))
    runtime.seal()
    do(runtime, "safety_staff", FireTrigger(FIRST, "assign", {"assignee": "repairer", "urgency": 1}))
    now = runtime.clock.now()
    photo = runtime.files.put(runtime.database, HERE, a_picture(), "person:repairer", now).record.sha256
    do(runtime, "repairer", FireTrigger(FIRST, "fix", {"done": "已更换插座", "photo": photo}))
    runtime.seal()
    return runtime


def verified(runtime: Runtime, **how: Any) -> Report:
    return verify(runtime.database, runtime.folder, HERE, **{"processes": 1, "catalog": REPAIRS, **how})


def told(runtime: Runtime, **how: Any) -> set[tuple[str, str | None, int | None]]:
    """(what, case, event) of each finding; that it is told in both languages goes without saying."""
    report = verified(runtime, **how)
    for finding in report.findings:
        assert finding.sentence("zh") and finding.sentence("en") and finding.sentence("zh") != finding.sentence("en")
    return {(finding.code, finding.number, finding.sequence) for finding in report.findings}


@contextmanager
def behind_its_back(runtime: Runtime) -> Iterator[Connection]:
    """As whoever owns the tables, with nothing that keeps events as they are."""
    with runtime.database.own() as connection:
        if runtime.database.on_server:
            connection.execute(text("SET session_replication_role = replica"))
        else:
            named = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for trigger in named:
                connection.execute(text(f'DROP TRIGGER "{trigger}"'))
        yield connection
        if runtime.database.on_server:
            connection.execute(text("SET session_replication_role = origin"))


def change(runtime: Runtime, *statements: str, **values: Any) -> None:
    with behind_its_back(runtime) as connection:
        for statement in statements:
            connection.execute(text(statement), values)


def test_what_nobody_touched_is_clean(kept: Runtime) -> None:
    report = verified(kept)
    assert report.findings == [] and report.is_clean and report.notes == []
    assert (report.events, report.cases, report.files, report.checkpoints) == (5, 2, 1, 2)
    assert (report.size, report.sealed) == (5, 5)


def test_the_campaign_is_clean_for_two_processes(campaign: Played, tmp_path: Path) -> None:
    folder = campaign.copied_to(tmp_path / "campaign")
    ran = CliRunner().invoke(main, ["audit", "verify", "--data", str(folder), "--json"], catch_exceptions=False)
    report = json.loads(ran.stdout)
    assert (ran.exit_code, report["clean"], report["findings"]) == (0, True, [])
    assert report["events"] == report["size"] == report["sealed"] > 1000


# --- nine ways to tamper ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["beginning", "middle"])
def test_one_byte_of_an_event_changed_is_named(kept: Runtime, place: str) -> None:
    where = {"beginning": 1, "middle": 200}[place]
    change(
        kept,
        f"UPDATE event SET envelope = substr(envelope, 1, {where}) || '~' || substr(envelope, {where + 2}) "
        f"WHERE number = '{FIRST}' AND sequence = 2",
    )
    assert ("event_changed", FIRST, 2) in told(kept)
    assert {(number, sequence) for _, number, sequence in told(kept)} == {(FIRST, 2)}, "and nothing else is"


@on_sqlite
def test_a_byte_that_makes_no_text_is_named_and_keeps_nothing_else_from_being_checked(kept: Runtime) -> None:
    change(
        kept,
        f"UPDATE event SET envelope = CAST(CAST(envelope AS BLOB) || x'ff' AS TEXT) WHERE number = '{FIRST}' AND sequence = 2",
        f"UPDATE event SET actor = CAST(x'ff' AS TEXT) WHERE number = '{SECOND}'",
        f"UPDATE case_record SET title = CAST(x'ff' AS TEXT) WHERE number = '{SECOND}'",
    )
    found = told(kept)
    assert {("event_changed", FIRST, 2), ("event_unreadable", FIRST, 2)} <= found
    assert {("columns", SECOND, 1), ("case_changed", SECOND, None)} <= found


def test_an_event_removed_from_the_middle_is_named(kept: Runtime) -> None:
    change(kept, f"DELETE FROM event WHERE number = '{FIRST}' AND sequence = 2")
    found = told(kept)
    assert {("event_missing", FIRST, 3), ("event_missing", FIRST, 2)} <= found
    assert "what it said is there, and the event itself is gone" in {f.what.en for f in verified(kept).findings}


def test_an_event_removed_with_every_trace_of_it_is_named(kept: Runtime) -> None:
    change(
        kept,
        *(
            f"DELETE FROM {table} WHERE number = '{FIRST}' AND sequence = 2"
            for table in ("event", "disclosure", "trail")
        ),
    )
    report = verified(kept)
    codes = {finding.code for finding in report.findings}
    assert {"event_missing", "chain", "trail_gap"} <= codes
    [gap] = [finding for finding in report.findings if finding.code == "event_missing"]
    assert (gap.number, gap.sequence) == (FIRST, 3)
    assert gap.sentence("en") == f"{FIRST}, event 3: event 2 is missing before it"
    assert gap.sentence("zh") == f"{FIRST} 第 3 条记录：第 2 条记录不见了"


def cut_off(runtime: Runtime) -> None:
    """Take the end away so that everything agrees that is left: the last step, its checkpoint, and what the case became."""
    with runtime.database.read(HERE) as connection:
        before, event = history.as_of(connection, HERE, FIRST, 2)
    body = json.dumps(dict(before.to_json()), ensure_ascii=False)
    change(
        runtime,
        *(f"DELETE FROM {table} WHERE number = '{FIRST}' AND sequence = 3" for table in ("event", "disclosure", "trail")),
        "DELETE FROM checkpoint WHERE id = 2",
        f"UPDATE trail SET until = '9999-12-31 00:00:00{'+00' if runtime.database.on_server else '.000000'}', lasted = 15 "
        f"WHERE number = '{FIRST}' AND sequence = 2",
        f"UPDATE case_record SET body = {'CAST(:body AS JSON)' if runtime.database.on_server else ':body'}, state = :state, "
        "counts_as = :state, revision = :revision, sequence = 2, last_hash = :hash, awaits = ' assignee ', words = :words, "
        f"due_at = :due, calendar_version = 1 WHERE number = '{FIRST}'",
        body=body, state=before.state, revision=before.revision, hash=event.hash,
        words=f"{FIRST} 插座松动 教学楼 插座松动 教学楼 HQC ELEC repairer".lower(),
        due=before.due_at if runtime.database.on_server else f"{before.due_at:%Y-%m-%d %H:%M:%S.%f}",
    )  # fmt: skip


def test_the_sealed_tail_cut_off_is_named_by_the_checkpoint_that_was_kept_outside(
    kept: Runtime, tmp_path: Path
) -> None:
    outside = tmp_path / "seals.jsonl"
    SealFile(outside).catch_up(kept.database)
    cut_off(kept)
    beside = kept.folder.keys / "seal" / HERE / "held.json"
    [held] = [finding for finding in verified(kept).findings if finding.code == "held"]
    assert "the checkpoint beside the key (5 events) speaks of more than there is now (4)" in held.what.en
    beside.unlink()
    assert {code for code, _, _ in told(kept)} <= {"case_changed"}, "from inside, at most the case shows it"
    report = verified(kept, outside=outside)
    [cut] = [finding for finding in report.findings if finding.code == "outside"]
    assert "speaks of more than there is now (4): the end was cut off" in cut.what.en
    assert "末尾被截去" in cut.what.zh and "第 2 行，5 条记录" in cut.what.zh


def test_a_tail_cut_off_under_its_checkpoint_is_named(kept: Runtime) -> None:
    change(
        kept,
        *(
            f"DELETE FROM {table} WHERE number = '{FIRST}' AND sequence = 3"
            for table in ("event", "disclosure", "trail")
        ),
    )
    [cut] = [finding for finding in verified(kept).findings if finding.code == "root"]
    assert cut.checkpoint == 2
    assert cut.what.en == "it was signed over 5 events, and there are 4: sealed events were cut off"


def test_two_events_swapped_are_named(kept: Runtime) -> None:
    change(
        kept,
        *(
            f"UPDATE {table} SET sequence = {new} WHERE number = '{FIRST}' AND sequence = {old}"
            for table in ("event", "disclosure")
            for old, new in ((2, 99), (3, 2), (99, 3))
        ),
    )
    found = told(kept)
    assert {
        ("columns", FIRST, 2),
        ("columns", FIRST, 3),
        ("chain", FIRST, 2),
        ("leaf", FIRST, 2),
        ("leaf", FIRST, 3),
    } <= found


def test_a_case_edited_behind_the_engines_back_is_named_with_what_was_edited(kept: Runtime) -> None:
    change(kept, f"UPDATE case_record SET state = 'closed', assignee = 'driver' WHERE number = '{SECOND}'")
    [finding] = verified(kept).findings
    assert (finding.code, finding.number) == ("case_changed", SECOND)
    assert finding.what.en.endswith("it was edited: state, assignee") and finding.what.zh.endswith("：state、assignee")


def test_the_body_of_a_case_edited_is_named_too(kept: Runtime) -> None:
    on_server = kept.database.on_server
    column, back = ("body::text", "::json") if on_server else ("body", "")
    change(kept, f"UPDATE case_record SET body = replace({column}, 'ELEC', 'GLAS'){back} WHERE number = '{SECOND}'")
    [finding] = verified(kept).findings
    assert (finding.code, finding.number) == ("case_changed", SECOND)
    assert finding.what.en.endswith("it was edited: category")


@pytest.mark.parametrize("statement, code", [
    (f"DELETE FROM case_record WHERE number = '{SECOND}'", "case_missing"),
    (f"UPDATE case_record SET number = 'WX-2020-0003' WHERE number = '{SECOND}'", "case_without_events"),
])  # fmt: skip
def test_a_case_that_vanished_or_came_from_nowhere_is_named(kept: Runtime, statement: str, code: str) -> None:
    change(kept, statement)
    assert code in {found for found, _, _ in told(kept)}


@pytest.mark.parametrize("with_what, says", [(a_picture("blue"), "was replaced"), (None, "is not in the data folder")])
def test_a_file_replaced_or_taken_away_is_named_with_the_event_it_proves(
    kept: Runtime, with_what: bytes | None, says: str
) -> None:
    [path] = [path for path in kept.folder.files.rglob("*") if path.is_file() and path.suffix != ".thumbnail"]
    path.unlink() if with_what is None else path.write_bytes(with_what)
    [finding] = verified(kept).findings
    assert (finding.code, finding.number, finding.sequence) == ("file", FIRST, 3)
    assert says in finding.what.en and path.name in finding.what.zh


@on_sqlite
def test_the_database_swapped_for_an_older_backup_is_named_by_what_was_kept_outside(
    kept: Runtime, tmp_path: Path
) -> None:
    backup, outside = tmp_path / "backup.db", tmp_path / "seals.jsonl"
    with closing(sqlite3.connect(kept.folder.database)) as there, closing(sqlite3.connect(backup)) as target:
        there.backup(target)
    do(kept, "teacher", OpenCase("repair", {"title": "门锁坏", "place": "宿舍"}))
    kept.seal()
    SealFile(outside).catch_up(kept.database)
    kept.database.close()
    for left in kept.folder.path.glob("bihuan.db*"):
        left.unlink()
    shutil.copy(backup, kept.folder.database)
    assert {code for code, _, _ in told(kept)} == {"held"}
    (kept.folder.keys / "seal" / HERE / "held.json").unlink()
    assert verified(kept).is_clean, "by itself an older history is as good as any"
    [finding] = verified(kept, outside=outside).findings
    assert "第 3 行，6 条记录" in finding.what.zh
    assert "an older backup was put in the place of the database" in finding.what.en


def test_a_checkpoint_signed_by_another_key_is_named(kept: Runtime) -> None:
    forger = SealKey.drawn()
    with kept.database.read(HERE) as connection:
        last = seals.last_checkpoint(connection, HERE)
    assert last is not None
    change(
        kept,
        "UPDATE checkpoint SET signature = :signature WHERE id = 2",
        signature=forger.sign(last.body.encode()).hex(),
    )
    [finding] = verified(kept).findings
    assert (finding.code, finding.checkpoint) == ("signature", 2)
    assert "another key signed it" in finding.what.en and "另一密钥" in finding.what.zh


def test_a_checkpoint_under_a_forgers_own_key_is_named_also_where_he_put_his_key_among_ours(kept: Runtime) -> None:
    forger = SealKey.drawn()
    with kept.database.read(HERE) as connection:
        last = seals.last_checkpoint(connection, HERE)
    assert last is not None
    old = Checkpoint.from_bytes(last.body.encode())
    body = Checkpoint(old.organisation, old.size, old.root, old.at, old.previous, forger.key).to_bytes()
    forged = {"key": forger.key, "body": body.decode(), "signature": forger.sign(body).hex()}
    change(kept, "UPDATE checkpoint SET key = :key, body = :body, signature = :signature WHERE id = 2", **forged)
    [finding] = verified(kept).findings
    assert (finding.code, finding.checkpoint) == ("signature", 2)
    assert "never had" in finding.what.en
    change(
        kept,
        "INSERT INTO seal_key (organisation, key, public, since) SELECT organisation, :key, :public, since FROM seal_key",
        key=forger.key, public=forger.public.hex(),
    )  # fmt: skip
    [finding] = verified(kept).findings
    assert finding.code == "key" and forger.key in finding.what.en


def test_what_somebody_said_changed_is_named_by_its_commitment(kept: Runtime) -> None:
    on_server = kept.database.on_server
    column, back = ("entries::text", "::json") if on_server else ("entries", "")
    change(
        kept,
        f"UPDATE disclosure SET entries = replace({column}, '已更换插座', '未更换插座'){back} WHERE number = '{FIRST}' AND sequence = 3",
    )
    assert {("commitment", FIRST, 3)} <= told(kept)
    assert any("'kept.facts.done'" in finding.what.en for finding in verified(kept).findings)


# --- and more ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["actor = 'person:driver'", "trigger = 'close'", "type = 'signed'", "to_state = 'closed'", "on_behalf_of = 'person:driver'"])  # fmt: skip
def test_a_column_of_an_event_that_says_otherwise_than_the_event_is_named(kept: Runtime, what: str) -> None:
    change(kept, f"UPDATE event SET {what} WHERE number = '{FIRST}' AND sequence = 2")
    assert ("columns", FIRST, 2) in told(kept)


@pytest.mark.parametrize("what", ["actor = 'person:driver'", "state = 'closed'", "department = 'BWC'", "until = recorded_at", "lasted = 3"])  # fmt: skip
def test_what_auditors_ask_by_is_held_against_the_events(kept: Runtime, what: str) -> None:
    change(kept, f"UPDATE trail SET {what} WHERE number = '{FIRST}' AND sequence = 3")
    assert told(kept) == {("trail", FIRST, 3)}


def test_a_trail_made_to_fit_a_forged_event_does_not_fit_what_was_signed(kept: Runtime) -> None:
    change(
        kept,
        f"UPDATE trail SET hash = (SELECT hash FROM trail WHERE number = '{SECOND}') WHERE number = '{FIRST}' AND sequence = 2",
    )
    report = verified(kept)
    assert {(finding.code, finding.sequence, finding.checkpoint) for finding in report.findings} == {
        ("leaf", 2, None),
        ("root", None, 2),
        ("held", None, None),
    }
    [root] = [finding for finding in report.findings if finding.code == "root"]
    assert "among events 4 to 5 of all" in root.what.en or "among events 3 to 5 of all" in root.what.en


def test_a_checkpoint_taken_out_of_the_row_is_missed(kept: Runtime) -> None:
    change(kept, "DELETE FROM checkpoint WHERE id = 1")
    assert {code for code, _, _ in told(kept)} == {"checkpoint_missing", "checkpoint_chain"}


@pytest.mark.parametrize("which", ["id = 2", "id > 0"])
def test_the_last_checkpoints_taken_out_are_missed_by_the_one_beside_the_key(kept: Runtime, which: str) -> None:
    change(kept, f"DELETE FROM checkpoint WHERE {which}")
    [finding] = verified(kept).findings
    left = 3 if which == "id = 2" else 0
    assert finding.code == "checkpoint_missing"
    assert finding.what.en.startswith(
        "the checkpoint beside the key (5 events) holds, and the checkpoints that are stored end"
    )
    assert f"end at {left} events: those after it were taken out" in finding.what.en
    kept.seal()
    assert verified(kept).findings == [], "what is signed anew speaks of all of it"


def test_that_no_checkpoint_lies_beside_the_key_is_told(kept: Runtime) -> None:
    (kept.folder.keys / "seal" / HERE / "held.json").unlink()
    report = verified(kept)
    assert report.is_clean and "no checkpoint lies beside the key" in report.notes[0].en
    do(kept, "safety_staff", FireTrigger(FIRST, "verify", {}))
    kept.seal()
    assert verified(kept).notes == []


def test_a_key_taken_out_with_all_it_signed_is_missed_by_the_logbook(kept: Runtime) -> None:
    (kept.folder.keys / "seal" / HERE / "held.json").unlink()
    change(kept, "DELETE FROM checkpoint", "DELETE FROM seal_key")
    [finding] = verified(kept).findings
    assert finding.code == "key" and "it is not among the keys: it was taken out" in finding.what.en


def test_an_event_of_the_logbook_changed_is_named(kept: Runtime) -> None:
    change(kept, f"UPDATE event SET actor = 'person:driver' WHERE number = '{LOGBOOK}'")
    assert told(kept) == {("columns", LOGBOOK, 1), ("trail", LOGBOOK, 1)}
    assert all(finding.sentence("en").startswith("the logbook, event 1: ") for finding in verified(kept).findings)
    assert all(finding.sentence("zh").startswith("操作日志 第 1 条记录：") for finding in verified(kept).findings)


def test_another_key_leaves_everything_clean(kept: Runtime) -> None:
    begin_another(kept.engine, kept.keys, HERE)
    do(kept, "teacher", OpenCase("repair", {"title": "门锁坏", "place": "宿舍"}))
    kept.seal()
    assert verified(kept).findings == []


def test_a_folder_without_its_key_says_so_and_is_clean(kept: Runtime) -> None:
    shutil.rmtree(kept.folder.keys)
    report = verified(kept)
    assert report.is_clean and "nothing can be signed here" in report.notes[0].en


# --- what is new since -------------------------------------------------------------------------------------------------------


def test_only_what_is_new_is_checked_again(kept: Runtime) -> None:
    assert verified(kept).is_clean
    do(kept, "safety_staff", FireTrigger(FIRST, "verify", {}))
    report = verified(kept, only_new=True)
    assert (report.findings, report.since, report.events, report.cases) == ([], 5, 4, 1), "the case that went on, whole"
    assert verified(kept, only_new=True).events == 0


def test_an_event_that_is_new_and_gone_is_named_also_where_only_the_trail_has_it(kept: Runtime) -> None:
    """The logbook's last event: no later one misses it, and no case is folded from it."""
    assert verified(kept).is_clean
    note(kept.engine, School(HERE).actor("principal"), "exported", {"what": "events"})
    kept.seal()
    change(
        kept, *(f"DELETE FROM {table} WHERE number = '{LOGBOOK}' AND sequence = 2" for table in ("event", "disclosure"))
    )
    assert told(kept, only_new=True) == {("event_missing", LOGBOOK, 2)}


def test_what_is_new_goes_on_from_the_last_clean_run_and_not_from_one_with_findings(kept: Runtime) -> None:
    assert verified(kept).is_clean
    do(kept, "safety_staff", FireTrigger(FIRST, "verify", {}))
    change(kept, f"UPDATE case_record SET state = 'closed' WHERE number = '{FIRST}'")
    for _ in range(2):
        assert told(kept, only_new=True) == {("case_changed", FIRST, None)}


def test_a_history_that_is_another_than_was_checked_is_checked_whole(kept: Runtime) -> None:
    assert verified(kept).is_clean
    change(
        kept,
        f"UPDATE trail SET hash = (SELECT hash FROM trail WHERE number = '{SECOND}') WHERE number = '{FIRST}' AND sequence = 2",
    )
    report = verified(kept, only_new=True)
    assert not report.is_clean and "everything was checked" in report.notes[0].en


def test_a_tail_cut_off_without_a_trace_is_not_what_was_checked_before(kept: Runtime) -> None:
    """What the folder remembers lies outside the database, and is held against it even where nobody kept a checkpoint."""
    assert verified(kept).is_clean
    cut_off(kept)
    for _ in range(2):
        assert "remembered" in {code for code, _, _ in told(kept, only_new=True)}, (
            "and it is not forgotten by being told"
        )


# --- what was kept outside ---------------------------------------------------------------------------------------------------


def test_what_audit_seal_prints_can_be_given_back(kept: Runtime, tmp_path: Path) -> None:
    SealFile(tmp_path / "seals.jsonl").catch_up(kept.database)
    last = json.loads((tmp_path / "seals.jsonl").read_text().splitlines()[-1])
    (tmp_path / "one.json").write_text(json.dumps({**last, "checkpoint": json.loads(last["body"])}, indent=2))
    report = verified(kept, outside=tmp_path / "one.json")
    assert report.is_clean and report.outside == 1


@pytest.mark.parametrize("written", ["", "{}", '{"body": "x", "signature": "", "public": ""}', "hello"])
def test_a_file_that_holds_no_checkpoint_of_ours_is_refused(kept: Runtime, tmp_path: Path, written: str) -> None:
    (tmp_path / "outside").write_text(written)
    with pytest.raises(FolderError, match="no checkpoint"):
        verified(kept, outside=tmp_path / "outside")


def test_a_file_that_cannot_be_used_is_said_also_where_another_process_reads_it(kept: Runtime, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="There is no file"):
        verified(kept, outside=tmp_path / "nowhere", processes=2)
    (tmp_path / "outside").write_text("{}")
    with pytest.raises(FolderError, match="no checkpoint"):
        verified(kept, outside=tmp_path / "outside", processes=2)


def test_an_outside_checkpoint_somebody_made_up_is_named(kept: Runtime, tmp_path: Path) -> None:
    SealFile(tmp_path / "seals.jsonl").catch_up(kept.database)
    lines = [json.loads(line) for line in (tmp_path / "seals.jsonl").read_text().splitlines()]
    lines[1]["signature"] = lines[0]["signature"]
    (tmp_path / "outside").write_text("\n".join(map(json.dumps, lines)))
    [finding] = verified(kept, outside=tmp_path / "outside").findings
    assert finding.code == "outside" and "line 2" in finding.what.en


class WhileItIsServed(Database):
    """One in which more is recorded, sealed and kept outside as soon as anything was read."""

    def __init__(self, served: Runtime, outside: Path) -> None:
        super().__init__(served.database.url)
        self._served, self._seals = served, SealFile(outside)

    @contextmanager
    def read(self, organisation: str) -> Iterator[Connection]:
        with super().read(organisation) as connection:
            yield connection
        do(self._served, "teacher", OpenCase("repair", {"title": "门锁坏", "place": "宿舍"}))
        self._served.seal()
        self._seals.catch_up(self._served.database)


def test_what_is_recorded_and_kept_outside_while_it_is_checked_raises_no_alarm(kept: Runtime, tmp_path: Path) -> None:
    outside = tmp_path / "seals.jsonl"
    SealFile(outside).catch_up(kept.database)
    served = WhileItIsServed(kept, outside)
    report = verify(served, kept.folder, HERE, outside=outside, processes=1, catalog=REPAIRS)
    served.close()
    assert report.findings == [] and report.outside < len(outside.read_text().splitlines())


@on_sqlite
def test_a_restore_that_is_on_record_explains_what_was_lost(kept: Runtime, tmp_path: Path) -> None:
    """The records of a backup, the logbook that says so, and a file outside that still knows what came after."""
    backup, outside = tmp_path / "backup.db", tmp_path / "seals.jsonl"
    with closing(sqlite3.connect(kept.folder.database)) as there, closing(sqlite3.connect(backup)) as target:
        there.backup(target)
    do(kept, "teacher", OpenCase("repair", {"title": "门锁坏", "place": "宿舍"}))
    kept.seal()
    SealFile(outside).catch_up(kept.database)
    kept.database.close()
    for left in kept.folder.path.glob("bihuan.db*"):
        left.unlink()
    shutil.copy(backup, kept.folder.database)
    note(kept.engine, School(HERE).actor("principal"), "restored", {"trail": 5})
    do(kept, "teacher", OpenCase("repair", {"title": "门锁坏了", "place": "宿舍"}))
    assert isinstance(kept.seal().failed[HERE], NotGrown), "anybody who has the database can write a note"
    report = verified(kept, outside=outside)
    assert (report.findings, report.notes, report.is_clean) == ([], [], False)
    [said] = report.lost
    assert "events 6 to 6 of all were lost when a backup was restored" in said.en and "从备份恢复时丢失" in said.zh
    assert "could have written it" in said.en and "也能写下这一条" in said.zh
    seal_after_restore(kept.engine, kept.keys, HERE)
    report = verified(kept, outside=outside)
    assert (report.findings, report.lost, report.is_clean) == ([], [], True), "whoever has the key said so"
    [said] = report.notes
    assert "lost when a backup was restored" in said.en and "从备份恢复时丢失" in said.zh
    assert SealFile(outside).catch_up(kept.database) == 1, "under an id that the file knows already"
    report = verified(kept, outside=outside)
    assert (report.findings, report.notes, report.outside) == ([], [said], 4)
    assert SealFile(outside).catch_up(kept.database) == 0


def test_a_restore_made_up_behind_the_engines_back_excuses_no_checkpoint(kept: Runtime, tmp_path: Path) -> None:
    """Another history under a key of its own, whose logbook says that a restore lost all there was."""
    outside = tmp_path / "seals.jsonl"
    SealFile(outside).catch_up(kept.database)
    change(kept, *(f"DELETE FROM {table}" for table in ("trail", "tree_node", "checkpoint", "seal_key", "unnumbered")))
    change(kept, *(f"DELETE FROM {table}" for table in ("disclosure", "event", "timer", "party", "case_record")))
    forger = tmp_path / "forger"
    note(kept.engine, School(HERE).actor("principal"), "restored", {"trail": 0})
    seal_now(kept.engine, KeyRing(forger), HERE)
    report = verified(kept, outside=outside)
    assert not report.is_clean and len(report.lost) == 1, "the forger's own key is none that the file knows"
    assert "(5 events)" not in report.lost[0].en and "3 of the checkpoints kept elsewhere" in report.lost[0].en
    run = ["audit", "verify", "--processes", "1", "--checkpoint", str(outside), "--data", str(kept.folder.path)]
    result = CliRunner().invoke(main, run, env={"BIHUAN_DATABASE_URL": kept.settings.database_url or ""})
    assert "已丢失 · Lost" in result.output and result.exit_code == 3, result.output


def test_a_restored_note_that_says_less_came_back_than_did_is_named(kept: Runtime) -> None:
    note(kept.engine, School(HERE).actor("principal"), "restored", {"trail": 2})
    kept.seal()
    assert ("restored", LOGBOOK, 2) in told(kept)


@pytest.mark.parametrize(
    "what, cleared, agrees",
    [
        ("erased", [[FIRST, 3, {"kept.facts.done": LEFT}]], True),
        ("erased", [[FIRST, 3, {"kept.facts.done": "ab" * 32}]], False),
        ("erased", [[FIRST, 3, {"data.photo": LEFT}], [FIRST, 2, {"kept.facts.done": LEFT}]], False),
        ("erased", [[FIRST, 3, ["kept.facts.done"]]], False),
        ("erased", "everything", False),
        ("exported", [[FIRST, 3, {"kept.facts.done": LEFT}]], False),
    ],
)
def test_what_was_erased_is_taken_only_where_the_logbook_names_it(
    kept: Runtime, what: Any, cleared: Any, agrees: bool
) -> None:
    event = note(kept.engine, School(HERE).actor("principal"), what, {"cleared": cleared})
    on_server = kept.database.on_server
    with behind_its_back(kept) as connection:
        where = f"WHERE number = '{FIRST}' AND sequence = 3"
        written = connection.execute(text(f"SELECT entries FROM disclosure {where}")).scalar_one()
        entries = written if on_server else json.loads(written)
        entries["kept.facts.done"] = {"erased": event.sequence, "value": "（已清除）", "nonce": NONCE.hex()}
        new = {"entries": json.dumps(entries)}
        connection.execute(
            text(f"UPDATE disclosure SET entries = {'CAST(:entries AS JSON)' if on_server else ':entries'} {where}"),
            new,
        )
    assert (("commitment", FIRST, 3) in told(kept)) != agrees


@pytest.mark.parametrize("beside", ["erased", "more"])
def test_what_stands_beside_a_commitment_is_nothing_but_what_opens_it(kept: Runtime, beside: str) -> None:
    on_server = kept.database.on_server
    with behind_its_back(kept) as connection:
        where = f"WHERE number = '{SECOND}' AND sequence = 1"
        written = connection.execute(text(f"SELECT entries FROM disclosure {where}")).scalar_one()
        entries = written if on_server else json.loads(written)
        entries["kept.title"][beside] = 1
        new = {"entries": json.dumps(entries)}
        connection.execute(
            text(f"UPDATE disclosure SET entries = {'CAST(:entries AS JSON)' if on_server else ':entries'} {where}"),
            new,
        )
    assert told(kept) == {("commitment", SECOND, 1)}


@on_sqlite
@pytest.mark.parametrize(
    "statement, found",
    [
        (f"UPDATE trail SET hash = 'abc' WHERE number = '{SECOND}'", ("unreadable", SECOND, None)),
        (f"UPDATE event SET sequence = 'abc' WHERE number = '{SECOND}'", ("unreadable", SECOND, None)),
        (f"UPDATE disclosure SET entries = 'x' WHERE number = '{LOGBOOK}'", ("disclosure_missing", LOGBOOK, 1)),
        (f"UPDATE disclosure SET entries = json('{{\"a\"\\:{{}}}}') WHERE number = '{LOGBOOK}'", ("disclosure_missing", LOGBOOK, 1)),
        (f"INSERT INTO unnumbered VALUES ('{HERE}', '{SECOND}', 1)", ("numbered", SECOND, 1)),
        ("UPDATE checkpoint SET at = 'abc' WHERE id = 1", ("unreadable", None, None)),
        ("UPDATE checkpoint SET body = replace(body, '\"root\"\\:\"', '\"root\"\\:\"zz') WHERE id = 1", ("checkpoint_changed", None, None)),
        ("UPDATE seal_key SET since = 'abc'", ("unreadable", None, None)),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_keeps_nothing_else_from_being_checked(
    kept: Runtime, statement: str, found: tuple[str, str | None, int | None]
) -> None:
    change(kept, statement, f"UPDATE case_record SET state = 'closed' WHERE number = '{FIRST}'")
    assert {found, ("case_changed", FIRST, None)} <= told(kept)


@pytest.mark.parametrize("until", ["NULL", "'2040-01-01 00:00:00{}'"])
def test_a_key_that_another_followed_cannot_be_made_to_live_on(kept: Runtime, until: str) -> None:
    begin_another(kept.engine, kept.keys, HERE)
    until = until.format("+00" if kept.database.on_server else ".000000")
    change(kept, f"UPDATE seal_key SET until = {until} WHERE until IS NOT NULL")
    [finding] = verified(kept).findings
    assert finding.code == "key" and "ended when the next one began" in finding.what.en
