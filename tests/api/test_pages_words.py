"""No page is half translated: nothing English on a Chinese page, and every word of ours in both languages."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest
from fastapi.routing import APIRoute

from api import pages
from api.pages.school.loops import NUMBERS, RUNGS
from api.pages.words import WORDS
from tests.api.pages import sign_in
from tests.browser.tour import PASSED_BY, Stop, a_busy_desk
from workflows import CATALOG

CHINESE = re.compile(r"[\u4e00-\u9fff]")
#: what is the same in every language: the product's name, units and what a phone calls itself
SAME = {
    "bihuan",
    "english",
    "utc",
    "api",
    "ctrl",  # a key
    "id",
    "csv",
    "xlsx",
    "docx",
    "pdf",
    "word",
    "excel",
    "qr",
    "json",
    "ical",
    "mb",
    "http",
    "https",
    "smtp",
    "tls",
    "starttls",
    "ca",
    "pem",
    "sha",  # SHA-256 and UTF-8: what anybody draws again by
    "utf",
    "zhongzhi",  # what a school may be called in addresses, for example
}
#: what the campus calls its people, the accounts it signs in, a department, its mail server and what it sends mail by; seeds and digests
DATA = re.compile(
    r"姓名-\w+|[\w.-]+@[\w.-]+|[\w.-]+\.example\.org|[A-Z]{2,8}-\d{4}-\d{4,}|(?i:python)\S*"
    r"|\b(?:test|HQC|post)\b|bihuan \w+|\b[0-9a-f]{64}\b"
)


class Said(HTMLParser):
    """The words of a page that are in the reader's language: not codes, not what is marked as another language's."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._inside: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in {"meta", "link", "input", "img", "br", "hr", "use", "path", "circle", "rect", "line"}:
            foreign = tag in {"code", "script", "style"}
            self._inside.append((tag, foreign))
        self.words += [str(given[name]) for name in ("aria-label", "alt", "placeholder", "title") if given.get(name)]

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(foreign for _, foreign in self._inside):
            self.words.append(data)


@pytest.fixture(scope="module")
def busy() -> Iterator[tuple[httpx.Client, list[Stop]]]:
    with a_busy_desk() as (desk, stops):
        yield desk.campus.client, stops


def test_no_page_has_an_english_word_in_the_chinese_interface(busy: tuple[httpx.Client, list[Stop]]) -> None:
    client, stops = busy
    found: dict[str, set[str]] = {}
    who: str | None = ""
    for stop in sorted(stops, key=lambda stop: stop.who or ""):
        if stop.who != who:
            client.cookies.clear()
            who = stop.who
            if who is not None:
                assert sign_in(client, who).status_code == 303
        asks = client if stop.elsewhere is None else stop.elsewhere.campus.client
        answer = asks.get(stop.path, headers={"Accept": "text/html", "Accept-Language": "zh-CN"})
        assert answer.status_code == stop.status, stop.path
        said = DATA.sub("", " ".join(Said(answer.text).words))
        strange = {word.lower() for word in re.findall(r"[A-Za-z]{2,}", said)} - SAME
        if strange:
            found[stop.name] = strange
    assert found == {}


def addresses() -> set[str]:
    """Of every page that can be looked at, as its route says it."""
    routes = [route for router in (*pages.STRANGERS, *pages.ROUTERS) for route in router.routes]
    return {route.path for route in routes if isinstance(route, APIRoute) and "GET" in (route.methods or ())}


def test_every_page_there_is_lies_on_the_walk(busy: tuple[httpx.Client, list[Stop]]) -> None:
    """So that each new page is looked at, in pictures, by the auditors and for its words."""
    _, stops = busy
    walked = {stop.path.partition("?")[0] for stop in stops}
    known = {path for path in addresses() if "{" not in path}
    left = set()
    for path in addresses():
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        if not any(pattern.fullmatch(each) and (each == path or each not in known) for each in walked):
            left.add(path)
    assert left == set(PASSED_BY)


def test_every_word_of_ours_is_there_in_both_languages() -> None:
    assert [name for name, text in WORDS.items() if not text.zh.strip() or not text.en.strip()] == []
    assert [name for name, text in WORDS.items() if CHINESE.search(text.en)] == []
    without = [name for name, text in WORDS.items() if not CHINESE.search(text.zh)]
    assert without in ([], ["product"]), without


def test_every_number_a_school_may_set_is_called_in_words() -> None:
    numbers = {name for loop in CATALOG.newest() for name in loop.defaults()}
    assert numbers - {RUNGS} <= NUMBERS.keys()
