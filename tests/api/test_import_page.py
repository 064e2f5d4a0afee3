"""A list of people taken in at a page: shown first, then done as it was shown or not at all; the same list twice is the same."""

import base64
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest

from api.pages.school.listing import CONFIRM, SHOWN, TEMPLATE
from api.pages.school.people import IMPORT
from engine.store import people
from tests.api.pages import Page, got, sign_in
from tests.api.test_import_people import workbook
from tests.databases import Kind, dropping_copies
from tests.journeys.campus import SCHOOL, Campus, a_campus

HTML = {"Accept": "text/html", "Accept-Language": "zh-CN"}


def two(first: int = 901) -> str:
    """A list with two new people, by their numbers."""
    return f"姓名,工号,部门,岗位,手机\n新人甲,0{first},总务后勤处,维修人员,13900000001\n新人乙,0{first + 1},,教职工,\n"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, kind: Kind) -> Iterator[Campus]:
    """One for all: each test brings people of its own."""
    with dropping_copies(), a_campus(tmp_path_factory.mktemp("import"), kind) as made:
        made.administrator("keeper")
        made.let_in("keeper", "teacher", "second")
        yield made


@pytest.fixture
def campus(school: Campus) -> Campus:
    school.client.cookies.clear()
    assert sign_in(school.client, "keeper").status_code == 303
    return school


def sent(campus: Campus, content: bytes, name: str = "list.csv", **more: str) -> httpx.Response:
    form = got(campus.client, IMPORT).form(re.escape(IMPORT))
    kept = {"csrf": form["csrf"], **more}
    return campus.client.post(IMPORT, data=kept, files={"file": (name, content)}, headers=HTML)


def confirmed(campus: Campus, shown: httpx.Response, **more: str) -> httpx.Response:
    form = Page(shown.text).form(re.escape(CONFIRM))
    return campus.client.post(CONFIRM, data={**form, **more}, headers=HTML)


def known(campus: Campus) -> dict[str, Any]:
    with campus.runtime.database.read(SCHOOL) as connection:
        return {each.person: each for each in people.people(connection, SCHOOL)}


def changes(campus: Campus) -> list[str]:
    with campus.runtime.database.read(SCHOOL) as connection:
        return [change["what"] for change in people.changes(connection, SCHOOL)]


def test_a_list_is_shown_first_and_then_taken_in_once(campus: Campus, tmp_path: Path) -> None:
    before, recorded = known(campus), changes(campus)
    times = recorded.count("people_imported") + 1
    shown = sent(campus, two().encode("gb18030"))
    assert shown.status_code == 200 and known(campus) == before and changes(campus) == recorded, "nothing yet"
    words = Page(shown.text).words
    assert "现在还没有写入任何内容" in words and all(name in words for name in ("新人甲", "新人乙", "+维修人员"))
    done = confirmed(campus, shown)
    assert (done.status_code, done.headers["location"]) == (303, "/school/first-passwords?done=imported")
    assert "人员表已导入" in got(campus.client, done.headers["location"]).words
    after = known(campus)
    assert {after["0901"].department, after["0901"].addresses["phone"]} == {"HQC", "13900000001"}
    assert after.keys() - before.keys() == {"0901", "0902"} and changes(campus).count("people_imported") == times
    pressed_again = confirmed(campus, shown)
    assert pressed_again.status_code == 303 and changes(campus).count("people_imported") == times
    same = sent(campus, two().encode("utf-8-sig"))
    assert "名册已与这份名单一致" in same.text and CONFIRM not in Page(same.text).addresses
    newer = workbook(tmp_path / "newer.xlsx", [("新人甲", "0901", "", "教职工", "", "")]).read_bytes()
    words = Page(sent(campus, newer, "newer.xlsx").text).words
    assert "−维修人员" in words and "岗位" in words and "新人乙" not in words


def test_every_mistake_is_told_by_its_row_and_nothing_can_be_confirmed(campus: Campus) -> None:
    before = known(campus)
    faulty = sent(campus, f"{two(911)}坏一,0911,,教师,\n坏二,0914,没有的部门,教师,\n坏三,0915,,教师,12\n".encode())
    assert faulty.status_code == 422 and CONFIRM not in Page(faulty.text).addresses
    for said in ("第 4 行 工号：与第 2 行重复", "第 5 行 部门：没有部门“没有的部门”", "第 6 行 手机："):
        assert said in faulty.text
    assert 'id="file-fault"' in faulty.text and "有 3 处错误" in faulty.text
    for content, name, said in (
        (b"", "empty.csv", "“empty.csv” 不能使用：文件是空的"),
        (b"PK\x03\x04 no", "broken.xlsx", "“broken.xlsx” 不能使用：文件不完整"),
        (b"\x89PNG\r\n\x1a\n\x00", "picture.csv", "不能使用：这不是文本"),
        ("名字叫什么,别的\n甲,乙\n".encode(), "<b>.csv", "没有找到标题行"),
    ):
        refused = sent(campus, content, name)
        assert refused.status_code == 422 and said in refused.text and "bihuan-" not in refused.text, name
        assert "<b>" not in refused.text
    nothing = campus.client.post(
        IMPORT, data={"csrf": got(campus.client, IMPORT).form(re.escape(IMPORT))["csrf"]}, headers=HTML
    )
    assert nothing.status_code == 422 and "请选择一个文件" in nothing.text
    assert known(campus) == before
    made = sent(campus, f"{two(911)}好的,0914,没有的部门,教师,\n".encode(), new_departments="yes")
    assert made.status_code == 200 and "没有的部门" in Page(made.text).words
    corner = confirmed(campus, made)
    assert corner.status_code == 409 and known(campus) == before, "a department without a head: it has to be meant"
    assert confirmed(campus, corner, confirmed="yes").status_code == 303
    assert known(campus)["0914"].department not in (None, "HQC")


def test_what_was_shown_is_what_is_done_or_it_is_shown_again(campus: Campus) -> None:
    shown = sent(campus, two(921).encode())
    with campus.runtime.database.write(SCHOOL) as connection:
        people.update_person(connection, replace(known(campus)["clerk"], staff_number="0922"))
    before = known(campus)
    moved = confirmed(campus, shown)
    assert moved.status_code == 409 and "预览之后，名单或人员名册有了变化" in moved.text
    assert known(campus) == before
    assert confirmed(campus, moved).status_code == 303
    assert (known(campus)["clerk"].name, "0922" in known(campus)) == ("新人乙", False)


def test_a_list_that_is_no_list_is_refused_however_it_is_sent(campus: Campus) -> None:
    before = known(campus)
    csrf = got(campus.client, IMPORT).form(re.escape(IMPORT))["csrf"]
    row = {"number": 2, "said": {"name": "甲", "staff_number": "1"}}
    for why, rows in {
        "nobody": [],
        "a column there is not": [{"number": 2, "said": {"name": "甲", "grants": "administrator"}}],
        "nothing, said to be something": [{"number": 2, "said": {"name": "甲", "staff_number": ""}}],
        "blanks that a reader takes away": [{"number": 2, "said": {"name": " 甲", "staff_number": "1"}}],
        "longer than a cell is read": [{"number": 2, "said": {"name": "甲" * 501}}],
        "rows that hide that they say the same": [row, row],
    }.items():
        packed = base64.urlsafe_b64encode(zlib.compress(json.dumps({"columns": ["name"], "rows": rows}).encode()))
        answer = campus.client.post(CONFIRM, data={"csrf": csrf, "list": packed.decode()}, headers=HTML)
        assert answer.status_code == 422 and "名单没有完整提交" in answer.text, why
    for packed in (b"", b"AAAA", base64.urlsafe_b64encode(zlib.compress(bytes(20_000_000)))):
        answer = campus.client.post(CONFIRM, data={"csrf": csrf, "list": packed.decode()}, headers=HTML)
        assert answer.status_code == 422 and "名单没有完整提交" in answer.text
    assert known(campus) == before


def test_of_many_notices_the_first_are_shown_and_how_many_more_there_are(campus: Campus) -> None:
    rows = [f"新人{n},{5000 + n},没有的岗位{n}\n" for n in range(SHOWN + 3)]
    shown = sent(campus, f"姓名,工号,岗位\n{''.join(rows)}".encode())
    assert shown.text.count('<p class="notice">') == SHOWN and shown.text.count("此外还有 3") == 2, "of people, too"


def test_only_the_administrator_imports_and_both_lists_lead_there(campus: Campus) -> None:
    assert IMPORT in got(campus.client, "/school/people").addresses
    blank = campus.client.get(TEMPLATE)
    sheet = openpyxl.load_workbook(io.BytesIO(blank.content)).worksheets[0]
    assert [cell.value for cell in sheet[1]][:3] == ["姓名", "工号", "部门"] and sheet.max_row >= 1
    campus.client.cookies.clear()
    sign_in(campus.client, "teacher")
    csrf = got(campus.client, "/mine").form("/sign-out")["csrf"]
    for answer in (
        campus.client.get(IMPORT, headers=HTML),
        campus.client.get(TEMPLATE, headers=HTML),
        campus.client.post(IMPORT, data={"csrf": csrf}, files={"file": ("a.csv", two().encode())}, headers=HTML),
        campus.client.post(CONFIRM, data={"csrf": csrf, "list": "", "seen": ""}, headers=HTML),
    ):
        assert answer.status_code == 403


def test_a_delegate_gives_by_a_list_no_more_than_one_by_one(campus: Campus) -> None:
    """Else whoever stands in for an administrator makes himself a principal, and is one when it is over."""
    campus.away("keeper", "second")
    lists = {
        "第 2 行：代办人不能借代理改变自己的权限": "姓名-second,,XB1,维修人员,second",
        "第 2 行：系统管理员和督办岗位": "帮手,0951,XB1,督查,",  # a role of those who oversee
        "第 3、4 行：系统管理员和督办岗位": "帮手,0956,XB1,教职工,\n姓名-principal,0952,,校长,principal\n助手,0957,XB1,督查,",
    }
    shown = {why: sent(campus, f"姓名,工号,部门,岗位,账号\n{rows}\n".encode()) for why, rows in lists.items()}
    campus.client.cookies.clear()
    sign_in(campus.client, "second")
    before, recorded = known(campus), changes(campus)
    for why, rows in lists.items():
        seen = sent(campus, f"姓名,工号,部门,岗位,账号\n{rows}\n".encode())
        assert seen.status_code == 200 and why in Page(seen.text).words, "said before he confirms it"
        assert CONFIRM not in Page(seen.text).addresses and "不能代办</span>" in seen.text
        form = {
            **Page(shown[why].text).form(re.escape(CONFIRM)),
            "csrf": Page(seen.text).form(re.escape(IMPORT))["csrf"],
        }
        answer = campus.client.post(CONFIRM, data={**form, "confirmed": "yes"}, headers=HTML)
        assert answer.status_code == 403 and why in Page(answer.text).words
        assert "请由系统管理员本人办理" in answer.text, why
    assert (known(campus), changes(campus)) == (before, recorded)
    assert confirmed(campus, sent(campus, two(953).encode())).status_code == 303, "all others he takes in"
