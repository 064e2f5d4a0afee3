"""An organisation's own key signs what was recorded, whichever node comes first; and never a key that appeared by itself."""

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from api import sealing
from api.bootstrap import Runtime
from api.cli import main
from api.keys import KeyRing, SealKey, is_signed
from api.sealing import HeldUnreadable, KeyGone, NotGrown, SealFile
from engine.audit import Checkpoint, envelope_hash
from engine.clock import SimulatedClock
from engine.commands import Asked, OpenCase
from engine.errors import FolderError
from engine.events import LOGBOOK
from engine.handle import handle, settled
from engine.store import history, outbox, seals
from engine.store.seals import Signed
from tests.builders import School, a_school
from tests.conftest import Played

HERE = "school"


def report(runtime: Runtime, school: School, title: str = "插座松动") -> None:
    asked = Asked(school.actor("teacher"), OpenCase("repair", {"title": title, "place": "教学楼"}), "route", None)
    [outcome] = handle(runtime.engine, [asked])
    settled(outcome)


def signed(runtime: Runtime, organisation: str = HERE) -> list[Signed]:
    with runtime.database.read(organisation) as connection:
        return list(seals.checkpoints(connection, organisation))


def public_keys(runtime: Runtime) -> dict[str, str]:
    with runtime.database.read(HERE) as connection:
        return seals.keys(connection, HERE)


def began(runtime: Runtime) -> list[dict[str, object]]:
    """What the logbook says of keys, oldest first."""
    with runtime.database.read(HERE) as connection:
        events = history.events_of(connection, HERE, LOGBOOK)
    return [dict(event.data) for event in events if event.trigger == "key_began"]


def test_the_first_round_draws_a_key_notes_it_and_signs(runtime: Runtime, school: School) -> None:
    report(runtime, school)
    done = runtime.seal()
    assert (done.numbered, list(done.sealed), done.failed) == (1, [HERE], {})
    [only] = signed(runtime)
    checkpoint = Checkpoint.from_bytes(only.body.encode())
    [(key, public)] = public_keys(runtime).items()
    assert (checkpoint.size, checkpoint.key) == (2, key), "the report, and that the key began"
    assert is_signed(bytes.fromhex(public), bytes.fromhex(only.signature), only.body.encode())
    assert began(runtime) == [{"key": key, "public": public, "before": None}]
    assert runtime.seal().sealed == {}, "nothing happened since"


def test_a_folder_without_its_key_signs_nothing_and_draws_none(runtime: Runtime, school: School) -> None:
    report(runtime, school)
    runtime.seal()
    shutil.rmtree(runtime.folder.keys)
    report(runtime, school, "灯不亮")
    done = runtime.seal()
    assert list(done.failed) == [HERE] and isinstance(done.failed[HERE], KeyGone)
    assert len(signed(runtime)) == 1 and len(public_keys(runtime)) == 1
    with pytest.raises(KeyGone, match="--import-key"):
        sealing.seal_now(runtime.engine, runtime.keys, HERE)


def test_a_file_that_is_no_key_is_as_good_as_none(runtime: Runtime, school: School) -> None:
    key = sealing.key_of(runtime.engine, runtime.keys, HERE)
    runtime.keys.keep(HERE, SealKey.drawn())
    kept = runtime.folder.keys / "seal" / HERE / f"{key.key}.pem"
    kept.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(KeyGone):
        sealing.seal_now(runtime.engine, runtime.keys, HERE)


def test_one_school_without_its_key_keeps_no_other_from_being_sealed(runtime: Runtime, school: School) -> None:
    other = a_school(runtime.database, "other")
    for each in (school, other):
        report(runtime, each)
    runtime.seal()
    shutil.rmtree(runtime.folder.keys / "seal" / "other")
    for each in (school, other):
        report(runtime, each)
    done = runtime.seal()
    assert (list(done.sealed), list(done.failed)) == ([HERE], ["other"])


def test_rows_of_one_school_that_do_not_fit_keep_no_other_from_being_sealed(runtime: Runtime, school: School) -> None:
    other = a_school(runtime.database, "other")
    for each in (school, other):
        report(runtime, each)
    runtime.seal()
    for each in (school, other):
        report(runtime, each)
    with runtime.database.own() as connection:
        spoilt = "UPDATE disclosure SET entries = '[]' WHERE organisation = :here"
        connection.execute(text(spoilt), {"here": HERE})
    done = runtime.seal()
    assert (list(done.sealed), list(done.failed)) == (["other"], [HERE])


def test_nodes_that_seal_at_once_begin_one_key_and_one_row_of_checkpoints(runtime: Runtime, school: School) -> None:
    for _ in range(5):
        report(runtime, school)
    nodes = [threading.Thread(target=runtime.seal) for _ in range(4)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    runtime.seal()
    assert len(public_keys(runtime)) == 1
    assert len(list((runtime.folder.keys / "seal" / HERE).glob("*.pem"))) == 1
    rows = signed(runtime)
    assert [row.id for row in rows] == list(range(1, len(rows) + 1))
    for before, after in pairwise(rows):
        assert json.loads(after.body)["previous"] == envelope_hash(before.body.encode())
        assert before.size < after.size


def held(runtime: Runtime) -> Checkpoint:
    found = runtime.keys.held(HERE)
    assert found is not None
    return found.checkpoint


def changed(runtime: Runtime, statement: str) -> None:
    """Behind the engine's back, as whoever has the database alone."""
    with runtime.database.own() as connection:
        connection.execute(text(statement))


def test_the_last_checkpoint_lies_beside_the_key_and_what_does_not_grow_from_it_is_not_signed(
    runtime: Runtime, school: School
) -> None:
    report(runtime, school)
    runtime.seal()
    assert held(runtime).to_bytes().decode() == signed(runtime)[-1].body
    assert (runtime.folder.keys / "seal" / HERE / "held.json").stat().st_mode & 0o077 == 0
    report(runtime, school, "灯不亮")
    kept = "UPDATE trail SET hash = (SELECT max(hash) FROM trail) WHERE hash = (SELECT min(hash) FROM trail)"
    changed(runtime, kept)
    refused = runtime.seal().failed[HERE]
    assert isinstance(refused, NotGrown) and "audit verify" in str(refused) and "--after-restore" in refused.text.zh
    with pytest.raises(NotGrown):
        sealing.begin_another(runtime.engine, runtime.keys, HERE)
    assert len(signed(runtime)) == 1 and len(began(runtime)) == 1
    assert len(list((runtime.folder.keys / "seal" / HERE).glob("*.pem"))) == 1, "a key that never began is no key"


def test_a_folder_made_before_checkpoints_were_held_holds_the_next_one(runtime: Runtime, school: School) -> None:
    report(runtime, school)
    runtime.seal()
    beside = runtime.folder.keys / "seal" / HERE / "held.json"
    beside.unlink()
    report(runtime, school, "灯不亮")
    assert runtime.seal().failed == {} and held(runtime).size == signed(runtime)[-1].size
    beside.write_text("{", encoding="utf-8")
    report(runtime, school, "门坏")
    refused = runtime.seal().failed[HERE]
    assert isinstance(refused, HeldUnreadable) and "held.json" in str(refused)


def test_a_node_whose_folder_holds_an_older_checkpoint_goes_on(
    runtime: Runtime, school: School, tmp_path: Path
) -> None:
    """Nodes on one server have a folder each, with the same key; each holds what it signed itself."""
    report(runtime, school)
    runtime.seal()
    shutil.copytree(runtime.folder.keys, tmp_path / "other")
    other = KeyRing(tmp_path / "other")
    for title in ("灯不亮", "门坏"):
        report(runtime, school, title)
        runtime.seal()
    report(runtime, school, "窗坏")
    assert sealing.seal_now(runtime.engine, other, HERE) is not None
    begun = sealing.begin_another(runtime.engine, other, HERE)
    assert held(runtime).size < begun.size
    shutil.copy(tmp_path / "other" / "seal" / HERE / f"{begun.key}.pem", runtime.folder.keys / "seal" / HERE)
    report(runtime, school, "墙裂")
    assert runtime.seal().failed == {} and held(runtime).key == begun.key


def test_a_database_brought_back_by_other_means_is_signed_once_that_is_put_on_record(
    runtime: Runtime, school: School, tmp_path: Path
) -> None:
    """As from a server's own snapshot: what came after the last checkpoint in it is lost, and the logbook says so."""
    report(runtime, school)
    runtime.seal()
    report(runtime, school, "灯不亮")
    runtime.seal()
    lost, other = held(runtime), KeyRing(tmp_path / "other")
    shutil.copytree(runtime.folder.keys, tmp_path / "other")
    for table in ("event", "checkpoint"):
        on_server = runtime.database.on_server
        changed(
            runtime, f"ALTER TABLE {table} DISABLE TRIGGER USER" if on_server else f"DROP TRIGGER {table}_no_delete"
        )
    changed(runtime, "DELETE FROM checkpoint WHERE id > 1")
    changed(runtime, "DELETE FROM trail WHERE number = 'WX-2020-0002'")
    changed(runtime, "DELETE FROM disclosure WHERE number = 'WX-2020-0002'")
    changed(runtime, "DELETE FROM event WHERE number = 'WX-2020-0002'")
    report(runtime, school, "窗坏")
    assert isinstance(runtime.seal().failed[HERE], NotGrown)
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(minutes=1))
    sealing.seal_after_restore(runtime.engine, runtime.keys, HERE)
    with runtime.database.read(HERE) as connection:
        [restored] = sealing.losses(connection, HERE)
    assert (restored.size, restored.to, restored.explains(lost)) == (2, lost.size, True)
    # a node that still holds what is lost takes the word of the key
    report(runtime, school, "墙裂")
    assert sealing.seal_now(runtime.engine, other, HERE) is not None
    assert runtime.seal().failed == {}
    assert runtime.seal().sealed == {} and sealing.seal_after_restore(runtime.engine, runtime.keys, HERE) is None


def test_another_key_begins_with_the_word_of_the_one_before(runtime: Runtime, school: School) -> None:
    report(runtime, school)
    runtime.seal()
    [old] = public_keys(runtime)
    checkpoint = sealing.begin_another(runtime.engine, runtime.keys, HERE)
    assert checkpoint.key != old
    assert [row.key for row in signed(runtime)] == [old, old, checkpoint.key]
    assert [row.size for row in signed(runtime)] == [2, 3, 3], "the old key signed that the new one begins"
    assert [(each["key"], each["before"]) for each in began(runtime)] == [(old, None), (checkpoint.key, old)]
    report(runtime, school)
    assert runtime.seal().sealed[HERE].key == checkpoint.key


def test_another_key_can_begin_where_the_one_before_is_lost(runtime: Runtime, school: School) -> None:
    report(runtime, school)
    runtime.seal()
    shutil.rmtree(runtime.folder.keys)
    checkpoint = sealing.begin_another(runtime.engine, runtime.keys, HERE)
    assert [row.key for row in signed(runtime)][1:] == [checkpoint.key]
    assert runtime.seal().failed == {}


def test_a_key_leaves_the_folder_under_a_passphrase_and_comes_back(
    runtime: Runtime, school: School, tmp_path: Path
) -> None:
    runtime.seal()
    key = sealing.key_of(runtime.engine, runtime.keys, HERE).key
    there = tmp_path / "kept.pem"
    assert sealing.export_key(runtime.engine, runtime.keys, HERE, "correct horse battery", there) == key
    assert there.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in there.read_bytes()
    with pytest.raises(FolderError, match="is there already"):
        sealing.export_key(runtime.engine, runtime.keys, HERE, "correct horse battery", there)
    shutil.rmtree(runtime.folder.keys)
    with pytest.raises(FolderError, match="passphrase"):
        sealing.import_key(runtime.engine, runtime.keys, HERE, there.read_bytes(), "another passphrase")
    assert sealing.import_key(runtime.engine, runtime.keys, HERE, there.read_bytes(), "correct horse battery") == key
    assert runtime.seal().failed == {}


def test_a_key_of_somebody_else_is_not_taken_in(runtime: Runtime, school: School) -> None:
    runtime.seal()
    foreign = SealKey.drawn().to_pem(b"correct horse battery")
    with pytest.raises(FolderError, match="never sealed"):
        sealing.import_key(runtime.engine, runtime.keys, HERE, foreign, "correct horse battery")


def test_a_short_passphrase_is_refused_before_anything_is_written(
    runtime: Runtime, school: School, tmp_path: Path
) -> None:
    with pytest.raises(FolderError, match="12 characters"):
        sealing.export_key(runtime.engine, runtime.keys, HERE, "short", tmp_path / "kept.pem")
    assert not (tmp_path / "kept.pem").exists()


# --- the file outside ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sealed(runtime: Runtime, school: School) -> Runtime:
    """Two checkpoints."""
    for title in ("插座松动", "灯不亮"):
        report(runtime, school, title)
        runtime.seal()
    return runtime


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def test_each_checkpoint_becomes_a_line_that_can_be_checked_by_itself(sealed: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "seals.jsonl"
    assert SealFile(path).catch_up(sealed.database) == 2
    told = lines(path)
    assert [line["id"] for line in told] == [1, 2]
    for line in told:
        body, signature, public = (str(line[name]) for name in ("body", "signature", "public"))
        assert is_signed(bytes.fromhex(public), bytes.fromhex(signature), body.encode())


def test_the_file_gets_what_it_lacks_and_nothing_twice(sealed: Runtime, school: School, tmp_path: Path) -> None:
    path = tmp_path / "seals.jsonl"
    one, other = SealFile(path), SealFile(path)
    assert (one.catch_up(sealed.database), other.catch_up(sealed.database)) == (2, 0)
    report(sealed, school)
    sealed.seal()
    assert (other.catch_up(sealed.database), one.catch_up(sealed.database)) == (1, 0)
    assert [line["id"] for line in lines(path)] == [1, 2, 3]


def test_a_line_that_was_broken_off_is_told_again(sealed: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "seals.jsonl"
    SealFile(path).catch_up(sealed.database)
    path.write_bytes(path.read_bytes()[:-40])
    assert SealFile(path).catch_up(sealed.database) == 1
    whole = [line for line in path.read_bytes().split(b"\n") if line.endswith(b"}")]
    assert [json.loads(line)["id"] for line in whole] == [1, 2]


def test_a_file_that_was_taken_away_is_written_anew(sealed: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "seals.jsonl"
    file = SealFile(path)
    file.catch_up(sealed.database)
    path.unlink()
    assert file.catch_up(sealed.database) == 2


def test_a_round_goes_on_where_the_file_cannot_be_written(sealed: Runtime, school: School, tmp_path: Path) -> None:
    sealed.seal_file, sealed.simulated = SealFile(tmp_path / "away" / "seals.jsonl"), False
    report(sealed, school)
    assert list(sealed.seal().sealed) == [HERE]
    assert not (tmp_path / "away").exists(), "a disk that is away is not stood in for"
    (tmp_path / "away").mkdir()
    assert sealed.seal().sealed == {}
    assert len(lines(tmp_path / "away" / "seals.jsonl")) == 3, "the next round brings what was missed"
    sealed.simulated = True


# --- through the outbox --------------------------------------------------------------------------------------------------


def test_one_checkpoint_a_day_of_each_key_is_told_to_the_organisations_own_channels(
    sealed: Runtime, school: School
) -> None:
    assert sealing.tell(sealed.engine, HERE)
    report(sealed, school)
    sealed.seal()
    assert not sealing.tell(sealed.engine, HERE), "one of the day was told"
    begin_another(sealed)
    assert sealing.tell(sealed.engine, HERE), "another key is told at once"
    assert isinstance(sealed.clock, SimulatedClock)
    sealed.clock.advance(timedelta(days=1))
    assert not sealing.tell(sealed.engine, HERE), "nothing was signed since"
    report(sealed, school)
    sealed.seal()
    assert sealing.tell(sealed.engine, HERE)
    with sealed.database.read(HERE) as connection:
        notices = outbox.notices_of(connection, HERE, LOGBOOK)
        last = signed(sealed)[-1]
        public = seals.keys(connection, HERE)
    assert [notice.reason for notice in notices] == ["sealed"] * 3
    assert notices[-1].about["checkpoint"] == sealing.outside(last, public)


def begin_another(runtime: Runtime) -> None:
    sealing.begin_another(runtime.engine, runtime.keys, HERE)


def test_a_key_ring_forgets_only_the_key_it_is_told_to(tmp_path: Path) -> None:
    ring, (one, other) = KeyRing(tmp_path), (SealKey.drawn(), SealKey.drawn())
    for key in (one, other):
        ring.keep(HERE, key)
    ring.drop(HERE, one)
    assert ring.find(HERE, one.key) is None
    assert ring.find(HERE, other.key) is not None


# --- by command ----------------------------------------------------------------------------------------------------------


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments, "--data", str(folder)], catch_exceptions=False)


@pytest.fixture
def folder(campaign: Played, tmp_path: Path) -> Path:
    """A data folder of one's own, with a campaign in it."""
    return campaign.copied_to(tmp_path / "campaign")


def test_audit_seal_prints_the_checkpoint_and_what_is_needed_to_check_it(folder: Path) -> None:
    ran = run(folder, "seal", "--json")
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["checkpoint"]) == (0, json.loads(told["body"]))
    public, signature = bytes.fromhex(told["public"]), bytes.fromhex(told["signature"])
    assert is_signed(public, signature, told["body"].encode())
    assert told["checkpoint"]["root"] in run(folder, "seal").stdout


def test_the_key_goes_out_and_comes_back_by_command_and_another_one_begins(folder: Path, tmp_path: Path) -> None:
    kept, secret = tmp_path / "kept.pem", tmp_path / "secret"
    secret.write_text("correct horse battery\n", encoding="utf-8")
    under = ("--passphrase-file", str(secret))
    first = json.loads(run(folder, "seal", "--export-key", str(kept), *under, "--json").stdout)["key"]
    shutil.rmtree(folder / "keys")
    refused = run(folder, "seal")
    assert refused.exit_code == 1 and "--import-key" in refused.stderr and "--new-key" in refused.stderr
    assert json.loads(run(folder, "seal", "--import-key", str(kept), *under, "--json").stdout) == {"key": first}
    assert run(folder, "seal").exit_code == 0
    begun = json.loads(run(folder, "seal", "--new-key", "--json").stdout)["checkpoint"]["key"]
    assert begun != first
    verified = run(folder, "verify", "--json", "--processes", "1")
    assert json.loads(verified.stdout)["clean"]


def test_a_passphrase_is_no_argument_and_nobody_is_asked_where_nobody_sits(folder: Path, tmp_path: Path) -> None:
    ran = run(folder, "seal", "--export-key", str(tmp_path / "kept.pem"))
    assert ran.exit_code == 2 and "--passphrase-file" in ran.stderr


def test_audit_verify_ends_with_one_and_says_what_is_wrong_in_both_languages(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "bihuan.db")) as database, database:
        database.execute("UPDATE case_record SET state = 'closed' WHERE number = 'YH-2019-0001'")
        database.execute("UPDATE case_record SET title = 'x' WHERE number = 'YH-2019-0001'")
    ran = run(folder, "verify", "--processes", "1")
    assert ran.exit_code == 1
    assert "YH-2019-0001：事项与其记录不符" in ran.stdout
    assert "YH-2019-0001: the case as it is stored is not what its events give, it was edited: title" in ran.stdout
