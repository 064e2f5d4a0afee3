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
from tests.api.pages import Page, sign_in
from tests.browser.tour import PASSED_BY, Stop, a_busy_desk
from workflows import CATALOG

CHINESE_READER = {"Accept": "text/html", "Accept-Language": "zh-CN"}
HIDDEN = ("csrf", "key", "revision", "sent", "kind", "known", "case")  # what goes along with a form
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


def strange_in(text: str) -> set[str]:
    """Words of a Chinese page that are English."""
    said = DATA.sub("", " ".join(Said(text).words))
    return {word.lower() for word in re.findall(r"[A-Za-z]{2,}", said)} - SAME


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
        if strange := strange_in(answer.text):
            found[stop.name] = strange
    assert found == {}


#: stops whose forms are sent back refused: with nothing in them, and with what nobody takes
ASKED = (
    "report", "open-drill", "open-inside", "step-assign", "step-fix", "step-answer", "step-receipts", "step-fail",
    "step-convey", "round", "round-compare", "person-new", "person-form", "grant-form", "group-seat", "group-least",
    "department-form", "channel-form", "workflow-numbers", "holidays-form", "labels", "account", "away-form", "calendar",
)  # fmt: skip
#: forms on these pages that change something without asking
NOT_SENT = re.compile(r"/sign-out|.*/(revoke|end|end-others|print)")
RESERVED = {"kinds", "inbox", "console"}  # what a channel may not be called
WRONG = "字" * 2500  # too long for words, no number, no day and none of any choices
#: what lists cannot be asked: the field that says so and what stood in it; no field where the form asks no such thing
MISASKED = {
    "/cases?due_before=0202-01-01&level=major": ("due_before", "0202-01-01"),
    "/cases?opened_from=2020-02-31": ("opened_from", "2020-02-31"),
    "/cases?as_of=2999-01-01": ("as_of", "2999-01-01"),
    "/cases?as_of=2999-01-01T00:00:00Z": ("as_of", "2999-01-01T00:00:00Z"),
    "/cases?state=无": ("state", "无"),
    "/cases?overdue=无&level=major": ("overdue", "无"),
    f"/cases?q={'字' * 201}": ("q", "字" * 201),
    "/cases?columns=无": ("columns", ""),  # its ticks are those that hold
    "/cases?没有=1&level=major": ("", ""),
    "/cases?cursor=无": ("", ""),
    "/cases?closed_from=无&carried_over=true&action_from=2020-01-01T00:00:00Z": ("", ""),
    "/cases?within=无&claimed_on=无": ("", ""),
    "/overview?as_of=2999-01-01": ("as_of", "2999-01-01"),
    "/overview?as_of=0202-01-01&months=3": ("as_of", "0202-01-01"),
    "/overview?as_of=2020-02-31": ("as_of", "2020-02-31"),
    "/overview?months=999": ("months", "999"),
    "/overview?workflow=无": ("workflow", "无"),
    "/overview?organisation=无": ("", ""),  # of a school nobody chooses one
    "/trail?from=0001-01-01": ("from", "0001-01-01"),
    "/trail?from=2020-04-01&to=2020-03-01": ("from", "2020-04-01"),
    "/trail?outcome=无&by=month": ("outcome", "无"),
    "/trail?by=无": ("by", "无"),
    f"/trail?case={'9' * 81}": ("case", "9" * 81),
    f"/school/people?q={'字' * 101}": ("q", "字" * 101),
}


def test_no_refused_form_names_its_fields_as_programs_do(busy: tuple[httpx.Client, list[Stop]]) -> None:
    client, stops = busy
    found: dict[str, set[str]] = {}
    sent = 0
    for stop in sorted((each for each in stops if each.name in ASKED), key=lambda each: each.who or ""):
        _as(client, str(stop.who))
        shown = Page(client.get(stop.path, headers=CHINESE_READER).text)
        for form in shown.forms:
            if form["method"] != "post" or NOT_SENT.fullmatch(form["action"]):
                continue
            hidden = {name: value for name, value in form["fields"].items() if name in HIDDEN}
            for how, fill in (("empty", ""), ("wrong", WRONG)):
                if (form["action"], how) == ("/calendar/feeds", "empty"):
                    continue  # one's own calendar
                said = {**dict.fromkeys(form["fields"], fill), **hidden}
                answer = client.post(form["action"], data=said, headers=CHINESE_READER)
                assert answer.status_code in (409, 422), (stop.name, form["action"], how, answer.status_code)
                sent += 1
                if strange := strange_in(answer.text) - RESERVED:
                    found[f"{stop.name} {form['action']} {how}"] = strange
    assert found == {}
    assert sent > 2 * len(ASKED) - 10


def test_a_refused_form_says_what_was_wrong_as_the_form_says_it(busy: tuple[httpx.Client, list[Stop]]) -> None:
    client, stops = busy
    told: dict[str, str] = {}
    for at, who, name, more in (
        ("report", "teacher", "/report", {"place": ""}),
        ("step-assign", "officer", "assign", {"time_limit": "一年"}),
        ("workflow-numbers", "keeper", "policy", {"triage_hours": "一天", "days3": "0", "remind_at": "早上"}),
        ("workflow-numbers", "keeper", "policy", {"rung_offsets.before-3": "9"}),
        ("account", "officer", "/account/tokens", {"label": "字" * 101, "days": "-1"}),
        ("account", "officer", "/account/tokens", {"days": "9999999999"}),
    ):
        _as(client, who)
        path = next(stop.path for stop in stops if stop.name == at)
        [form] = [f for f in Page(client.get(path).text).forms if f["action"].endswith(name) and f["method"] == "post"]
        answer = client.post(form["action"], data={**form["fields"], "allows": "read", **more}, headers=CHINESE_READER)
        assert answer.status_code == 422
        told["".join(more)] = re.sub(r"\s+", " ", answer.text)
    assert (
        "登记“隐患整改”：" in told["place"]
        and "；部位：必须填写</p>" in told["place"]
        and "（place）" not in told["place"]
    )
    assert "只能是 当日整改、3个工作日、" in told["time_limit"]
    numbers = told["triage_hoursdays3remind_at"]
    assert ">应为整数</p>" in numbers and ">不能小于 1</p>" in numbers and ">格式不对</p>" in numbers
    assert "上报后多少小时内分级交办：应为整数" in numbers
    assert "各次提醒的先后被打乱" in told["rung_offsets.before-3"]
    assert (
        'id="days-fault">不能小于 1</p>' in told["labeldays"]
        and 'id="label-fault">最多 100 个字</p>' in told["labeldays"]
    )
    assert "新建令牌：用途：最多 100 个字；有效天数：不能小于 1" in told["labeldays"]
    assert 'id="days-fault">不能大于 3650</p>' in told["days"] and 'value="9999999999"' in told["days"]


def test_a_list_that_cannot_be_asked_so_is_drawn_again_with_what_was_typed_and_the_fault_beside_it(
    busy: tuple[httpx.Client, list[Stop]],
) -> None:
    client, _ = busy
    _as(client, "keeper")
    found: dict[str, set[str]] = {}
    for path, (field, typed) in MISASKED.items():
        answer = client.get(path, headers=CHINESE_READER)
        assert answer.status_code == 422, path
        whole = answer.text
        assert 'class="refused" role="alert"' in whole and "下面没有按这些条件查" in whole, path
        assert f'action="{path.partition("?")[0]}"' in whole, "the list's own form"
        assert whole.count('class="fault"') == bool(field), path
        if field:
            [at_fault] = re.findall(
                r'<(?:input|select|fieldset)[^>]* aria-describedby="([\w-]+-fault)[^>]*aria-invalid', whole
            )
            assert f'<p class="fault" id="{at_fault}">' in whole, path
        if typed:
            held = [rf'name="{field}"[^>]* value="{typed}"', f'<option value="{typed}" selected>']
            assert any(re.search(each, whole) for each in held), path
        if strange := strange_in(whole):
            found[path] = strange
    assert found == {}


def test_a_list_drawn_again_is_asked_for_the_rest_of_what_was_said(busy: tuple[httpx.Client, list[Stop]]) -> None:
    client, _ = busy
    _as(client, "officer")
    for path, said in (
        ("/cases?due_before=0202-01-01", "期限早于：0202-01-01 不在可查的年份内"),
        ("/cases?as_of=2999-01-01", "当时情况：2999-01-01 还没有到"),
        ("/overview?as_of=2999-01-01", f"{WORDS['overview_day'].zh}：还没有到"),
        ("/trail?from=2020-04-01&to=2020-03-01", "自：起始日期晚于截止日期"),
        ("/cases?没有=1", "不能识别的条件"),
        ("/cases?没有=1&as_of=2999-01-01&level=无", "查询：网址中有不能识别的条件；等级：没有这一选项；当时情况："),
    ):
        assert said in client.get(path, headers=CHINESE_READER).text, path
    wrong, right = (
        client.get(f"/cases?level=major{more}", headers=CHINESE_READER).text for more in ("&due_before=0202-01-01", "")
    )
    rows = re.compile(r'<th scope="row" class="title">.*?</th>')
    assert rows.findall(wrong) == rows.findall(right) and 'type="date" min="1' in wrong
    assert '<option value="major" selected>' in wrong and "/api/v1/cases?level=major&amp;format=xlsx" in wrong
    mended = client.get("/trail?from=2020-02-31&to=2020-03-01", headers=CHINESE_READER).text
    assert re.search(r'id="c-from" name="from" type="text" value="2020-02-31"', mended), "a box of days would be empty"
    [other] = [each for each in Page(wrong).addresses if each.startswith("/language/")]
    again = client.get(client.get(other).headers["location"], headers={"Accept": "text/html"})
    assert again.status_code == 422 and "correct it and ask again" in again.text, "a change of words loses nothing"
    client.get("/language/zh")
    for path in ("/cases", "/trail", "/overview"):
        days = re.findall(r'<input[^>]* type="date"[^>]*>', client.get(path).text)
        assert days and all('min="1' in day and "max=" in day for day in days), path
    many = "&".join(f"no{n}=1" for n in range(20))  # an address that nobody filled in is told by a page of its own
    told = client.get(f"/cases?{many}", headers=CHINESE_READER)
    assert told.status_code == 422 and 'class="button" href="/cases?' in told.text and "<table" not in told.text


def test_a_name_that_a_list_does_not_know_is_told_alike_by_all_and_never_by_itself(
    busy: tuple[httpx.Client, list[Stop]],
) -> None:
    client, _ = busy
    _as(client, "keeper")
    names = (
        "state.x",
        "no",
        "body",
        "department.x",
        "workflow.0",
        "columns.x",
        "as_of.x",
        "state[]",
        "found_at",
        f"q.{'x' * 60}",
    )
    for path, some in (
        ("/cases", names),
        ("/trail", ("state", *names[:3])),
        ("/overview", ("state", "from", *names[:3])),
        ("/school/people", ("state", *names[:3])),
    ):
        for name in some:
            told = client.get(path, params={name: "1"}, headers=CHINESE_READER)
            assert told.status_code == 422 and "查询：网址中有不能识别的条件" in Page(told.text).words, (path, name)
            assert "可用：" not in told.text and "没有参数" not in told.text, (path, name)
            assert "at-fault" not in told.text, "it is no field's fault"
    kept = client.get("/cases?level=major&level.x=1", headers=CHINESE_READER).text
    assert '<option value="major" selected>' in kept, "what it is called like stays asked"
    books = client.get("/cases/books?book.x=1", headers=CHINESE_READER)
    assert books.status_code == 422 and "打开页面：网址中有不能识别的条件" in books.text


def test_what_a_chat_appends_to_an_address_is_no_condition_of_a_list(busy: tuple[httpx.Client, list[Stop]]) -> None:
    client, _ = busy
    _as(client, "keeper")
    appended = "from=groupmessage&isappinstalled=0&clicktime=1&enterid=2"
    for path in (
        "/cases",
        "/cases?level=major&due_before=2020-03-01",
        "/trail?from=2020-03-01",
        "/overview?months=6",
        "/school/people?q=a%26b",
        "/cases/books",
    ):
        told = client.get(f"{path}{'&' if '?' in path else '?'}{appended}", headers=CHINESE_READER)
        assert (told.status_code, told.headers["location"]) == (303, path), path
        assert client.get(path, headers=CHINESE_READER).status_code == 200, path
    assert client.get("/trail?from=yesterday", headers=CHINESE_READER).status_code == 422, "what somebody typed is told"


def test_a_refusal_leads_back_to_the_case_it_was_about(busy: tuple[httpx.Client, list[Stop]]) -> None:
    client, stops = busy
    _as(client, "officer")
    not_yet = next(stop.path for stop in stops if stop.name == "paper-not-yet")
    case = not_yet.partition("/papers")[0]
    for path, status, back in (
        (not_yet, 409, case),
        (f"{case}/approve", 409, case),
        (f"{case}/nothing", 404, case),
        ("/cases/YH-2020-9999/papers/receipt", 404, "/mine"),
        ("/nowhere", 404, "/mine"),
        ("/account/tokens", 405, "/mine"),
    ):
        answer = client.get(path, headers=CHINESE_READER)
        assert answer.status_code == status, path
        assert f'class="button" href="{back}"' in answer.text, path
        assert strange_in(answer.text) == set(), path
        assert "openapi" not in answer.text
    assert "没有这个页面" in client.get("/nowhere", headers=CHINESE_READER).text
    _as(client, "head")
    assert "没有这个页面" in client.get("/trail").text, "it is told as he was told"
    client.cookies.clear()
    assert "openapi" in client.get("/api/v1/nowhere").text


def _as(client: httpx.Client, who: str) -> None:
    client.cookies.clear()
    assert sign_in(client, who).status_code == 303


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
