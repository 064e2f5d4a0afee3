"""The pack of a case: whole, alike each time, of this case alone, noted; and checked without us."""

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from api.bootstrap import Runtime, open_runtime
from api.keys import KeyRing, SealKey
from api.papers.pack import verify
from api.papers.pack.gathering import NotSealed, gather
from api.papers.pack.packing import verifier, verifier_hash
from engine import sealing
from engine.actor import system
from engine.authority import visibility
from engine.clock import SimulatedClock
from engine.errors import NotPossibleNow, UnknownCase
from engine.events import LOGBOOK
from engine.store import files as stored_files
from engine.store import history, seals, worklists
from engine.store.database import Database, table_of
from engine.store.tables import DisclosureRow
from engine.store.worklists import Filter
from tests.api.papers.pack.conftest import Made
from tests.api.papers.pack.packs import a_key, a_pack, a_picture, a_repair, files_of
from tests.builders import School, a_school, the_settings
from tests.conftest import Played
from tests.databases import Kind

_disclosures = table_of(DisclosureRow)


def checked(pack: bytes, key: str | None) -> list[str]:
    """What does not hold, in English."""
    try:
        return [fault.en for fault in verify.check(verify.Pack(io.BytesIO(pack)), key).faults]
    except verify.Fault as fault:
        return [fault.en]


def run(where: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """`verify.py` as a stranger runs it: isolated, in a place without anything of ours."""
    return subprocess.run(
        [sys.executable, "-I", "-S", *arguments], cwd=where, capture_output=True, encoding="utf-8", env={}, check=False
    )


# --- making ----------------------------------------------------------------------------------------------------------------


def test_a_pack_of_either_database_holds(client: httpx.Client, runtime: Runtime, school: School) -> None:
    key = a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    files = files_of(pack := a_pack(runtime, number))
    assert checked(pack, key.key) == []
    assert list(files)[:4] == ["README.txt", "index.html", "events.jsonl", "checkpoint.json"]
    assert list(files)[-3:] == ["verify.py", "manifest.json", "signature.json"]
    with runtime.database.read("school") as connection:
        envelopes = history.envelopes_of(connection, "school", number)
    lines = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert [line["envelope"].encode() for line in lines] == envelopes
    pictures = [name for name in files if name.startswith("files/")]
    assert len(pictures) == 2
    assert all(name == f"files/{hashlib.sha256(files[name]).hexdigest()}.jpg" for name in pictures)


def test_the_same_case_at_the_same_instant_is_the_same_pack(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    first, second = a_pack(runtime, number), a_pack(runtime, number)
    assert first == second, "noting the first changed nothing of what the second says"
    with zipfile.ZipFile(io.BytesIO(first)) as opened:
        assert {entry.date_time for entry in opened.infolist()} == {(2020, 3, 2, 9, 0, 0)}, "the school's time"


def test_a_pack_says_nothing_of_other_cases(client: httpx.Client, runtime: Runtime, school: School) -> None:
    """Neighbours in the tree and in time, of this school and another one: not a word of theirs, not a picture."""
    a_key(runtime)
    theirs = {"吊顶开裂邻项": "北楼四零四", "灯管闪烁邻项": "南楼一零一"}
    [first, *_] = [
        a_repair(client, school, title, place, done=f"{title}已处理", width=128) for title, place in theirs.items()
    ]
    number = a_repair(client, school, "插座松动", "A-101")
    last = a_repair(client, school, "门锁失灵邻项", "西门岗亭", done="邻项已修", width=200)
    everything = b"".join(files_of(a_pack(runtime, number)).values()).decode("utf-8", "replace")
    for word in ("邻项", "北楼", "南楼", "西门", first, last):
        assert word not in everything
    pictures = {name for name in files_of(a_pack(runtime, last)) if name.startswith("files/")}
    assert not any(name[6:70] in everything for name in pictures)
    assert number in everything and "插座松动" in everything


def test_who_took_a_pack_is_in_the_logbook(client: httpx.Client, runtime: Runtime, school: School) -> None:
    a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    pack = a_pack(runtime, number)
    with runtime.database.read("school") as connection:
        [noted] = history.events_of(connection, "school", LOGBOOK)
    assert (noted.trigger, noted.actor) == ("proved", "system")
    assert noted.data == {"case": number, "events": 4, "files": 2, "sha256": hashlib.sha256(pack).hexdigest()}


def test_events_since_the_last_checkpoint_are_sealed_first(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    key = a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    a_pack(runtime, number)
    closed = client.post(f"/api/v1/repairs/{number}/close", headers=school.headers("safety_head"))
    assert closed.status_code == 200
    files = files_of(pack := a_pack(runtime, number))
    assert checked(pack, key.key) == []
    assert len(files["events.jsonl"].splitlines()) == 5
    with runtime.database.read("school") as connection:
        assert len(seals.checkpoints(connection, "school")) == 2


def test_a_pack_made_after_another_key_began_holds_by_that_one_alone(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    old = a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    before = a_pack(runtime, number)
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(days=1))
    new = a_key(runtime)
    after = a_pack(runtime, number)
    assert (checked(before, old.key), checked(after, new.key)) == ([], [])
    assert "signed by another key" in checked(after, old.key)[0]
    assert "signed by another key" in checked(before, new.key)[0]


def test_what_no_checkpoint_speaks_of_is_not_gathered(client: httpx.Client, runtime: Runtime, school: School) -> None:
    """As when somebody acts on the case between sealing and reading: it is sealed again."""
    key = a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    sealing.number(runtime.database, "school")

    def gathered(by: str) -> int:
        with runtime.database.read("school") as connection:
            found = gather(
                connection, runtime.engine.catalog, "school", number, runtime.clock.now(), key=by, with_names=True
            )
        return len(found.records)

    with pytest.raises(NotSealed):
        gathered(key.key)
    sealing.seal(runtime.database, "school", key, runtime.clock)
    assert gathered(key.key) == 4
    with pytest.raises(NotSealed):
        gathered("ab" * 32)


def test_without_a_key_nothing_is_proved(client: httpx.Client, runtime: Runtime, school: School) -> None:
    number = a_repair(client, school, "插座松动", "A-101")
    with pytest.raises(NotPossibleNow, match="no key to sign with"):
        a_pack(runtime, number)
    key = a_key(runtime)
    [kept] = (runtime.folder.path / "keys").rglob("*.pem")
    for instead in (None, b"no key", SealKey.drawn().to_pem()):
        kept.unlink() if instead is None else kept.write_bytes(instead)
        with pytest.raises(NotPossibleNow, match="does not lie in this data folder"):
            a_pack(runtime, number)
    KeyRing(runtime.folder.path / "keys").keep("school", key)
    assert checked(a_pack(runtime, number), key.key) == []


@pytest.mark.parametrize("number", ["WX-2020-0404", LOGBOOK, "", "../x"])
def test_what_is_no_case_is_not_proved(number: str, runtime: Runtime, school: School) -> None:
    a_key(runtime)
    with pytest.raises(UnknownCase):
        a_pack(runtime, number)


def test_records_that_do_not_hold_are_not_handed_out(client: httpx.Client, runtime: Runtime, school: School) -> None:
    """Somebody wrote another title into the database: the pack would prove nothing, and says so before it leaves."""
    a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    _rewrite(runtime.database, number, "kept.title", {"salt": "00" * 16, "value": "一切正常"})
    with pytest.raises(NotPossibleNow, match="event 1 says is not what was recorded"):
        a_pack(runtime, number)
    with runtime.database.read("school") as connection:
        assert history.events_of(connection, "school", LOGBOOK) == []


def test_a_file_that_is_no_longer_kept_is_told_and_not_passed_over(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    key = a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    sha256 = next(name[6:70] for name in files_of(a_pack(runtime, number)) if name.startswith("files/"))
    runtime.files.path_of("school", sha256).unlink()
    files = files_of(pack := a_pack(runtime, number))
    assert json.loads(files["manifest.json"])["absent"] == {sha256: "gone"}
    assert checked(pack, key.key) == []
    assert "its bytes are no longer kept" in files["index.html"].decode()
    with runtime.database.write("school") as connection:
        stored_files.mark_erased(connection, "school", sha256, 1)
    files = files_of(pack := a_pack(runtime, number))
    assert json.loads(files["manifest.json"])["absent"] == {sha256: "cleared"}
    assert checked(pack, key.key) == []
    assert "cleared to protect a person" in files["index.html"].decode()


def test_a_file_with_other_bytes_is_not_handed_out(client: httpx.Client, runtime: Runtime, school: School) -> None:
    a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    sha256 = next(name[6:70] for name in files_of(a_pack(runtime, number)) if name.startswith("files/"))
    runtime.files.path_of("school", sha256).write_bytes(b"another picture")
    with pytest.raises(NotPossibleNow, match="is not a file that the events speak of"):
        a_pack(runtime, number)


def test_what_was_cleared_is_shown_as_cleared_and_the_pack_still_holds(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    key = a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101", done="张三已更换")
    _rewrite(runtime.database, number, "kept.facts.done", {"erased": 1, "value": "▇▇已更换"}, sequence=3)
    _rewrite(runtime.database, number, "kept.title", {"erased": 1, "value": ""})
    files = files_of(pack := a_pack(runtime, number))
    found = verify.check(verify.Pack(io.BytesIO(pack)), key.key)
    assert (found.faults, found.cleared) == ([], 2)
    page = files["index.html"].decode()
    assert "（已清除）" in page and "部分内容已清除" in page and "▇▇已更换" in page
    assert "张三" not in b"".join(files.values()).decode("utf-8", "replace")


def _rewrite(database: Database, number: str, name: str, entry: dict[str, object], sequence: int = 1) -> None:
    """What lies beside an event, changed behind the program's back."""
    here = (
        (_disclosures.c.organisation == "school")
        & (_disclosures.c.number == number)
        & (_disclosures.c.sequence == sequence)
    )
    with database.write("school") as connection:
        entries = dict(connection.execute(_disclosures.select().where(here)).one().entries)
        assert name in entries
        connection.execute(update(_disclosures).where(here).values(entries={**entries, name: entry}))


def test_every_kind_of_case_of_a_campaign_is_proved(campaign: Played, tmp_path: Path) -> None:
    """Loops of every kind and their ends: plans, deferrals, many signatures, merged, rebounded, rejected, still open."""
    with closing(open_runtime(the_settings(campaign.copied_to(tmp_path / "campaign")))) as runtime:
        key = a_key(runtime, "nantong")
        with runtime.database.read("nantong") as connection:
            seen = visibility(system("nantong"), runtime.engine.catalog.overseers)
            every = worklists.all_cases(connection, seen, Filter(), runtime.clock.now())
        kinds = {
            (
                case.workflow,
                case.version,
                case.state,
                case.mode,
                tuple(sorted({link.kind for link in case.links})),
            ): case.number
            for case in every
        }
        assert len(kinds) >= 10
        for number in kinds.values():
            pack = a_pack(runtime, number, organisation="nantong")
            assert checked(pack, key.key) == [], number
            page = files_of(pack)["index.html"].decode()
            assert number in page and "经过" in page


# --- checking, without us --------------------------------------------------------------------------------------------------


def test_a_pack_verifies_in_an_empty_place_without_us(made: Made, tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(made.pack)
    (tmp_path / "verify.py").write_bytes(made.files["verify.py"])
    done = run(tmp_path, "verify.py", "--key", made.key, "pack.zip")
    assert (done.returncode, done.stderr) == (0, "")
    assert "通过。" in done.stdout and "It holds." in done.stdout
    assert f"Case {made.number} (school): 4 events" in done.stdout
    groups = " ".join(re.findall("....", made.key.upper()))  # as one reads it from a notice board
    assert run(tmp_path, "verify.py", "--key", groups, "pack.zip").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack.zip", "verify.py"], "it writes nothing"


def test_a_pack_verifies_where_it_was_unpacked(made: Made, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(made.pack)) as opened:
        opened.extractall(tmp_path)  # ours
    assert run(tmp_path, "verify.py", "--key", made.key).returncode == 0
    assert run(tmp_path.parent, tmp_path / "verify.py", "--key", made.key, tmp_path).returncode == 0
    (tmp_path / "files" / "note.txt").write_text("one more")
    done = run(tmp_path, "verify.py", "--key", made.key)
    assert done.returncode == 1 and "files/note.txt was added" in done.stdout


def test_a_folder_with_a_link_in_it_is_no_pack(made: Made, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(made.pack)) as opened:
        opened.extractall(tmp_path / "pack")  # ours
    (tmp_path / "elsewhere").write_bytes(made.files["index.html"])
    (tmp_path / "pack" / "index.html").unlink()
    (tmp_path / "pack" / "index.html").symlink_to(tmp_path / "elsewhere")
    done = run(tmp_path, tmp_path / "pack" / "verify.py", "--key", made.key)
    assert done.returncode == 1 and "index.html is a link" in done.stdout


def test_without_a_key_it_says_that_nobody_knows_whose_it_is(made: Made, tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(made.pack)
    (tmp_path / "verify.py").write_bytes(made.files["verify.py"])
    done = run(tmp_path, "verify.py", "pack.zip")
    assert done.returncode == 3
    assert "没有给定密钥指纹" in done.stdout and f"claims to be signed by the key {made.key}" in done.stdout


def test_a_pack_of_another_key_fails_against_the_fingerprint(made: Made, tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(made.pack)
    (tmp_path / "verify.py").write_bytes(made.files["verify.py"])
    done = run(tmp_path, "verify.py", "--key", "ab" * 32, "pack.zip")
    assert done.returncode == 1
    assert "不通过" in done.stdout and "It is signed by another key" in done.stdout and made.key in done.stdout


def test_the_program_in_the_pack_is_the_one_whose_hash_is_told(made: Made) -> None:
    assert made.files["verify.py"] == verifier()
    assert hashlib.sha256(made.files["verify.py"]).hexdigest() == verifier_hash()


def test_a_case_of_another_school_is_none_of_ours(
    client: httpx.Client, runtime: Runtime, school: School, kind: Kind
) -> None:
    other = a_school(runtime.database, "other")
    for each in ("school", "other"):
        a_key(runtime, each)
    number = a_repair(client, school, "插座松动", "A-101")
    with pytest.raises(UnknownCase):
        a_pack(runtime, number, organisation="other")
    a_picture(client, other.headers("teacher"))
    theirs = a_repair(client, other, "对方的事", "对方的楼")
    assert theirs == number, "both count from one"
    assert "对方" in b"".join(files_of(a_pack(runtime, number, organisation="other")).values()).decode(
        "utf-8", "replace"
    )
    assert "对方" not in b"".join(files_of(a_pack(runtime, number)).values()).decode("utf-8", "replace")


def test_whoever_may_not_see_names_gets_posts(client: httpx.Client, runtime: Runtime, school: School) -> None:
    a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    named, posts = (
        files_of(a_pack(runtime, number, with_names=names))["index.html"].decode() for names in (True, False)
    )
    assert "维修人员" in named and "维修人员" not in posts
    assert "本校人员" in posts and "People are shown by post alone" in posts
