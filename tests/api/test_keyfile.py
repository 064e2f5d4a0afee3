"""A school that moves takes every key along under a passphrase; and whoever left them behind is told what no longer works."""

import json
import re
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api import labels
from api.bootstrap import database_of
from api.cli import main
from api.folder import Folder
from api.keeping import keyfile
from api.keeping.keyfile import STOPS, closed, draw, keys_in, locked, missing, opened, put
from api.keeping.restoring import restore
from api.keys import SealKey
from api.vault import CHANNELS_KEY
from engine.errors import FolderError
from engine.events import LOGBOOK
from engine.store import feeds, history
from notifications import accounts
from notifications.accounts import SetUp
from tests.api.keeping_grounds import HERE, Grounds, reopened, the_grounds
from tests.builders import START
from tests.databases import Kind, on_sqlite

PASSPHRASE = "correct horse battery"
MISSED = ["channels", "links", "labels", "feeds"]


@pytest.fixture
def grounds(tmp_path: Path, kind: Kind) -> Iterator[Grounds]:
    with the_grounds(tmp_path, kind) as grounds:
        yield grounds


def set_up(grounds: Grounds) -> labels.Printed:
    """A school that uses each of its keys; gives a label as it hangs on the wall."""
    runtime = grounds.runtime
    grounds.work("before", 2)
    runtime.seal()
    with runtime.database.write(HERE) as connection:
        secret = accounts.closed(runtime.vault, HERE, "post", {"password": "s3cret"})
        accounts.put(
            connection, SetUp(HERE, "post", "email", "", None, {"host": "smtp"}, secret, True, False, False, START)
        )
        feeds.add(connection, feeds.Feed(HERE, "teacher", "f" * 16, None, "0" * 64, START))
    return labels.printed(runtime, labels.make(runtime, grounds.school.actor("safety_staff"), "教学楼三层"))


def test_a_school_that_moves_goes_on_with_every_key_it_had(grounds: Grounds) -> None:
    on_the_wall = set_up(grounds)
    draw(grounds.folder)
    written = closed(keys_in(grounds.folder.keys), PASSPHRASE)
    made = grounds.back_up()
    settings = grounds.empty_place()
    _, [told] = restore(made.file, Folder(settings.data), settings, held={}, keys=opened(written, PASSPHRASE))
    assert told.sealed and not told.locked
    with reopened(settings) as anew:
        assert missing(anew.database, anew.folder.keys) == []
        assert keys_in(anew.folder.keys) == keys_in(grounds.folder.keys)
        assert labels.printed(anew, on_the_wall.label).address == on_the_wall.address
        with anew.database.read(HERE) as connection:
            [post] = accounts.all_of(connection, HERE)
            assert post.account(anew.vault).secrets == {"password": "s3cret"}


def test_what_is_missing_is_told_with_what_does_not_work_without(grounds: Grounds) -> None:
    set_up(grounds)
    made = grounds.back_up()
    settings = grounds.empty_place()
    restore(made.file, Folder(settings.data), settings, held={}, keep_tokens=True)  # links to calendars, too
    folder = Folder(settings.data)
    with closing(database_of(folder, settings)) as database:
        [seal, *others] = missing(database, folder.keys)
        assert locked(database, folder.keys) == [f"{HERE}/post"]
    assert (seal.of, seal.name.partition("/")[0]) == (HERE, "seal") and "--new-key" in seal.stops.en
    assert [each.name for each in others] == MISSED
    assert keys_in(folder.keys) == {}, "looking draws nothing"
    with reopened(settings) as anew:  # which draws what it needs to run
        assert locked(anew.database, folder.keys) == [f"{HERE}/post"]


def test_every_key_that_a_folder_draws_for_itself_goes_along_and_has_its_line() -> None:
    """Else it would be forgotten in a file that was made before it was drawn, and nobody told what stops without it."""
    sources = Path(keyfile.__file__).parents[1].rglob("*.py")
    asked_for = {
        name for source in sources for name in re.findall(r"\.key\(\"([a-z-]+)\"\)", source.read_text("utf-8"))
    }
    assert {"links", "labels", "sign-in"} <= asked_for <= set(STOPS)


def test_what_nobody_uses_is_not_missed(grounds: Grounds) -> None:
    grounds.work("a")
    assert [each.name for each in missing(grounds.runtime.database, grounds.place / "nowhere")] == ["links"]


@on_sqlite
def test_keys_lie_in_the_file_under_the_passphrase_alone(grounds: Grounds) -> None:
    set_up(grounds)
    (grounds.folder.keys / "setup").write_bytes(bytes(32))
    there = keys_in(grounds.folder.keys)
    assert "setup" not in there and not [name for name in there if name.endswith(".json")]
    written = closed(there, PASSPHRASE)
    assert opened(written, PASSPHRASE) == there
    assert closed(there, PASSPHRASE) != written, "a salt of its own each time"
    for content in there.values():
        assert content not in written and b"PRIVATE" not in written
    with pytest.raises(FolderError, match="The passphrase is another one"):
        opened(written, PASSPHRASE + ".")
    told = json.loads(written)
    for name in ("salt", "nonce", "closed"):
        altered = told[name].replace(told[name][5], "A" if told[name][5] != "A" else "B", 1)
        with pytest.raises(FolderError, match="or the file of keys is damaged"):
            opened(json.dumps({**told, name: altered}).encode(), PASSPHRASE)
    with pytest.raises(FolderError, match="at least 12 characters"):
        closed(there, "too short")


@pytest.mark.parametrize(
    "written",
    [
        b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"kind":"bihuan keys"}', b'{"kind":"another","format":1}',
        b'{"kind":"bihuan keys","format":1,"salt":1,"nonce":"","closed":""}',
        b'{"kind":"bihuan keys","format":1,"salt":"?","nonce":"","closed":""}',
    ],
)  # fmt: skip
def test_what_is_no_file_of_keys_is_not_taken_for_one(written: bytes) -> None:
    with pytest.raises(FolderError, match="no file of keys"):
        opened(written, PASSPHRASE)


def test_a_file_of_a_newer_program_says_so() -> None:
    with pytest.raises(FolderError, match="newer program"):
        opened(b'{"kind":"bihuan keys","format":2}', PASSPHRASE)


@pytest.mark.parametrize(
    "name, content",
    [
        ("../folder.json", bytes(32)), ("setup", bytes(32)), ("channels.old", bytes(32)), ("channels", bytes(31)),
        ("seal/school/../../x.pem", SealKey.drawn().to_pem()), (f"seal/school/{'a' * 64}.pem", SealKey.drawn().to_pem()),
        (f"seal/school/{'a' * 64}.pem", b"no key"),
    ],
)  # fmt: skip
def test_who_knows_the_passphrase_writes_no_other_file_of_this_machine(
    name: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyfile, "_N", 2)  # what takes long on purpose is measured by other tests
    with pytest.raises(FolderError, match="is no key"):
        opened(closed({name: content}, PASSPHRASE), PASSPHRASE)


def test_keys_are_laid_down_for_their_user_alone_and_one_that_lies_there_is_set_aside(tmp_path: Path) -> None:
    keys, seal = tmp_path / "keys", SealKey.drawn()
    given = {"channels": b"a" * 32, "links": b"b" * 32, f"seal/school/{seal.key}.pem": seal.to_pem()}
    put(keys, {"channels": b"z" * 32, "links": b"b" * 32})
    assert keyfile.different(keys, given) == ["channels"]
    assert put(keys, given, aside="replaced-1") == ["channels", f"seal/school/{seal.key}.pem"]
    assert keys_in(keys) == given
    assert (keys / "channels.replaced-1").read_bytes() == b"z" * 32
    for path in keys.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# --- by command ----------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments], catch_exceptions=False)


@on_sqlite
def test_by_command_keys_go_out_and_come_back_in_a_restore_or_afterwards(grounds: Grounds) -> None:
    set_up(grounds)
    secret, kept = grounds.place / "secret", grounds.place / "keys.bihuan"
    secret.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    under, here = ("--passphrase-file", str(secret)), ("--data", str(grounds.folder.path))
    exported = json.loads(run("keys", "export", "-o", str(kept), *under, *here, "--json").stdout)
    assert set(exported["keys"]) >= {*STOPS} and exported["missing"] == []
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with grounds.runtime.database.read(HERE) as connection:
        noted = [
            dict(event.data) for event in history.events_of(connection, HERE, LOGBOOK) if event.trigger == "exported"
        ]
    assert noted == [{"what": "keys", "names": exported["keys"]}]
    again = run("keys", "export", "-o", str(kept), *under, *here)
    assert again.exit_code == 1 and "is there already" in again.stderr
    backup = str(grounds.place / "a.zip")
    assert "bihuan keys export" in run("backup", "-o", backup, *here).stderr

    with_keys = ("--data", str(grounds.place / "with"))
    restored = run("restore", backup, "--keys", str(kept), *under, *with_keys)
    assert restored.exit_code == 0 and "Missing key" not in restored.stdout and "已签名" in restored.stdout

    without = grounds.place / "without"
    restored = run("restore", backup, "--keep-tokens", "--data", str(without))
    for name in MISSED:
        stops = STOPS[name]
        assert f"Missing key {name}: {stops.zh} / {stops.en}" in restored.stdout
    assert "bihuan keys import" in restored.stdout
    assert run("audit", "query", "--data", str(without)).exit_code == 0  # a command that draws what it needs
    drawn = sorted(path.name for path in (without / "keys").iterdir())
    refused = run("keys", "import", str(kept), *under, "--data", str(without))
    assert refused.exit_code == 1 and "--replace" in refused.stderr
    assert sorted(path.name for path in (without / "keys").iterdir()) == drawn, "all or none"
    brought = json.loads(run("keys", "import", str(kept), "--replace", *under, "--data", str(without), "--json").stdout)
    assert set(brought["replaced"]) == set(drawn) and brought["missing"] == brought["channels_to_set_up_again"] == []
    assert json.loads(run("keys", "list", "--data", str(without), "--json").stdout)["keys"] == exported["keys"]
    assert run("audit", "seal", "--data", str(without)).exit_code == 0


@on_sqlite
def test_nothing_is_brought_into_a_folder_that_is_served(grounds: Grounds) -> None:
    secret, kept = grounds.place / "secret", grounds.place / "keys.bihuan"
    secret.write_text(PASSPHRASE, encoding="utf-8")
    kept.write_bytes(closed({CHANNELS_KEY: bytes(32)}, PASSPHRASE))
    with grounds.folder.served():
        ran = run("keys", "import", str(kept), "--passphrase-file", str(secret), "--data", str(grounds.folder.path))
    assert ran.exit_code == 1 and "being served" in ran.stderr
