"""The overview: every number is the number of cases that its list has, on a page that needs neither colour nor script."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.bootstrap import Runtime, open_runtime
from api.demo.campaign import ORGANISATION
from api.settings import Settings
from engine.clock import SimulatedClock
from engine.store import accounts
from tests.api.pages import Page, got, sign_in
from tests.builders import PASSWORD, School, a_password, a_school, quick_hashing
from tests.conftest import Played
from tests.fakes import calling

ENGLISH = re.compile(r"[A-Za-z]{3,}")
LISTED = "/api/v1/cases"


def figures(answer: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every number of an answer that has a list, and where it stands."""
    if isinstance(answer, list):
        for n, item in enumerate(answer):
            yield from figures(item, f"{path}[{n}]")
    elif isinstance(answer, dict):
        if set(answer) == {"count", "cases"}:
            yield path, answer
        else:
            for name, value in answer.items():
                yield from figures(value, f"{path}.{name}")


def overview(client: httpx.Client, headers: dict[str, str], query: str = "") -> dict[str, Any]:
    answer = client.get(f"/api/v1/overview?{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class Lists:
    """How many cases a list has, page by page; each is asked for once."""

    def __init__(self, client: httpx.Client, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers
        self._known: dict[str, int] = {}

    def count(self, query: str) -> int:
        if query not in self._known:
            address, found = f"{LISTED}?{query}&limit=200", 0
            while address:
                answer = self._client.get(address, headers=self._headers)
                assert answer.status_code == 200, f"{address}: {answer.text}"
                found += len(answer.json()["items"])
                address = answer.links["next"]["url"] if "next" in answer.links else ""
            self._known[query] = found
        return self._known[query]


class Links(HTMLParser):
    """Where a page's links lead, and what they say."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.words = ""
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append((str(dict(attrs)["href"]), ""))
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "a"

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._open:
            href, said = self.found[-1]
            self.found[-1] = href, said + data


def main_words(text: str) -> str:
    """What a page says in its own part."""
    return Links(text[text.index("<main") : text.index("</main")]).words


# --- the campaign --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def campaigning(campaign: Played, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A winter of a real school, with passwords and tokens of two people: who oversees all of it, and who repairs."""
    folder = campaign.copied_to(tmp_path_factory.mktemp("overview") / "data")
    runtime = open_runtime(Settings(_env_file=None, data=folder), hashing=quick_hashing())
    demo = School(ORGANISATION)
    with runtime.database.write(ORGANISATION) as connection:
        for person in ("principal", "hqc.repair1"):
            accounts.add_token(connection, ORGANISATION, person, demo.token(person), "test", runtime.clock.now())
    a_password(runtime, demo, "principal")
    yield runtime
    runtime.close()


def bearer(person: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {School(ORGANISATION).token(person)}"}


@pytest.mark.parametrize(
    "person, query",
    [("principal", ""), ("principal", "as_of=2020-01-17"), ("hqc.repair1", "as_of=2020-01-31T16:00:00Z&workflow=hazard&months=3")],
)  # fmt: skip
def test_every_number_of_a_winter_is_that_of_its_list(campaigning: Runtime, person: str, query: str) -> None:
    with calling(create_app(campaigning)) as client:
        answer = overview(client, bearer(person), query)
        lists = Lists(client, bearer(person))
        told = dict(figures(answer))
        assert len(told) > 40 and all(figure["cases"] for figure in told.values())
        assert {path: figure["count"] for path, figure in told.items()} == {
            path: lists.count(figure["cases"]) for path, figure in told.items()
        }
        assert answer["open"]["count"] == sum(line["open"]["count"] for line in answer["departments"]) > 0
        for by in ("departments", "categories", "levels", "workflows"):
            for how in ("open", "overdue", "closed"):
                assert sum(line[how]["count"] for line in answer[by]) == answer[how]["count"], by


def test_the_winter_as_its_figures_have_it(campaigning: Runtime, campaign: Played) -> None:
    """The same events are counted by the demo in another way."""
    with calling(create_app(campaigning)) as client:
        answer = overview(client, bearer("principal"), "months=12")
        counted = campaign.counted
        assert answer["overdue"]["count"] == counted["figures"]["overdue_now"]
        inspections = [line for line in answer["reports"] if line["cycle"] == "dept_check_month"]
        assert len(inspections) == 2
        for line in inspections:
            month = counted["inspections"][line["month"]]
            assert line["missing"]["count"] == month["missing"] == len(line["not_reported"])
            assert line["late"]["count"] == month["late"]
            assert line["reported"]["count"] + line["late"]["count"] == month["reported"]
        hazards = overview(client, bearer("principal"), "months=12&workflow=hazard")
        assert sum(month["opened"]["count"] for month in hazards["months"]) == counted["figures"]["hazards_found"]


@pytest.mark.parametrize(
    "query",
    ["?as_of=&months=6&workflow=", "?as_of=2020-01-17&months=6&workflow=", "?as_of=2020-01-20&workflow=inspection"],
)
def test_every_number_and_every_bar_of_the_page_leads_to_as_many_cases(campaigning: Runtime, query: str) -> None:
    with calling(create_app(campaigning)) as client:
        assert sign_in(client, "principal", PASSWORD).status_code == 303
        page = client.get(f"/overview{query}")
        assert page.status_code == 200, page.text
        Page(page.text)  # no script and no style in it
        links = Links(page.text)
        lists = Lists(client, {})
        asked_for = query.removeprefix("?").replace("as_of=&", "").removesuffix("&workflow=")
        told = {figure["cases"]: figure["count"] for _, figure in figures(overview(client, {}, asked_for))}
        counted = 0
        for href, said in links.found:
            if not href.startswith("/cases?"):
                continue
            asked = href.removeprefix("/cases?")
            assert told[asked] > 0, "nothing is no link"
            number = re.search(r"未办结 (\d+)，其中逾期", said) or re.fullmatch(r"\D*?(\d+)( 件)?", said.strip())
            if number is None:  # a share, or days
                assert re.fullmatch(r"[\d.]+(%| 天)", said.strip()), said
                continue
            assert int(number[1]) == told[asked] == lists.count(asked), said
            counted += 1
        assert counted > 20
        single = [href for href, _ in links.found if re.match(r"/cases/JC-", href)]
        assert all(client.get(href).status_code == 200 for href in single)
        assert not ENGLISH.search(main_words(page.text)), ENGLISH.findall(main_words(page.text))
        for wanted in ({"as_of": "2020-01-17"}, {"workflow": "hazard", "months": "24"}):
            english = client.get("/overview", params=wanted, headers={"Accept-Language": "en"}).text
            assert not re.search(r"[\u4e00-\u9fff]", main_words(english))


def test_the_page_says_of_when_it_is(campaigning: Runtime) -> None:
    with calling(create_app(campaigning)) as client:
        sign_in(client, "principal", PASSWORD)
        assert "2020年1月17日结束时已知的情况：之后登记的不算在内" in got(client, "/overview?as_of=2020-01-17").words
        today = got(client, "/overview?as_of=2020-03-31").words
        assert "现在（2020年3月31日 18:00）的情况" in today, "today has not ended"
        at = got(client, "/overview?as_of=2020-01-17T08:00:00%2B08:00").words
        assert "2020年1月17日 08:00已知的情况" in at


# --- a school on either database -----------------------------------------------------------------------------------------


@pytest.fixture
def repairs(runtime: Runtime, school: School, client: httpx.Client) -> School:
    """Two months of repairs: one sent back and closed, one left to become overdue, one just reported."""

    def do(person: str, path: str, **data: Any) -> str:
        answer = client.post(f"/api/v1/repairs{path}", json=data, headers=school.headers(person))
        assert answer.status_code in (200, 201), answer.text
        number: str = answer.json()["number"]
        return number

    assert isinstance(runtime.clock, SimulatedClock)
    done = do("teacher", "", title="灯不亮", place="A-101", department="HQC")
    left = do("teacher2", "", title="门锁坏", place="A-102", department="BWC", category="GATE.lock")
    do("safety_staff", f"/{done}/assign", assignee="repairer")
    do("safety_staff", f"/{left}/assign", assignee="repairer2")
    for person, step, data in (
        ("repairer", "fix", {"done": "换了灯管"}), ("safety_staff", "return", {"why": "仍然闪烁"}), ("repairer", "fix", {"done": "换了镇流器"}),
        ("hqc_safety", "verify", {}), ("safety_head", "close", {}),
    ):  # fmt: skip
        runtime.clock.advance(timedelta(hours=12))
        do(person, f"/{done}/{step}", **data)
    runtime.clock.advance(timedelta(days=40))
    do("teacher", "", title="窗碎", place="B-201", category="")
    return school


def told(answer: dict[str, Any], *names: str) -> list[int]:
    return [answer[name]["count"] for name in names]


def test_how_a_school_stands_how_it_stood_and_how_it_went(
    client: httpx.Client, runtime: Runtime, repairs: School
) -> None:
    now = overview(client, repairs.headers("principal"))
    assert told(now, "open", "overdue", "closed") == [2, 1, 1]
    assert [(line["month"], *told(line, "opened", "closed", "open", "overdue")) for line in now["months"]][-3:] == [
        ("2020-02", 0, 0, 0, 0), ("2020-03", 2, 1, 1, 1), ("2020-04", 1, 0, 2, 1),
    ]  # fmt: skip
    assert now["went"]["median_days"] == 2.5
    assert (now["went"]["returned_share"], now["went"]["rebounded_share"]) == (1.0, 0.0)
    assert [(line["key"], line["title"]) for line in now["departments"]] == [("BWC", "保卫处"), ("HQC", "总务后勤处")]
    assert {line["key"]: line["title"] for line in now["categories"]}[None] == "未填"
    assert [(line["key"], line["title"]) for line in now["levels"]] == [(None, "未定级")]
    then = overview(client, repairs.headers("principal", Accept_Language="en"), "as_of=2020-03-03&months=1")
    assert told(then, "open", "overdue", "closed") == [2, 0, 0], "the deadline passed later, and the closing came later"
    assert (then["went"]["median_days"], then["went"]["returned_share"]) == (None, None), (
        "a share of nothing is not zero"
    )
    assert [line["title"] for line in then["workflows"]] == ["Repair"]
    nothing = overview(client, repairs.headers("principal"), "as_of=2019-12-31")
    assert told(nothing, "open", "overdue", "closed") == [0, 0, 0] and nothing["departments"] == []


@pytest.mark.parametrize("person", ["principal", "hqc_head", "repairer2", "teacher", "driver"])
def test_who_sees_some_cases_is_told_of_those(client: httpx.Client, repairs: School, person: str) -> None:
    headers = repairs.headers(person)
    lists = Lists(client, headers)
    answers = [overview(client, headers, query) for query in ("", "as_of=2020-03-10&months=2")]
    for answer in answers:
        for path, figure in figures(answer):
            assert (figure["cases"] is None and path == ".went.rebounded") or figure["count"] == lists.count(
                figure["cases"]
            ), path
    assert answers[1]["everything"] is (person == "principal")
    assert (
        answers[1]["open"]["count"]
        == {"principal": 1, "hqc_head": 0, "repairer2": 1, "teacher": 0, "driver": 0}[person]
    )


def test_the_page_of_who_sees_little_says_so(client: httpx.Client, runtime: Runtime, repairs: School) -> None:
    a_password(runtime, repairs, "teacher")
    sign_in(client, "teacher")
    page = got(client, "/overview")
    assert "只统计您能看到的事项" in page.words and "还没有任何事项" not in page.words
    a_password(runtime, repairs, "driver")
    client.cookies.clear()
    sign_in(client, "driver")
    assert "还没有任何事项" in got(client, "/overview").words


def test_a_list_that_is_taken_away_is_noted_with_what_it_was_asked_for(client: httpx.Client, repairs: School) -> None:
    headers = repairs.headers("principal")
    taken = client.get(
        f"{LISTED}?action=return&action=fix&closed_from=2020-03-02T00:00:00Z&format=csv", headers=headers
    )
    assert taken.status_code == 200 and taken.text.count("WX-2020-") == 1
    [noted] = client.get("/api/v1/events?action=exported", headers=headers).json()["items"]
    filters = {"action": ["return", "fix"], "closed_from": "2020-03-02T00:00:00.000000Z"}
    assert noted["told"] == {"what": "cases", "filters": filters, "rows": 1}


@pytest.mark.parametrize(
    "query, named",
    [
        ("as_of=2021-01-01", "as_of"), ("as_of=2020-02-30", "as_of"), ("as_of=1969-12-31", "as_of"), ("as_of=yesterday", "as_of"),
        ("as_of=0001-01-01", "as_of"), ("as_of=0001-01-01T00:00:00Z", "as_of"), ("as_of=9999-12-31", "as_of"), ("months=0", "months"),
        ("months=25", "months"), ("workflow=hazards", "workflow"), ("organisation=south", "organisation"), ("month=3", "month"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_in_words(
    client: httpx.Client, school: School, query: str, named: str
) -> None:
    refused = client.get(f"/api/v1/overview?{query}", headers=school.headers("principal"))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert named in str(refused.json())


# --- a bureau ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bureau(runtime: Runtime, client: httpx.Client, repairs: School) -> School:
    """A bureau above the school of the repairs and another one, which has a case of its own."""
    above, other = a_school(runtime.database, "bureau"), a_school(runtime.database, "other")
    a_school(runtime.database, "elsewhere")
    with runtime.database.write_across() as connection:
        connection.exec_driver_sql("UPDATE organisation SET kind = 'bureau' WHERE organisation = 'bureau'")
        connection.exec_driver_sql(
            "UPDATE organisation SET parent = 'bureau' WHERE organisation IN ('school', 'other')"
        )
    body = {"title": "漏水", "place": "C-301", "department": "XB1"}
    assert client.post("/api/v1/repairs", json=body, headers=other.headers("teacher")).status_code == 201
    return above


def test_a_bureau_sees_its_schools_in_figures_and_no_case_of_them(client: httpx.Client, bureau: School) -> None:
    headers = bureau.headers("principal")
    answer = overview(client, headers)
    assert told(answer, "open", "overdue", "closed") == [3, 1, 1]
    assert [(line["key"], *told(line, "open", "overdue", "closed"), line["missing"]) for line in answer["organisations"]] == [
        ("bureau", 0, 0, 0, 0), ("other", 1, 0, 0, 0), ("school", 2, 1, 1, 0),
    ]  # fmt: skip
    assert answer["departments"] == [] and answer["went"]["median_days"] == 2.5
    assert answer["went"]["returned"]["count"] == 1
    assert all(figure["cases"] is None for _, figure in figures(answer))
    below = overview(client, headers, "organisation=school")
    assert told(below, "open", "overdue", "closed") == [2, 1, 1] and below["organisation"] == "school"
    assert [line["key"] for line in below["departments"]] == ["BWC", "HQC"]
    assert all(figure["cases"] is None for _, figure in figures(below))
    own = overview(client, headers, "organisation=bureau")
    assert all(figure["cases"] for path, figure in figures(own) if path != ".went.rebounded")
    for key in ("elsewhere", "nowhere"):
        refused = client.get(f"/api/v1/overview?organisation={key}", headers=headers)
        assert refused.status_code == 422
    for person in ("teacher", "hqc_head"):
        alone = overview(client, bureau.headers(person))
        assert (alone["organisation"], alone["open"]["count"]) == ("bureau", 0), "not an overseer"
        assert client.get("/api/v1/overview?organisation=school", headers=bureau.headers(person)).status_code == 422


def test_a_bureau_s_page_leads_from_school_to_school(client: httpx.Client, runtime: Runtime, bureau: School) -> None:
    a_password(runtime, bureau, "principal")
    sign_in(client, "principal", organisation="bureau")
    links = Links(client.get("/overview?months=3&as_of=2020-04-01").text)
    assert not [href for href, _ in links.found if href.startswith("/cases?")]
    [to_school] = [href for href, _ in links.found if "organisation=school" in href]
    assert to_school == "/overview?organisation=school&months=3&as_of=2020-04-01"
    assert "下属单位只提供数字" in links.words
    assert "保卫处" in got(client, to_school).words
