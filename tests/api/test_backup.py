"""What was acknowledged before a backup comes back from it, and what was lost since stands in the records."""

import hashlib
import json
import shutil
import sqlite3
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from click.testing import CliRunner
from sqlalchemy import inspect, select, update

from api import migrations
from api.bootstrap import database_of
from api.cli import main
from api.folder import Folder
from api.keeping import postgres
from api.keeping.backup import back_up
from api.keeping.manifest import MANIFEST, read_manifest
from api.keeping.restoring import read_held, restore
from api.keys import SealKey
from api.sealing import losses
from api.vault import CHANNELS_KEY
from api.verifying import verify
from engine.audit import Checkpoint, canonical, leaf_hash, root
from engine.errors import FolderError
from engine.events import LOGBOOK
from engine.store import accounts, feeds, files, history, seals, trail
from engine.store.database import Database, table_of
from engine.store.feeds import Feed
from engine.store.tables import CaseRow, FeedRow, OutboxRow, SessionRow, TokenRow
from notifications import accounts as channel_accounts
from notifications.accounts import SetUp
from tests.api.keeping_grounds import HERE, Grounds, at_work, line_of, pg_programs, reopened, the_grounds
from tests.builders import START, a_school
from tests.databases import Kind, on_postgresql, on_sqlite
from tests.faults.invariants import Ledger, contents, must_hold

PHOTO = b"\x89PNG a picture, as far as its name is concerned"
_cases = table_of(CaseRow)


@pytest.fixture
def grounds(tmp_path: Path, kind: Kind) -> Iterator[Grounds]:
    with the_grounds(tmp_path, kind) as grounds:
        yield grounds


def put(grounds: Grounds, content: bytes, *, used_by: str | None = None) -> str:
    """An upload as the store keeps it."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = grounds.runtime.files.path_of(HERE, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with grounds.runtime.database.write(HERE) as connection:
        files.add(connection, files.FileRecord(HERE, sha256, "image/png", len(content), START), "person:teacher")
        if used_by is not None:
            files.use(connection, HERE, sha256, used_by)
    return sha256


def restored_note(database: Database) -> dict[str, Any]:
    with database.read(HERE) as connection:
        [*_, note] = history.events_of(connection, HERE, LOGBOOK)
    assert note.trigger == "restored"
    return dict(note.data)


# --- the happy path ------------------------------------------------------------------------------------------------------


def test_a_backup_made_under_load_brings_back_what_was_acknowledged_before_it(grounds: Grounds) -> None:
    grounds.work("before", 3)
    photo = put(grounds, PHOTO, used_by="YH-2020-0001")
    with at_work(grounds):
        before = grounds.acknowledged()
        made = grounds.back_up()
        meanwhile = len(grounds.acknowledged()) - len(before)
    assert meanwhile > 0, "nobody wrote while the backup was made"
    settings = grounds.empty_place()
    manifest, [told] = restore(made.file, Folder(settings.data), settings, held={})
    assert told.events >= len(before)
    assert manifest.organisations[0].events == told.events
    with reopened(settings) as runtime:
        must_hold(runtime.engine, Ledger(before))
        assert runtime.files.path_of(HERE, photo).read_bytes() == PHOTO
        with runtime.database.read(HERE) as connection:
            assert trail.size(connection, HERE) == told.events + 1, "the note has its number"


def test_a_backup_of_a_school_at_rest_brings_back_every_row(grounds: Grounds) -> None:
    grounds.work("a", 2)
    grounds.runtime.tick()
    made = grounds.back_up()  # which numbers what waits
    settings = grounds.empty_place()
    before = contents(grounds.runtime.database)
    with closing(_loaded_only(made.file, settings)) as database:
        assert contents(database) == before


def _loaded_only(file: Path, settings: Any) -> Database:
    """The backup's database as it lies in it, before the restore says anything in it."""
    with zipfile.ZipFile(file) as pack:
        [name] = [each for each in pack.namelist() if each.startswith("database/")]
        pack.extract(name, settings.data)
    if settings.on_server:
        postgres.load(settings.postgres_programs / "pg_restore", settings.database_url, settings.data / name, "public")
        return Database(settings.database_url)
    return Database.in_file(settings.data / name)


# --- a lost tail ---------------------------------------------------------------------------------------------------------


def test_after_a_lost_tail_the_records_name_the_range_and_go_on(grounds: Grounds) -> None:
    key = grounds.begin_key()
    grounds.work("kept", 2)
    first = grounds.seal(key)
    before = grounds.acknowledged()
    made = grounds.back_up()
    grounds.work("lost", 3)
    last = grounds.seal(key)
    outside = grounds.place / "held.jsonl"
    outside.write_text("".join(json.dumps(line_of(each, key)) + "\n" for each in (first, last)), encoding="utf-8")
    settings = grounds.empty_place()
    held = read_held(outside)
    _, [told] = restore(made.file, Folder(settings.data), settings, held=held, keys=grounds.folder.path / "keys")
    assert (told.trail, told.waiting, told.sealed) == (first.size, 0, True)
    with reopened(settings) as runtime:
        note = restored_note(runtime.database)
        assert note["lost"] == {"from": first.size, "to": last.size}
        assert note["checkpoint"]["size"] == first.size
        assert note["held"] == {
            "size": last.size, "root": Checkpoint.from_bytes(last.body.encode()).root,
            "at": Checkpoint.from_bytes(last.body.encode()).to_bytes() and note["held"]["at"],
        }  # fmt: skip
        must_hold(runtime.engine, Ledger(before))
        with runtime.database.read(HERE) as connection:
            signed = seals.checkpoints(connection, HERE)
            leaves = [leaf_hash(each) for each in trail.hashes(connection, HERE, 0, 1000)]
            lost = losses(connection, HERE)
        assert [each.size for each in signed] == [first.size, first.size + 1]
        latest = Checkpoint.from_bytes(signed[-1].body.encode())
        assert latest.root == root(leaves).hex() and latest.key == key.key
        assert [lost[0].explains(each.checkpoint) for each in held[HERE]] == [False, True]
        # the same numbers are drawn again, and work goes on
        anew = Grounds(runtime, grounds.school, grounds.place / "restored", grounds.kind, ledger=Ledger(list(before)))
        assert anew.work("lost", 1) == ["YH-2020-0003"]
        must_hold(runtime.engine, anew.ledger)
        # and what was held of the lost range does not stand in the way of the next restore
        again = anew.back_up(grounds.place / "b.zip")
    settings = grounds.empty_place("twice")
    _, [told] = restore(again.file, Folder(settings.data), settings, held=held)
    assert (told.held and told.held.size, told.sealed) == (last.size, False)


@pytest.mark.parametrize("with_the_key", [True, False])
def test_channels_have_to_be_set_up_again_where_their_key_is_not_there(grounds: Grounds, with_the_key: bool) -> None:
    runtime = grounds.runtime
    with runtime.database.write(HERE) as connection:
        kept = channel_accounts.closed(runtime.vault, HERE, "post", {"password": "s3cret"})
        channel_accounts.put(
            connection, SetUp(HERE, "post", "email", "", None, {"host": "smtp"}, kept, True, False, False, START)
        )
    made = grounds.back_up()
    keys = grounds.place / "keys kept"
    shutil.copytree(grounds.folder.keys, keys)
    if not with_the_key:
        (keys / CHANNELS_KEY).unlink()
    settings = grounds.empty_place()
    _, [told] = restore(made.file, Folder(settings.data), settings, held={}, keys=keys)
    assert list(told.locked) == ([] if with_the_key else ["post"])
    with reopened(settings) as anew, anew.database.read(HERE) as connection:
        assert channel_accounts.locked(connection, HERE, anew.vault) == list(told.locked)


@pytest.mark.parametrize("with_the_key", [True, False])
def test_the_checkpoint_beside_the_keys_is_held_outside_too_and_what_came_back_takes_its_place(
    grounds: Grounds, with_the_key: bool
) -> None:
    grounds.work("kept", 2)
    grounds.runtime.seal()
    made = grounds.back_up()
    grounds.work("lost", 3)
    grounds.runtime.seal()
    last = grounds.runtime.keys.held(HERE)
    assert last is not None
    keys = grounds.place / "keys kept"
    shutil.copytree(grounds.folder.keys, keys)
    [pem] = keys.rglob("*.pem")
    if not with_the_key:
        pem.rename(grounds.place / pem.name)
    settings = grounds.empty_place()
    restore(made.file, Folder(settings.data), settings, held={}, keys=keys)
    with reopened(settings) as runtime:
        note = restored_note(runtime.database)
        assert note["lost"] == {"from": note["trail"], "to": last.checkpoint.size}
        if not with_the_key:
            shutil.copy(grounds.place / pem.name, settings.data / "keys" / "seal" / HERE / pem.name)
        again = Grounds(runtime, grounds.school, grounds.place / "restored", grounds.kind)
        again.work("anew", 1)
        assert runtime.seal().failed == {}
        report = verify(runtime.database, runtime.folder, HERE, processes=1)
        assert report.is_clean and "were lost when a backup was restored" in report.notes[0].en


def test_nobody_stays_signed_in_and_what_was_being_sent_waits_again(grounds: Grounds) -> None:
    database = grounds.runtime.database
    outbox = table_of(OutboxRow)
    grounds.work("a")
    with database.write(HERE) as connection:
        accounts.add_session(connection, HERE, "teacher", "secret", "a browser", START, START.replace(year=2030))
        feeds.add(connection, Feed(HERE, "teacher", "f" * 16, None, "0" * 64, START))
        connection.execute(update(outbox).values(lease_until=START.replace(year=2030)))
    made = grounds.back_up()
    settings = grounds.empty_place()
    _, [told] = restore(made.file, Folder(settings.data), settings, held={})
    assert (told.sessions, told.tokens, told.feeds, told.messages) == (1, len(grounds.school.persons), 1, 2)
    with reopened(settings) as runtime, runtime.database.read(HERE) as connection:
        for row in (SessionRow, TokenRow, FeedRow):
            assert None not in connection.execute(select(table_of(row).c.revoked_at)).scalars().all()
        assert set(connection.execute(select(outbox.c.lease_until)).scalars()) == {None}
    settings = grounds.empty_place("with_tokens")
    _, [told] = restore(made.file, Folder(settings.data), settings, held={}, keep_tokens=True)
    assert told.tokens == told.feeds == 0


# --- what a backup is ----------------------------------------------------------------------------------------------------


def test_a_backup_is_named_by_its_date_kept_from_others_and_overwrites_nothing(grounds: Grounds) -> None:
    grounds.begin_key()
    grounds.work("a")
    shelf = grounds.place / "shelf"
    shelf.mkdir()
    made = grounds.back_up(shelf)
    assert [each.name for each in shelf.iterdir()] == ["bihuan-2020-03-02-010000.zip"]
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert made.sha256 and read_manifest(made.file) == made.manifest
    with zipfile.ZipFile(made.file) as pack:
        assert not [name for name in pack.namelist() if "key" in name]
        assert b"PRIVATE KEY" not in b"".join(pack.read(name) for name in pack.namelist())
    before = made.file.read_bytes()
    with pytest.raises(FolderError, match="is there already"):
        grounds.back_up(shelf)
    assert made.file.read_bytes() == before
    assert [each.name for each in shelf.iterdir()] == [made.file.name], "nothing is left beside"


def test_evidence_that_is_gone_or_altered_is_told_and_an_upload_nobody_used_is_not(grounds: Grounds) -> None:
    [case] = grounds.work("a")
    gone, altered, swept = (put(grounds, bytes([n]) * 9, used_by=case if n else None) for n in (1, 2, 0))
    for each in (gone, swept):
        grounds.runtime.files.path_of(HERE, each).unlink()
    grounds.runtime.files.path_of(HERE, altered).write_bytes(b"something else")
    made = grounds.back_up()
    assert made.manifest.missing == [f"files/{HERE}/{gone}"]
    assert made.manifest.damaged == [f"files/{HERE}/{altered}"]
    assert made.manifest.files == [f"files/{HERE}/{altered}"]


def test_a_backup_made_before_an_upgrade_is_brought_back_upgraded(grounds: Grounds) -> None:
    """Of a database that this program does not serve any more: it asks for a backup before it changes it."""
    older = grounds.empty_place("older")
    folder = Folder(older.data)
    folder.make()
    with closing(database_of(folder, older)) as database:
        with database.own() as connection:
            command.upgrade(migrations._config(connection), "0006")
        a_school(database)
        made = back_up(database, folder, grounds.place / "older.zip", START, programs=pg_programs())
        assert migrations.revision_of(database) == "0006", "it is left as it is"
    assert (made.manifest.revision, made.manifest.organisations[0].trail) == ("0006", None)
    settings = grounds.empty_place()
    restore(made.file, Folder(settings.data), settings, held={})
    with reopened(settings) as runtime:
        assert migrations.revision_of(runtime.database) == migrations.newest_revision()
        assert restored_note(runtime.database)["trail"] == 0


# --- what is refused -----------------------------------------------------------------------------------------------------


def _flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def _without_the_last_kilobyte(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1024])


def _with_a_stranger(file: Path) -> None:
    with zipfile.ZipFile(file, "a") as pack:
        pack.writestr("files/school/../../escaped", b"x")


def _of_a_newer_revision(file: Path) -> None:
    _rewritten(file, lambda said: said | {"revision": "9999"})


def _of_a_newer_format(file: Path) -> None:
    _rewritten(file, lambda said: said | {"format": 2})


def _of_another_kind(file: Path) -> None:
    _rewritten(file, lambda said: said | {"kind": "something else"})


def _leading_out(file: Path) -> None:
    _rewritten(file, lambda said: said | {"members": said["members"] | {"files/../x": {"sha256": "0", "size": 0}}})


def _with(file: Path, **values: Any) -> None:
    _rewritten(file, lambda said: said | values)


def _flip_in_the_middle(file: Path) -> None:
    """Of the largest part, and not of what a zip says about it.

    A bit of the compressed stream may stand for nothing: zeros copied from two bytes back are the zeros copied from
    one back. What still reads the same is no damage, so the next byte is flipped as well.
    """
    with zipfile.ZipFile(file) as pack:
        info = max(pack.infolist(), key=lambda each: each.compress_size)
        end = min(
            (each.header_offset for each in pack.infolist() if each.header_offset > info.header_offset), default=0
        )
    at = (end or file.stat().st_size) - info.compress_size // 2
    while _reads(file, info.filename):
        _flip(file, at)
        at += 1


def _reads(file: Path, member: str) -> bool:
    try:
        with zipfile.ZipFile(file) as pack:
            pack.read(member)
    except (zipfile.BadZipFile, zlib.error):
        return False
    return True


def _rewritten(file: Path, how: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with zipfile.ZipFile(file) as pack:
        members = {name: pack.read(name) for name in pack.namelist()}
    members[MANIFEST] = json.dumps(how(json.loads(members[MANIFEST]))).encode()
    with zipfile.ZipFile(file, "w") as pack:
        for name, content in members.items():
            pack.writestr(name, content)


@pytest.mark.parametrize(
    "harm, said",
    [
        (lambda file: _flip(file, 2000), "damaged"),
        (_flip_in_the_middle, "damaged"),
        (_without_the_last_kilobyte, "damaged"),
        (_with_a_stranger, "damaged"),
        (_of_another_kind, "none of Bihuan"),
        (_leading_out, "damaged"),
        (_of_a_newer_revision, "newer program"),
        (_of_a_newer_format, "newer program"),
        (lambda file: file.write_text("no zip at all", encoding="utf-8"), "damaged"),
        (lambda file: _with(file, revision=7), "damaged"),
        (lambda file: _with(file, database=["sqlite"]), "damaged"),
        (lambda file: _with(file, last_instant=5), "damaged"),
        (lambda file: _with(file, members={"database/bihuan.db": {"sha256": "0", "size": "1"}}), "damaged"),
        (lambda file: _rewritten(file, lambda said: [said]), "damaged"),  # type: ignore[arg-type,return-value]
    ],
    ids=["a byte early on", "a byte in the middle", "cut off", "a stranger", "no backup", "leading out", "newer revision",
         "newer format", "no zip", "a number for a revision", "a list for a database", "a number for an instant",
         "a text for a size", "a list"],
)  # fmt: skip
def test_what_is_damaged_or_newer_is_refused_and_nothing_stays(
    grounds: Grounds, harm: Callable[[Path], None], said: str
) -> None:
    put(grounds, PHOTO, used_by=grounds.work("a")[0])
    made = grounds.back_up()
    harm(made.file)
    settings = grounds.empty_place()
    with pytest.raises(FolderError, match=said):
        restore(made.file, Folder(settings.data), settings, held={})
    nothing_stays(settings)


def nothing_stays(settings: Any) -> None:
    assert not settings.data.exists()
    if settings.on_server:
        with closing(database_of(Folder(settings.data), settings)) as database, database.own() as connection:
            assert inspect(connection).get_table_names() == []


def test_a_restore_that_fails_half_way_leaves_nothing(grounds: Grounds, tmp_path: Path) -> None:
    """That the records are others than what was held outside is only found when they are in."""
    key = grounds.begin_key()
    grounds.work("a")
    last = grounds.seal(key)
    made = grounds.back_up()
    said = json.loads(last.body)
    body = canonical({**said, "root": "ab" * 32}).decode()
    forged = {"body": body, "signature": key.sign(body.encode()).hex(), "public": key.public.hex()}
    (outside := tmp_path / "outside.jsonl").write_text(json.dumps(forged), encoding="utf-8")
    settings = grounds.empty_place()
    with pytest.raises(FolderError, match="were others"):
        restore(made.file, Folder(settings.data), settings, held=read_held(outside))
    nothing_stays(settings)
    restore(made.file, Folder(settings.data), settings, held={})


def test_a_key_that_cannot_be_read_keeps_nobody_from_restoring(grounds: Grounds) -> None:
    key = grounds.begin_key()
    grounds.work("a")
    made = grounds.back_up()
    [file] = (grounds.folder.path / "keys").rglob(f"{key.key}.pem")
    file.write_text("no key", encoding="utf-8")
    settings = grounds.empty_place()
    keys = grounds.folder.path / "keys"
    _, [restored] = restore(made.file, Folder(settings.data), settings, held={}, keys=keys)
    assert not restored.sealed


def test_a_place_that_is_not_empty_is_left_alone(grounds: Grounds) -> None:
    grounds.work("a")
    made = grounds.back_up()
    settings = grounds.empty_place()
    settings.data.mkdir()
    (settings.data / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderError, match="is not empty"):
        restore(made.file, Folder(settings.data), settings, held={})
    assert (settings.data / "letter.txt").read_text(encoding="utf-8") == "mine"
    (settings.data / "letter.txt").unlink()
    restore(made.file, Folder(settings.data), settings, held={})
    before = contents(database := database_of(Folder(settings.data), settings))
    other = settings.model_copy(update={"data": grounds.place / "other"}) if settings.on_server else settings
    with closing(database):
        with pytest.raises(FolderError, match="is not empty"):
            restore(made.file, Folder(other.data), other, held={})
        assert contents(database) == before


def test_keys_of_two_folders_are_refused(grounds: Grounds) -> None:
    made = grounds.back_up()
    settings = grounds.empty_place()
    (settings.data / "keys").mkdir(parents=True)
    with pytest.raises(FolderError, match="leave one of the two out"):
        restore(made.file, Folder(settings.data), settings, held={}, keys=grounds.folder.path / "keys")
    assert [each.name for each in settings.data.iterdir()] == ["keys"]


def test_a_line_that_was_broken_off_is_forgiven_where_the_writer_died_and_nowhere_else(grounds: Grounds) -> None:
    key = grounds.begin_key()
    grounds.work("a")
    first = grounds.seal(key)
    grounds.work("b")
    one, two = (json.dumps(line_of(each, key)) for each in (first, grounds.seal(key)))
    outside = grounds.place / "held.jsonl"
    for written, many in (
        (f"{one}\n{two[:-20]}", 1),
        (f"{one}\n{two[:-20]}\n{one}\n{two}\n", 3),
        (f"{one}\n{two}", 2),
    ):
        outside.write_text(written, encoding="utf-8")
        assert len(read_held(outside)[HERE]) == many
    for written in (f"{two[:-20]}\n{one}\n", f"{one}\n{two[:-20]}\n", f"{one[:-20]}x\n{one}\n"):
        outside.write_text(written, encoding="utf-8")
        with pytest.raises(FolderError, match="is no checkpoint"):
            read_held(outside)


def test_a_clock_behind_what_was_signed_last_is_refused(grounds: Grounds) -> None:
    """The note would say that it was restored before, and explain nothing of what is lost."""
    key = grounds.begin_key()
    grounds.work("a")
    grounds.seal(key)
    made = grounds.back_up()
    late = Checkpoint(HERE, 1_000, "0" * 64, datetime(2999, 1, 1, tzinfo=UTC), "", key.key).to_bytes()
    line = {"body": late.decode(), "signature": key.sign(late).hex(), "public": key.public.hex()}
    outside = grounds.place / "held.jsonl"
    outside.write_text(json.dumps(line), encoding="utf-8")
    settings = grounds.empty_place()
    restore(made.file, Folder(settings.data), settings, held=read_held(outside))
    with closing(database_of(Folder(settings.data), settings)) as database, database.read(HERE) as connection:
        [lost] = losses(connection, HERE)
    assert lost.explains(Checkpoint.from_bytes(late)), "a simulated clock goes on from there"
    _with(made.file, simulated=False)
    settings = grounds.empty_place("real")
    with pytest.raises(FolderError, match="set the clock first"):
        restore(made.file, Folder(settings.data), settings, held=read_held(outside))
    nothing_stays(settings)


def test_checkpoints_that_are_not_of_these_records_are_refused(grounds: Grounds) -> None:
    key = grounds.begin_key()
    grounds.work("a")
    first = grounds.seal(key)
    made = grounds.back_up()
    outside = grounds.place / "held.jsonl"
    for line, said in (
        ({**line_of(first, key), "public": SealKey.drawn().public.hex()}, "signature is right"),
        ({**line_of(first, key), "signature": "00" * 64}, "signature is right"),
        ({**line_of(first, key), "body": first.body.replace(f'"size":{first.size}', '"size":9')}, "signature is right"),
        ("no checkpoint", "signature is right"),
    ):
        outside.write_text(json.dumps(line), encoding="utf-8")
        with pytest.raises(FolderError, match=said):
            read_held(outside)
    body = Checkpoint.from_bytes(first.body.encode())
    forged = Checkpoint(HERE, 1, "0" * 64, body.at, "", key.key).to_bytes()
    line = {"body": forged.decode(), "signature": key.sign(forged).hex(), "public": key.public.hex()}
    outside.write_text(json.dumps(line), encoding="utf-8")
    settings = grounds.empty_place()
    with pytest.raises(FolderError, match="not what a checkpoint held outside is of"):
        restore(made.file, Folder(settings.data), settings, held=read_held(outside))
    nothing_stays(settings)


@on_postgresql
@pytest.mark.parametrize("version, said", [(None, "There is no pg_dump"), ("pg_dump (PostgreSQL) 9.6.2", "older than")])
def test_without_pg_dump_or_with_an_older_one_no_backup_is_made(
    grounds: Grounds, version: str | None, said: str
) -> None:
    programs = grounds.place / "programs"
    programs.mkdir()
    if version is not None:
        (programs / "pg_dump").write_text(f"#!/bin/sh\necho '{version}'\n", encoding="utf-8")
        (programs / "pg_dump").chmod(0o755)
    with pytest.raises(FolderError, match=said):
        grounds.back_up(programs=programs)
    assert not (grounds.place / "a.zip").exists()


@on_sqlite
def test_a_backup_of_the_other_kind_of_database_is_refused(grounds: Grounds) -> None:
    made = grounds.back_up()
    settings = grounds.empty_place().model_copy(update={"database_url": grounds.new_database("another_kind")})
    with pytest.raises(FolderError, match="is one of SQLite"):
        restore(made.file, Folder(settings.data), settings, held={})
    nothing_stays(settings)


# --- the commands --------------------------------------------------------------------------------------------------------


@on_sqlite
def test_the_commands_say_what_they_did_and_what_nobody_can_know(grounds: Grounds) -> None:
    grounds.work("a", 2)
    data, file, back = str(grounds.folder.path), str(grounds.place / "a.zip"), str(grounds.place / "back")
    made = CliRunner().invoke(main, ["backup", "-o", file, "--data", data, "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert (told["keys"], told["organisations"][0]["events"]) == (False, 4)
    assert "The keys are not in it" in made.stderr
    looked = CliRunner().invoke(main, ["restore", file, "--dry-run", "--data", back])
    assert looked.exit_code == 0 and not Path(back).exists()
    assert CliRunner().invoke(main, ["backup", "-o", file, "--data", data]).exit_code == 1
    done = CliRunner().invoke(main, ["restore", file, "--data", back, "--json"])
    assert done.exit_code == 0, done.output
    [here] = json.loads(done.stdout)["organisations"]
    assert (here["events"], here["trail"], here["note"], here["sealed"]) == (4, 4, 1, False)
    for warned in ("will be given again", "may come again", "sign in again", "audit erase"):
        assert warned in done.stderr


@on_sqlite
def test_where_nothing_can_be_written_a_backup_is_made_with_what_waits(grounds: Grounds) -> None:
    """As on a disk that is full, of which somebody wants a backup more than ever."""
    grounds.work("waits")
    with closing(sqlite3.connect(grounds.folder.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        [records] = grounds.back_up().manifest.organisations
    assert (records.trail, records.waiting) == (0, records.events)
