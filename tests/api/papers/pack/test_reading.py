"""The page of a pack: everything on record in words, for a person, from nowhere but the pack."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest

from api.bootstrap import Runtime
from api.pages.cases import RELATED
from api.pages.choosing import BESIDES
from api.papers.pack.reading import LINKS
from engine.case import OTHER_END, WITHIN
from engine.commands import Asked, FireTrigger, OpenCase
from engine.handle import Done, handle_one
from tests.api.papers.pack.packs import a_key, a_pack, a_repair, files_of
from tests.builders import School


class Page(HTMLParser):
    """What a page is made of: its elements, where they lead, the words between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_every_bond_between_cases_has_words_of_its_own_in_packs_and_on_pages() -> None:
    bonds = {"parent", "child", *OTHER_END, *OTHER_END.values()}
    assert bonds <= RELATED.keys()
    assert {*bonds, WITHIN} <= LINKS.keys()
    assert set(OTHER_END.values()) <= BESIDES.keys()


@pytest.fixture
def pages(client: httpx.Client, runtime: Runtime, school: School) -> tuple[Page, dict[str, bytes], str]:
    """The page of a repair whose title and report are meant to be taken for something else."""
    a_key(runtime)
    number = a_repair(
        client, school, '<script src="https://elsewhere.example/x.js">', "A&B <b>101</b>",
        done='<img src="https://elsewhere.example/y.png" onerror=alert(1)>',
    )  # fmt: skip
    files = files_of(a_pack(runtime, number))
    return Page(files["index.html"].decode()), files, number


def test_the_page_fetches_nothing_and_runs_nothing(pages: tuple[Page, dict[str, bytes], str]) -> None:
    page, files, _ = pages
    assert not {"script", "iframe", "link", "object", "embed", "form", "base"} & set(page.elements)
    assert page.handlers == []
    assert set(page.addresses) == {name for name in files if name.startswith("files/")}
    assert page.elements.count("img") == 2
    assert not re.search(r"@import|url\(", files["index.html"].decode())


def test_what_people_wrote_is_shown_as_they_wrote_it(pages: tuple[Page, dict[str, bytes], str]) -> None:
    page, _, number = pages
    for said in ('<script src="https://elsewhere.example/x.js">', "A&B <b>101</b>", "onerror=alert(1)>", number):
        assert said in page.words


def test_the_five_states_stand_with_their_day_and_whoever_brought_them_about(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    a_key(runtime)
    number = a_repair(client, school, "插座松动", "A-101")
    html = files_of(a_pack(runtime, number))["index.html"].decode()
    five = re.findall(r"<li( class=\"not\")?><b>(\S+)", html)
    assert [title for _, title in five] == ["已上报", "已交办", "已整改", "已复查", "已销号"]
    assert [bool(blank) for blank, _ in five] == [False, False, False, False, True], "it was not closed yet"
    words = Page(html).words
    for said in ("2020-03-02 09:00", "Asia/Shanghai", "维修人员", "后勤处安全员", "总务后勤处", "Logistics", "已更换"):
        assert said in words
    returned = a_repair(client, school, "门锁失灵", "B-202")
    assert "B-202" in Page(files_of(a_pack(runtime, returned))["index.html"].decode()).words


def test_a_case_that_was_sent_back_does_not_stand_as_fixed(
    client: httpx.Client, runtime: Runtime, school: School
) -> None:
    a_key(runtime)
    teacher, staff, repairer = (school.headers(who) for who in ("teacher", "safety_staff", "repairer"))
    number = client.post("/api/v1/repairs", json={"title": "t", "place": "p"}, headers=teacher).json()["number"]
    for trigger, said, who in (
        ("assign", {"assignee": "repairer"}, staff), ("fix", {"done": "已修"}, repairer), ("return", {"why": "没修好"}, staff),
    ):  # fmt: skip
        assert client.post(f"/api/v1/repairs/{number}/{trigger}", json=said, headers=who).status_code == 200
    html = files_of(a_pack(runtime, number))["index.html"].decode()
    blank = [bool(each) for each in re.findall(r"<li( class=\"not\")?><b>", html)]
    assert blank == [False, False, True, True, True]
    assert "没修好" in Page(html).words, "the timeline tells it all the same"


def test_whoever_acted_for_another_is_shown_with_him(runtime: Runtime, school: School) -> None:
    a_key(runtime)
    reported = OpenCase("repair", {"title": "t", "place": "p"})
    done = handle_one(runtime.engine, Asked(school.actor("teacher"), reported, "test"))
    assert isinstance(done, Done)
    number = done.case.number
    actor = replace(school.actor("safety_staff"), person="driver", on_behalf_of="safety_staff")
    asked = Asked(actor, FireTrigger(number, "assign", {"assignee": "repairer"}), "test")
    handle_one(runtime.engine, asked)
    assert "驾驶员 代 安稳办专职" in Page(files_of(a_pack(runtime, number))["index.html"].decode()).words
