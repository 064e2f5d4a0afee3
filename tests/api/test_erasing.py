"""Personal data goes from everywhere it lies, and every proof still holds."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import JSON, LargeBinary, String, Text, cast, select, update
from sqlmodel import AutoString, SQLModel

from api.cli import main
from api.keeping.erasing import CLEARED, SEARCHED, Mask, Wanted, erase, look_for, names_any, rewrite
from api.problems import FileGone
from api.verifying import verify
from engine.commands import FireTrigger, OpenCase
from engine.directory import Group, Person
from engine.errors import FolderError, KeyReused, Refusal
from engine.errors import Text as Words
from engine.events import LOGBOOK
from engine.handle import note
from engine.store import accounts, books, cases, feeds, files, history, labels, people, refusals, templates
from engine.store.database import table_of
from engine.store.refusals import RefusalRecord
from engine.store.tables import PersonRow
from engine.store.templates import PaperTemplate
from notifications import accounts as channel_accounts
from notifications import readers, texts
from notifications.accounts import SetUp
from notifications.routing import Preference
from notifications.texts import OwnText
from tests.api.keeping_grounds import HERE, Grounds, at_work, the_grounds
from tests.api.test_word_files import a_file
from tests.builders import START
from tests.databases import Kind, on_sqlite
from tests.faults.invariants import Ledger, contents, must_hold

WHO = "teacher"
NAME, FORMER, NUMBER, MAIL, PHONE = "甲乙丙丁", "戊己庚辛", "T-20071", "somebody.here@example.org", "13900000001"
PICTURE = "ab" * 32
LINE = hashlib.sha256(
    f"{NAME} 的插座".encode()
).hexdigest()  # of an older ledger: who knows the words but for the name finds it
SAID = (NAME, FORMER, NUMBER, MAIL, PHONE, LINE)
WANTED = Wanted(HERE, WHO, "本人申请 2020-7")


@pytest.fixture
def grounds(tmp_path: Path, kind: Kind) -> Iterator[Grounds]:
    with the_grounds(tmp_path, kind) as grounds:
        yield grounds


@pytest.fixture
def named(grounds: Grounds) -> Grounds:
    """A school in which somebody is called by name wherever one can be."""
    database, at = grounds.runtime.database, START
    with database.write(HERE) as connection:
        known = people.person(connection, HERE, WHO)
        assert known is not None
        person = Person(
            HERE, WHO, NAME, "XB1", staff_number=NUMBER, post="教师", addresses={"mail": MAIL, "phone": PHONE}
        )
        people.update_person(connection, person)
        about = {"person": WHO, "name": FORMER, "post": "教师"}
        people.record_change(connection, HERE, "cli", "listed", about, at)
        accounts.add_session(connection, HERE, WHO, "secret", NAME, at, at.replace(year=2030))
        accounts.set_password(connection, HERE, WHO, "hashed", at, must_change=False)
        accounts.add_token(connection, HERE, "safety_head", "another", f"{NAME} 的手机", at)
        record = files.FileRecord(HERE, PICTURE, "image/png", 3, at)
        files.add(connection, record, f"person:{WHO}", files.Sent("cd" * 32, f"{NAME}.png"))
    path = grounds.runtime.files.path_of(HERE, PICTURE)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"png")
    note(grounds.runtime.engine, grounds.school.actor("safety_head"), "exported", {"what": f"{NAME} 的台账"})
    for turn in range(3):  # titles long and short, so that rows move and leave their old places behind
        grounds.work(f"{NAME} 报 {turn}" + "，详" * 40 * turn, place=f"{FORMER} 办公室")
    form = {"title": "插座", "place": f"找 {MAIL} 或 {PHONE}", "source": "staff", "photos": [PICTURE]}
    grounds.do(WHO, OpenCase("hazard", form), "open")
    taken = {"key": LINE, "number": "旧-1", "sheet": "2019", "row": 3, "written": {"描述": f"{NAME} 的插座"}}
    older = {"title": f"{NAME} 的插座", "place": "三楼", "source": "older_ledger", "imported": taken}
    grounds.do("safety_staff", OpenCase("hazard", older), f"{LINE}:0")
    with pytest.raises(Refusal):
        grounds.do(WHO, FireTrigger("YH-2020-0001", "verify", {"finding": NAME}), "refused")
    with database.write(HERE) as connection:  # who takes a name for a number, or for a step
        address = f"POST /api/v1/hazards/{NAME}/{FORMER}"
        typed = RefusalRecord(HERE, at, "person:driver", address, NAME, FORMER, "unknown_case", "", "没有找到")
        refusals.log(connection, typed)
    with database.write(HERE) as connection:  # as a reader, and where a channel or its service names him
        readers.prefer(connection, HERE, WHO, Preference("email"), at)
        feeds.add(connection, feeds.Feed(HERE, WHO, "f" * 16, None, "0" * 64, at))
        settings = {"sender_name": NAME, "host": "smtp.example.org"}
        channel_accounts.put(
            connection, SetUp(HERE, "post", "email", f"{NAME} 的邮箱", None, settings, b"", True, False, False, at)
        )
        channel_accounts.failed(connection, HERE, "post", f"550 {MAIL} unknown", at)
        for paper, characters in (("notice", NAME), ("receipt", NAME[:2])):  # which Word writes in pieces
            runs = "".join(f"<w:r><w:t>{each}</w:t></w:r>" for each in characters)
            own = PaperTemplate(HERE, paper, "0" * 64, at, "person:principal")
            templates.keep(connection, own, a_file("word/header1.xml", f"<w:p>{runs}</w:p>".encode()))
        texts.keep(connection, HERE, OwnText("", "informed", "zh", f"{{number}} 有疑问请找{NAME}", at))
        labels.add(connection, labels.Label(HERE, "1" * 8, f"{NAME} 办公室", "1" * 64, at, "person:principal"))
        people.set_group(connection, HERE, Group("studio", Words(f"{NAME}工作室", "Studio")))
    grounds.runtime.tick()
    grounds.runtime.deliver()
    with database.write(HERE) as connection:
        readers.does_not_reach(connection, HERE, WHO, "sms", readers.hash_of(PHONE), f"27 {PHONE} is barred", at)
    return grounds


def everywhere(grounds: Grounds) -> dict[str, list[str]]:
    """What of all that is found in which table, through the front door."""
    found: dict[str, list[str]] = {}
    with grounds.runtime.database.read_across() as connection:
        for table in SQLModel.metadata.sorted_tables:
            rows = connection.execute(
                select(*(c if isinstance(c.type, LargeBinary) else cast(c, Text) for c in table.columns))
            ).fetchall()
            said = json.dumps([list(row) for row in rows], ensure_ascii=False, default=str)
            if there := [word for word in SAID if word in said]:
                found[table.name] = there
    return found


def in_the_folder(folder: Path) -> list[str]:
    """Names of files in which any of it lies, as bytes: as it is, or as JSON may write it."""
    wanted = [word.encode() for word in SAID] + [json.dumps(word).strip('"').encode() for word in SAID]
    wanted += [word.lower() for word in wanted] + [word.upper() for word in wanted if word.startswith(b"\\u")]
    return [
        str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))
        if path.is_file() and any(word in path.read_bytes() for word in wanted)
    ]  # fmt: skip


def test_after_it_the_name_is_nowhere_and_every_proof_holds(named: Grounds) -> None:
    runtime = named.runtime
    assert set(everywhere(named)) >= {
        "case_record", "disclosure", "outbox", "delivery", "person", "directory_change", "file_holder", "token", "refusal",
        "channel", "channel_state", "unreached", "message_text", "place_label", "working_group",
    }  # fmt: skip
    before = {number: history_of(named, number) for number in ("YH-2020-0001", "YH-2020-0004", LOGBOOK)}
    found = erase(runtime.engine, runtime.files, WANTED)
    assert rewrite(runtime.database) is None
    assert everywhere(named) == {}
    assert in_the_folder(named.folder.path) == []
    must_hold(runtime.engine, Ledger())
    for number, bytes_before in before.items():
        assert history_of(named, number)[: len(bytes_before)] == bytes_before, "no event was touched"
    with runtime.database.read(HERE) as connection:
        notes = history.events_of(connection, HERE, LOGBOOK)
        case, taken = (cases.load(connection, HERE, number) for number in ("YH-2020-0001", "YH-2020-0005"))
        lines = {each.key for each in books.taken_over(connection, HERE)}
        person = people.person(connection, HERE, WHO)
    assert case is not None and (case.title, case.place) == (f"{CLEARED} 报 0 0", f"{CLEARED} 办公室")
    assert taken is not None and taken.facts["imported"]["written"] == {"描述": f"{CLEARED} 的插座"}
    assert re.fullmatch("[0-9a-f]{64}", taken.facts["imported"]["key"]) and lines == {taken.facts["imported"]["key"]}
    assert case.reporter == WHO, "the key is a pseudonym, and chained"
    assert person is not None and (person.name, person.active, person.addresses, person.post) == (
        CLEARED,
        False,
        {},
        "",
    )
    with runtime.database.read(HERE) as connection:
        assert WHO not in readers.preferences_of(connection, HERE)
        assert WHO not in {each.person for each in readers.unreached(connection, HERE)}
        assert feeds.of(connection, HERE, WHO) == []
    erased = [each.data for each in notes if each.trigger == "erased"]
    assert [each.sequence for each in notes if each.trigger == "erased"] == found.notes
    assert {(each["person"], each["reason"]) for each in erased} == {(WHO, WANTED.reason)}
    told = [(number, sequence, sorted(names)) for each in erased for number, sequence, names in each["cleared"]]
    assert ("YH-2020-0001", 1, ["kept.place", "kept.title"]) in told
    assert told == [(number, sequence, sorted(names)) for number, sequence, names in found.entries]
    assert {code for code, _, _ in found_in(named)} == {"file"}, "the picture of these grounds was never there"


def test_what_is_left_is_what_the_logbook_committed_to(named: Grounds) -> None:
    runtime = named.runtime
    erase(runtime.engine, runtime.files, WANTED)
    with runtime.database.write(HERE) as connection:
        entries = history.entries_of(connection, HERE, "YH-2020-0001")[1]
        other = {**entries["kept.title"], "value": "无事发生"}
        history.erase(connection, HERE, "YH-2020-0001", 1, {**entries, "kept.title": other})
    assert ("commitment", "YH-2020-0001", 1) in found_in(named)


def found_in(grounds: Grounds) -> set[tuple[str, str | None, int | None]]:
    report = verify(grounds.runtime.database, grounds.folder, HERE, processes=1)
    return {(each.code, each.number, each.sequence) for each in report.findings}


def history_of(grounds: Grounds, number: str) -> list[bytes]:
    with grounds.runtime.database.read(HERE) as connection:
        return history.envelopes_of(connection, HERE, number)


def test_what_was_cleared_is_not_found_by_words_and_the_case_goes_on(named: Grounds) -> None:
    runtime = named.runtime
    erase(runtime.engine, runtime.files, WANTED)
    named.do("safety_staff", FireTrigger("YH-2020-0004", "reject", {"reason": "不属实"}), "goes on")
    must_hold(runtime.engine, Ledger())
    form = {"title": "插座", "place": f"找 {MAIL} 或 {PHONE}", "source": "staff", "photos": [PICTURE]}
    with pytest.raises(KeyReused):  # whoever sends it again is refused, and it does not happen twice
        named.do(WHO, OpenCase("hazard", form), "open")


def test_a_dry_run_says_what_would_be_cleared_and_writes_nothing(named: Grounds) -> None:
    database = named.runtime.database
    before = contents(database)
    found = look_for(database, WANTED)
    assert contents(database) == before
    done = erase(named.runtime.engine, named.runtime.files, WANTED)
    assert sorted(found.entries) == sorted(done.entries)
    assert all(done.rows[name] >= count for name, count in found.rows.items()), "and beside it what he signs in with"
    assert look_for(database, WANTED).entries == []
    # a template written anew by the program might be broken: it is named, now and until it is replaced, and nobody told that all is clear
    called_so = replace(WANTED, also=(NAME,))
    assert found.papers == done.papers == look_for(database, called_so).papers == ["notice"]
    with database.write(HERE) as connection:
        assert templates.content(connection, HERE, "notice") and templates.drop(connection, HERE, "notice")
    assert look_for(database, called_so).papers == []


def test_who_is_interrupted_begins_again_and_nothing_is_untold(named: Grounds) -> None:
    class Interrupted(Exception):
        pass

    runtime = named.runtime

    def interrupted_at(step: int) -> Callable[[float], None]:
        steps = itertools.count(1)

        def progress(_: float) -> None:
            if next(steps) == step:
                raise Interrupted

        return progress

    for step in (1, 2, 3):
        with pytest.raises(Interrupted):
            erase(runtime.engine, runtime.files, WANTED, interrupted_at(step))
        must_hold(runtime.engine, Ledger())
    erase(runtime.engine, runtime.files, WANTED)
    assert everywhere(named) == {}
    must_hold(runtime.engine, Ledger())


def test_while_people_work_nothing_is_lost_or_half_cleared(named: Grounds) -> None:
    runtime = named.runtime
    with at_work(named):
        erase(runtime.engine, runtime.files, WANTED)
        assert rewrite(runtime.database) is None or runtime.database.rewrite(["person"])
    must_hold(runtime.engine, Ledger())
    assert everywhere(named) == {}


def test_a_picture_goes_and_what_it_was_stays_on_record(named: Grounds) -> None:
    runtime = named.runtime
    erase(runtime.engine, runtime.files, Wanted(HERE, WHO, WANTED.reason, pictures=[PICTURE]))
    assert not runtime.files.path_of(HERE, PICTURE).exists()
    with runtime.database.read(HERE) as connection:
        record = files.find(connection, HERE, PICTURE)
        entry = history.entries_of(connection, HERE, "YH-2020-0004")[1]["kept.facts.photos"]
        [*_, note_of_it, _] = history.events_of(connection, HERE, LOGBOOK)
    assert record is not None and record.erased == note_of_it.sequence
    assert note_of_it.data["files"] == [PICTURE]
    assert entry["value"] == [PICTURE] and "salt" not in entry
    with pytest.raises(FileGone, match="cleared as personal data"):
        runtime.files.read_from(record)
    must_hold(runtime.engine, Ledger())
    assert named.back_up().manifest.missing == []


@pytest.mark.parametrize(
    "wanted, said",
    [
        (Wanted(HERE, "nobody", "r"), "no account"),
        (Wanted(HERE, NAME, "r"), "no account"),
        (Wanted(HERE, WHO, f"{NAME} 申请"), "reason holds what is to be cleared"),
        (Wanted(HERE, WHO, "r", pictures=["0" * 64]), "There is no file"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_cleared(named: Grounds, wanted: Wanted, said: str) -> None:
    before = contents(named.runtime.database)
    with pytest.raises(FolderError, match=said):
        erase(named.runtime.engine, named.runtime.files, wanted)
    assert contents(named.runtime.database) == before


def test_other_organisations_are_left_alone(named: Grounds) -> None:
    with named.runtime.database.write_across() as connection:
        here = table_of(PersonRow)
        connection.execute(update(here).where(here.c.person == WHO).values(human="h"))
        people.add_person(connection, Person("other", WHO, NAME, human="h"))
    found = erase(named.runtime.engine, named.runtime.files, WANTED)
    assert found.linked == [f"{WHO}@other"]
    with named.runtime.database.read("other") as connection:
        other = people.person(connection, "other", WHO)
    assert other is not None and other.name == NAME


@pytest.mark.parametrize(
    "names, before, after",
    [
        (["Alice"], "Alice saw it, Alicent did not", "▇▇ saw it, Alicent did not"),
        (["Alice"], "ALICE", "▇▇"),
        (["Alice"], "alice", "alice"),  # the key
        (["甲乙"], "请甲乙老师处理", "请▇▇老师处理"),
        (["甲乙", "甲乙丙"], "甲乙丙和甲乙", "▇▇和▇▇"),
        (["1390"], "13900 and 1390", "13900 and ▇▇"),
        (["a.b@c.org"], "write to a.b@c.org.", "write to ▇▇."),
        ([], "nothing", "nothing"),
    ],
)
def test_a_name_is_found_where_it_stands_by_itself(names: list[str], before: str, after: str) -> None:
    assert Mask(names, {"alice"})(before) == after
    assert Mask(names, {"alice"})({"alice": [before, 1, None]}) == {"alice": [after, 1, None]}


@pytest.mark.parametrize(
    "answer, named",
    [("a", True), (["x", "a"], True), ([{"photos": ["a"], "n": 1}], True), ([{"photos": ["b"]}, None], False)],
)
def test_a_picture_is_found_however_deep_an_answer_names_it(answer: Any, named: bool) -> None:
    assert names_any(answer, ["a"]) is named


#: columns of text in which nobody writes about anybody: keys, names of places and things, hashes, states, addresses of ours
HOLDS_NONE = {
    "organisation": "*", "calendar": "*", "department": "*", "obligation": "*", "role_grant": "*", "working_group": {"organisation", "code"},
    "seat": "*", "absence": "*", "password": "*", "session": "*", "sign_in_try": "*", "policy": "*", "party": "*",
    "event": "*", "unnumbered": "*", "trail": "*", "tree_node": "*", "checkpoint": "*", "seal_key": "*", "timer": "*",
    "period": "*", "answer": {"organisation", "principal", "route", "request_hash", "number"}, "series": "*", "file": "*",
    "person": "*", "disclosure": "*", "case_record": "*",  # which have ways of their own
    "directory_change": {"organisation", "by", "what"},
    "token": {"organisation", "token_hash", "person", "prefix", "allows"},
    "outbox": {"organisation", "id", "number", "reason", "audience", "how", "status"},
    "refusal": {"organisation", "principal", "on_behalf_of", "code", "reason"},
    "file_holder": {"organisation", "sha256", "kind", "holder", "sent_sha256", "taken_at"},
    "delivery": {
        "organisation", "id", "notice", "case", "reason", "audience", "notice_how", "addressee", "channel", "how", "status",
        "digest_for", "message", "account",
    },
    "inbox_message": {"organisation", "id", "person", "how", "link", "cases"},
    "preference": "*", "send_slot": "*", "place_label": {"organisation", "id", "token_hash", "made_by", "revoked_by"}, "feed": "*", "strangers_count": "*",
    "paper_template": "*",  # its file is looked through, and left
    "saved_view": {"organisation", "person", "id"},
    "digest": {"organisation", "message", "channel", "addressee", "day"},
    "unreached": {"organisation", "person", "channel", "address"},  # of the address a hash, and gone with the account
    "channel": {"organisation", "id", "kind", "department"},
    "channel_state": {"organisation", "account", "listed_for"},
    "message_text": {"organisation", "workflow", "name", "locale"},
}  # fmt: skip


def test_every_column_in_which_a_name_may_stand_is_looked_through() -> None:
    searched = {table.name: set(columns) for table, columns in SEARCHED.items()}
    for table in SQLModel.metadata.sorted_tables:
        none = HOLDS_NONE.get(table.name, set())
        if none == "*":
            continue
        texts = {column.name for column in table.columns if isinstance(column.type, String | Text | JSON | AutoString)}
        assert texts == searched.get(table.name, set()) | set(none), f"of {table.name}: say of each what it may hold"


@on_sqlite
def test_the_command_asks_first_and_says_what_remains(named: Grounds) -> None:
    data = ["--data", str(named.folder.path)]
    asked = ["audit", "erase", "--person", WHO, "--reason", "本人申请", *data]
    looked = CliRunner().invoke(main, [*asked, "--dry-run", "--json"])
    assert looked.exit_code == 0, looked.output
    assert json.loads(looked.stdout)["done"] is False
    short = CliRunner().invoke(main, [*asked, "--dry-run", "--also", "灯"])
    assert short.exit_code == 0 and "没有查找：" in short.stderr and "'灯'" in short.stderr
    no = CliRunner().invoke(main, asked, input="n\n")
    assert no.exit_code == 1 and "Go on?" in no.stderr
    assert in_the_folder(named.folder.path) != []
    done = CliRunner().invoke(main, [*asked, "--yes", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["done"], told["rewritten"]) == (True, True)
    assert "backups made before still hold it" in done.stderr
    assert told["templates"] == ["notice"]
    assert "still say it" in done.stderr and "隐患整改通知书 (Rectification notice, notice)" in done.stderr
    assert in_the_folder(named.folder.path) == []
    again = CliRunner().invoke(main, [*asked, "--yes", "--json"])
    assert json.loads(again.stdout)["events"] == []
