"""The stage summary: the founding document's figures out of the records, each number the number of its list, and locked."""

import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner, Result
from docx import Document as WordFile

from api.app import create_app
from api.bootstrap import Runtime, open_runtime
from api.cli import main
from api.demo.campaign import ORGANISATION, campaign, second_calendar
from api.papers import html
from api.papers.summary import counting, questions, wording
from api.papers.summary.counting import Gathered, Number, Pause, Snapshot
from api.papers.summary.document import Counted, Document, Gap
from api.settings import Settings
from engine.errors import FolderError
from engine.store import accounts, cases
from tests.api.pages import sign_in
from tests.api.test_overview import Links, Lists
from tests.builders import PASSWORD, a_password, quick_hashing
from tests.builders import School as Names
from tests.conftest import Played
from tests.fakes import calling
from workflows.summary_text import SectionText, SummaryText, standard

BASE = "https://safety.school.example"
FIRST, LAST = date(2019, 11, 20), date(2020, 3, 31)
#: in the order of the founding document, and what follows from the records
HEADINGS = [
    "1. 召开学校安全专项整治工作会议及时通报情况布置工作",
    "2. 建立学校安全专项整治工作领导小组、制定学校实施方案",
    "3. 落实校园安全常规检查和隐患整治，做好数据收集和填报",
    "4. 做好安全教育和宣传开展应急演练，提高师生安全意识",
    "5. 规范校园安保人员管理，严格节假日期间校园值班值守",
    "6. 全力抓好疫情防控 做好疫情防控方案完善推演",
    "存在问题",
    "下一步打算",
]
#: what the document reports, and the number of the summary that says so
FIGURES = {
    "hazards_removed": "break1_grouped", "drills_held": "drills_held", "duty_rosters": "rosters",
    "school_meetings": "meetings", "superior_notices": "superior", "plans_and_schemes": "plans",
}  # fmt: skip


@pytest.fixture(scope="module")
def winter(campaign: Played, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder = campaign.copied_to(tmp_path_factory.mktemp("summary") / "data")
    runtime = open_runtime(Settings(_env_file=None, data=folder), hashing=quick_hashing())
    with runtime.database.write(ORGANISATION) as connection:
        for person in ("principal", "safety.staff"):
            token = Names(ORGANISATION).token(person)
            accounts.add_token(connection, ORGANISATION, person, token, "test", runtime.clock.now())
    a_password(runtime, Names(ORGANISATION), "principal")
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def snapshot(winter: Runtime) -> Snapshot:
    return counting.take(winter, ORGANISATION, FIRST, LAST)


@pytest.fixture(scope="module")
def document(winter: Runtime, snapshot: Snapshot) -> Document:
    text = standard()
    return wording.written(text, counting.gather(winter, snapshot), winter.clock.now())


# --- the campaign --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("figure", "key"), FIGURES.items())
def test_every_figure_of_the_founding_document_comes_out_of_the_records(
    snapshot: Snapshot, document: Document, figure: str, key: str
) -> None:
    told = campaign().raw["figures"][figure]
    assert snapshot.numbers[key].count == told["count"]
    assert (key, str(told["count"])) in {(part.key, part.text) for part in document.counted()}
    named = "\n".join(paragraph.text for section in document.sections for paragraph in section.paragraphs)
    assert all(f"{day.year}年{day.month}月{day.day}日，" in named for day in told.get("dates", ()))


def test_what_is_owed_again_and_again_is_told_as_the_demo_counts_it(campaign: Played, snapshot: Snapshot) -> None:
    counted = {key: number.count for key, number in snapshot.numbers.items()}
    called = {"reports": "hazard_reports", "weekly": "weekly", "portal": "portal", "daily": "daily"}
    for key, name in called.items():
        told = campaign.counted["figures"]["filings"][name]
        assert told == {
            "due": counted[f"{key}_due"] - counted[f"{key}_waived"],
            "submitted": counted[f"{key}_reported"] + counted[f"{key}_late"],
            **{came: counted[f"{key}_{came}"] for came in ("late", "missing", "zero", "corrected")},
        }
    months = campaign.counted["inspections"].values()
    assert sum(month["due"] for month in months) == counted["rounds_due"]
    assert sum(month["missing"] for month in months) == counted["rounds_missing"] > 0
    apart = ("reported", "late", "missing", "waiting", "waived")
    for key in questions.OWED:
        assert sum(counted[f"{key}_{came}"] for came in apart) == counted[f"{key}_due"]


def test_each_number_leads_to_exactly_the_cases_it_counts(winter: Runtime, document: Document) -> None:
    page = html.file_of_summary(document, BASE)
    links = {href: said for href, said in Links(page).found if urlsplit(href).path == "/cases"}
    assert links.keys() == {f"{BASE}/cases?{part.query}" for part in document.counted()}
    cited = [urlsplit(href).path for href, _ in Links(page).found if urlsplit(href).path != "/cases"]
    assert len(cited) > 20
    with calling(create_app(winter)) as client:
        headers = {"Authorization": f"Bearer {Names(ORGANISATION).token('principal')}"}
        lists = Lists(client, headers)
        wrong = {href: said for href, said in links.items() if lists.count(urlsplit(href).query) != int(said)}
        assert not wrong
        for number in dict.fromkeys(path.removeprefix("/cases/") for path in cited):
            assert client.get(f"/api/v1/cases?q={number}", headers=headers).json()["items"], number


def test_a_number_opens_in_the_ledger_which_says_what_is_asked(winter: Runtime, document: Document) -> None:
    query = next(part.query for part in document.counted() if part.key == "superior")
    with calling(create_app(winter)) as client:
        sign_in(client, "principal", PASSWORD)
        said = client.get(f"/cases?{query}")
    assert said.status_code == 200
    words = Links(said.text).words
    assert all(number in words for number in ("WJ-2019-0001", "WJ-2019-0002", "WJ-2019-0005"))
    assert "WJ-2019-0003" not in words  # a meeting of the school
    assert "登记时填报" in words and "上级会议" in words and "2019年11月20日—2020年3月31日" in words


def test_the_sections_are_those_of_the_document_and_what_no_record_says_is_marked(document: Document) -> None:
    assert [section.heading for section in document.sections] == ["", *HEADINGS]
    gaps = {
        section.heading: sum(isinstance(part, Gap) for each in section.paragraphs for part in each.parts)
        for section in document.sections
    }
    assert {heading for heading, many in gaps.items() if many} == {HEADINGS[n] for n in (1, 3, 4, 5, 6, 7)}
    assert html.file_of_summary(document, BASE).count("<mark>（请补充）</mark>") == sum(gaps.values())


# --- files ---------------------------------------------------------------------------------------------------------------


def summary(winter: Runtime, *said: str) -> Result:
    return CliRunner().invoke(main, ["summary", "--data", str(winter.settings.data), *said])


def test_word_has_the_headings_in_their_order_and_the_same_numbers_which_can_be_counted_again(
    winter: Runtime, snapshot: Snapshot, document: Document, tmp_path: Path
) -> None:
    file, kept = tmp_path / "summary.docx", tmp_path / "summary.figures.json"
    done = summary(winter, "--from", "2019-11-20", "--to", "2020-03-31", "-o", str(file))
    assert (done.exit_code, done.output.split()) == (0, [str(file), str(kept)])
    word = WordFile(io.BytesIO(file.read_bytes()))
    headings = [
        paragraph.text for paragraph in word.paragraphs if paragraph.style and paragraph.style.name == "Heading 1"
    ]
    assert headings == [*HEADINGS, "附件：数字一览"]
    said = [paragraph.text for paragraph in word.paragraphs]
    assert all(paragraph.text in said for section in document.sections for paragraph in section.paragraphs)
    rows = [(row.cells[0].text, row.cells[1].text) for row in word.tables[0].rows[1:]]
    assert rows == [(line.title, line.count.text) for line in document.numbers]
    content = json.loads(kept.read_text(encoding="utf-8"))
    assert content["sha256"] in said[-1]
    assert {key: told["count"] for key, told in content["snapshot"]["numbers"].items()} == {
        key: number.count for key, number in snapshot.numbers.items()
    }

    again = summary(winter, "--again", str(kept), "--json")
    assert json.loads(again.stdout) == {"numbers": len(snapshot.numbers), "equal": True, "differing": []}

    content["snapshot"]["numbers"]["meetings"]["count"] = 5
    kept.write_text(json.dumps(content), encoding="utf-8")
    refused = summary(winter, "--again", str(kept))
    assert refused.exit_code == 1 and "文件被改动过" in refused.stderr

    forged = snapshot.model_copy(
        update={"numbers": {**snapshot.numbers, "meetings": Number.model_validate(content["snapshot"]["numbers"]["meetings"])}}
    )  # fmt: skip
    kept.write_bytes(forged.to_file())
    refused = summary(winter, "--again", str(kept), "-o", str(tmp_path / "other.html"))
    assert refused.exit_code == 1 and "学校安全会议 原为 5，现为 4" in refused.stderr
    assert not (tmp_path / "other.html").exists()


def test_a_period_that_is_over_is_told_as_it_was_known_when_it_was_over(winter: Runtime, snapshot: Snapshot) -> None:
    told = counting.take(winter, ORGANISATION, FIRST, date(2020, 2, 29))
    assert told.as_of == datetime(2020, 2, 29, 15, 59, 59, 999999, tzinfo=UTC)
    assert told.numbers["meetings"].count == 3  # the fourth was held in March
    assert not counting.again(winter, told)
    later = told.model_copy(update={"as_of": snapshot.as_of})  # what was left open then was closed in March
    assert {"closed", "left"} <= {each.key for each in counting.again(winter, later)}
    assert counting.take(winter, ORGANISATION, FIRST, date(2020, 2, 29)).digest == told.digest


def test_a_snapshot_of_another_school_or_with_a_question_nobody_knows_is_refused(snapshot: Snapshot) -> None:
    assert counting.read_snapshot(snapshot.to_file(), ORGANISATION) == snapshot
    with pytest.raises(FolderError, match=ORGANISATION):
        counting.read_snapshot(snapshot.to_file(), "no1")
    strange = snapshot.numbers["found"].model_copy(update={"cases": {"colour": "red"}})
    forged = snapshot.model_copy(update={"numbers": {**snapshot.numbers, "found": strange}})
    with pytest.raises(FolderError, match="no snapshot"):
        counting.read_snapshot(forged.to_file(), ORGANISATION)


REFUSED = {
    "no period": (("-o", "s.html"), 2, "--from"),
    "no file": (("--from", "2019-11-20", "--to", "2020-03-31"), 2, "-o FILE"),
    "another kind of file": (("--from", "2019-11-20", "--to", "2020-03-31", "-o", "s.pdf"), 2, ".docx or .html"),
    "back to front": (("--from", "2020-03-31", "--to", "2019-11-20", "-o", "s.html"), 1, "--to 不能早于"),
    "not yet begun": (("--from", "2031-01-01", "--to", "2031-02-01", "-o", "s.html"), 1, "还没有到"),
    "too long": (("--from", "2010-01-01", "--to", "2020-01-01", "-o", "s.html"), 1, "不能超过三年"),
    "a period and a snapshot": (("--from", "2020-01-01", "--again", "s.figures.json"), 2, "--again"),
    "a snapshot that is none": (("--again", "none.figures.json"), 1, "不是阶段小结的数字快照"),
}


@pytest.mark.parametrize(("said", "code", "why"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_summarised_is_refused_and_nothing_written(
    winter: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...], code: int, why: str
) -> None:
    (tmp_path / "none.figures.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    refused = summary(winter, *said)
    assert refused.exit_code == code and why in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["none.figures.json"]


# --- as a case -----------------------------------------------------------------------------------------------------------


def test_the_case_and_the_command_tell_the_same_and_every_page_leads_on(
    winter: Runtime,
) -> None:
    last = date(2020, 2, 29)  # a day that is over in the demo
    snapshot = counting.take(winter, ORGANISATION, FIRST, last)
    document = wording.written(standard(), counting.gather(winter, snapshot), winter.clock.now())
    said = {"title": "校园安全专项整治工作阶段小结", "first_day": f"{FIRST}", "last_day": f"{last}"}
    with calling(create_app(winter)) as client:

        def done(who: str, path: str, **body: Any) -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {Names(ORGANISATION).token(who)}"}
            answer = client.post(f"/api/v1/stage_summaries{path}", json=body, headers=headers)
            assert answer.is_success, answer.text
            told: dict[str, Any] = answer.json()
            return told

        number = done("safety.staff", "", **said)["number"]
        done("safety.staff", f"/{number}/compile")
        with winter.database.read(ORGANISATION) as connection:
            case = cases.load(connection, ORGANISATION, number)
        assert case is not None and counting.of_case(case) == snapshot
        sign_in(client, "principal", PASSWORD)
        draft = client.get(f"/cases/{number}/papers/stage_summary")
        assert "草稿" in draft.text
        assert {part.query for part in document.counted()} == {
            urlsplit(href).query for href, _ in Links(draft.text).found if "as_of=" in href
        }
        done("principal", f"/{number}/sign", opinion="同意签发")
        page = client.get(f"/cases/{number}").text
        assert f"/cases/{number}/papers/stage_summary?event=3" in page
        assert "更正改的是文字" in page and "联合检查发现，总务后勤处" in page and "联合检查发现，HQC" not in page
        (correct,) = [href for href, _ in Links(page).found if "corrects=" in href]
        filled = client.get(correct).text
        assert all(f'value="{word}"' in filled for word in (number, *said.values()))
        word = client.get(f"/api/v1/stage_summaries/{number}/papers/stage_summary.docx")
        told = [paragraph.text for paragraph in WordFile(io.BytesIO(word.content)).paragraphs]
        assert any(line.startswith("签发：校长") for line in told) and all(heading in told for heading in HEADINGS)
    again = CliRunner().invoke(main, ["audit", "figures", number, "--data", str(winter.settings.data), "--json"])
    told = json.loads(again.stdout)
    assert (again.exit_code, told["counted"], told["differing"]) == (0, 1, [])


# --- words ---------------------------------------------------------------------------------------------------------------


def nothing_happened() -> Gathered:
    """A school that recorded nothing in a month with a break."""
    pause = Pause(name="寒假", first=date(2020, 1, 18), last=date(2020, 2, 16))
    month = questions.Stretch("", "2020-01-01", "2020-02-29", "2019-12-31T16:00:00Z", "2020-02-29T16:00:00Z")
    asked = questions.numbers(month, [month], ["HQC"])
    numbers = {each.key: Number(title=each.title.zh, count=0, cases=dict(each.asks)) for each in asked}
    empty = Snapshot(
        organisation="no1", first=date(2020, 1, 1), last=date(2020, 2, 29), breaks=(pause,), numbers=numbers,
        as_of=datetime(2020, 2, 29, 15, 59, tzinfo=UTC),
    )  # fmt: skip
    return Gathered(empty, "第一职业学校", second_calendar(), dict.fromkeys(questions.NAMED, ()), {"HQC": "总务后勤处"})


def said_of(told: Gathered, *paragraphs: str) -> Document:
    text = SummaryText(title="小结", sections=[SectionText(paragraphs=list(paragraphs))])
    return wording.written(text, told, datetime(2020, 3, 1, tzinfo=UTC))


def test_a_school_that_recorded_nothing_reads_zeros_and_that_nothing_is_recorded() -> None:
    written = wording.written(standard(), nothing_happened(), datetime(2020, 3, 1, tzinfo=UTC))
    assert {part.text for part in written.counted()} == {"0"}
    words = "\n".join(paragraph.text for section in written.sections for paragraph in section.paragraphs)
    assert words.count("本阶段没有这方面的记录。") == 7
    assert "按类别：无。" in words
    assert "{" not in words


def test_a_school_brings_words_of_its_own_and_no_numbers() -> None:
    told = nothing_happened()
    (section,) = said_of(told, "{school}召开会议{meetings}次，效果（请补充）。").sections
    (paragraph,) = section.paragraphs
    assert paragraph.text == "第一职业学校召开会议0次，效果（请补充）。"
    assert [part.key for part in paragraph.parts if isinstance(part, Counted)] == ["meetings"]
    assert [part.text for part in paragraph.parts if isinstance(part, Gap)] == ["（请补充）"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("共{meeting}次", "是不是 {meetings}"),
        ("共{随便}次", "请对照默认文字"),
        ("有{plans.list}等", "要单独成段"),
    ],
)
def test_a_place_that_nothing_fills_in_is_told_with_the_likeliest_one(said: str, why: str) -> None:
    with pytest.raises(FolderError) as refused:
        said_of(nothing_happened(), said)
    assert why in refused.value.text.zh


@pytest.mark.parametrize(
    "said", ["- a", "title: ''\nsections: []", "title: a\nsections: [{paragraphs: [a], x: 1}]", "{"]
)
def test_a_text_that_cannot_be_read_is_refused(said: str) -> None:
    with pytest.raises(FolderError, match="cannot be read"):
        wording.read_text(said)


#: what is asked of lists → the word that is wrong in it, or None
ANSWERS: Mapping[str, str | None] = {
    "opened_with=kind:plan": None,
    "opened_with=dated_on:2020-01-17": None,
    "opened_with=dated_on:2020-01-17..2020-01-17": None,
    "opened_with=kind:plans": "opened_with kind",
    "opened_with=kind": "opened_with kind",
    "opened_with=title:x": "opened_with",
    "opened_with=dated_on:2020-02-30": "2020-01-31",
    "opened_with=dated_on:2020-01-17..": "2020-01-31",
    "opened_with=dated_on:2020-02-01..2020-01-01": "2020-01-31",
    "opened_with=dated_on:20200117": "2020-01-31",
}


def test_lists_take_answers_there_are_and_refuse_misspelt_ones(winter: Runtime) -> None:
    headers = {"Authorization": f"Bearer {Names(ORGANISATION).token('principal')}"}
    with calling(create_app(winter)) as client:
        for query, wrong in ANSWERS.items():
            answer: httpx.Response = client.get(f"/api/v1/notices?{query}", headers=headers)
            told: dict[str, Any] = answer.json()
            assert answer.status_code == (200 if wrong is None else 422), query
            assert told["items"] if wrong is None else wrong in answer.text, query
