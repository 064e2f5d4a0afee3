"""Every message there can be, in both languages, with much, with little and with all that may be known: read by a machine here,
by people before a release (`bihuan message render`).
"""

import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.samples import Fullness, Sample, kinds_of, messages
from engine.errors import Locale
from notifications.editing import DEMANDS, check, tidied
from notifications.rendering import SCREEN_ROWS, columns, parse, rows, standard_names, standard_text
from workflows import CATALOG

LOCALES: tuple[Locale, ...] = get_args(Locale)
FULLNESS: tuple[Fullness, ...] = get_args(Fullness)
WORKFLOWS = CATALOG.newest()

ALL = [
    pytest.param(sample, fullness, id=f"{sample.file}-{fullness}")
    for locale in LOCALES
    for fullness in FULLNESS
    for sample in messages(WORKFLOWS, locale, fullness=fullness)
]


def test_a_loops_message_calls_its_people_by_the_loops_own_words() -> None:
    drills = [workflow for workflow in WORKFLOWS if workflow.key == "drill"]
    for locale, its_own, hazards in (("zh", "总指挥", "整改"), ("en", "the commander", "the assignee")):
        said = [s.words.body for fullness in FULLNESS for s in messages(drills, locale, fullness=fullness)]  # type: ignore[arg-type]
        said = [body for body in said if "1. " not in body]  # lists are of all loops
        assert any(its_own in body for body in said)
        assert not any(hazards in body for body in said)


#: what a sentence looks like out of which a word has fallen
BROKEN = re.compile(
    r"None|[\[\]{}|]|（）|\(\)|“”|\"\"|，，|。。|：：|，。|，$|：$|、$|^[，。、]| ,|,,|: *$|  |（，|\( ", re.MULTILINE
)

DAY = {"zh": re.compile(r"\d月\d+日|未定"), "en": re.compile(r"\d+ (Jan|Feb)|not set|no deadline")}
NAME = {"zh": re.compile(r"王老师|老师，您好|各位"), "en": re.compile(r"Dear (Alex Reader|colleague|colleagues|all)")}
PLACE = {
    "zh": re.compile(r"教学楼|实训楼|总务后勤处|未填|本单位|本部门|全校"),
    "en": re.compile(r"教学楼|实训楼|总务后勤处|Logistics|not stated|this organisation|Where: |this department"),
}


@pytest.mark.parametrize("sample, fullness", ALL)
def test_every_message_fits_a_screen_and_has_a_name_a_place_and_a_day(sample: Sample, fullness: Fullness) -> None:
    subject, body = sample.words.subject, sample.words.body
    assert rows(body) <= SCREEN_ROWS, body
    assert columns(subject) <= 110 and "\n" not in subject and subject.strip()
    assert NAME[sample.locale].search(body), body
    assert DAY[sample.locale].search(body), body
    if sample.name not in ("group", "back", "unreached"):  # to a group goes nothing that somebody typed
        assert PLACE[sample.locale].search(body), body
    assert sample.words.link is not None and body.count(sample.words.link) == 1, "one link, and it is there"
    greeting, _, after = body.partition("\n")
    for text in (subject, greeting.rstrip("：:,"), after):
        assert not BROKEN.search(text), text


def test_every_loop_gives_rise_to_every_message_it_can() -> None:
    told = {(w.key, name, state.name) for w in WORKFLOWS for name, state, _ in kinds_of(w)}
    assert {
        ("hazard", "receipt", "assigned"),
        ("drill", "returned", "assigned"),
        ("inspection", "waiting", "due"),
    } <= told
    names = {sample.name for sample in messages(WORKFLOWS, "zh")}
    lines = {name for name, demand in DEMANDS.items() if demand.line}
    assert names == set(DEMANDS) - lines, "every text is among the samples"


@pytest.mark.parametrize("locale", LOCALES)
def test_what_comes_with_the_program_is_held_to_what_a_school_s_own_texts_are(locale: Locale) -> None:
    for name in sorted(standard_names(locale)):
        kind, _, workflow = name.partition(".")
        assert check(kind, locale, tidied(standard_text(locale, name))) == [], name
        assert not workflow or DEMANDS[kind].of_one_workflow
    assert {name.partition(".")[0] for name in standard_names(locale)} == set(DEMANDS)


# --- what a school may write ---------------------------------------------------------------------------------------------

GOOD = """待办：{number} {title}[，{left}]
[{name}|老师]，您好：
请您办理“{title}”（{number}）。
地点：[{place}|未填]，期限：[{due}|未定]
请您：{to_do}
打开：{link}"""

FAULTS = [
    ("{titel}", "{title}", "没有叫 {titel} 的内容", "no fact is called 'titel'"),
    ("{count}", "{to_do}", "这类消息里没有 {count}", "know no {count}"),
    ("", "（{number}）", None, None),  # it stands in the subject still
    ("", "打开：{link}", "缺少 {link}", "{link} is missing"),
    ("未填", "[{place}|未填]", "缺少 {place}", "{place} is missing"),
    ("{place}", "[{place}|未填]", "{place} 不是每次都有", "{place} is not always known"),
    ("[{place}]", "[{place}|未填]", "{place} 可能不出现", "{place} may be left out"),
    ("[{place}，{actor}|未填]", "[{place}|未填]", "{place} 可能不出现", "{place} may be left out"),
    ("[{place}|未填", "[{place}|未填]", "没有成对", "has no partner"),
    ("{place|未填]", "[{place}|未填]", "没有成对", "has no partner"),
    ("[{place}|{link}]", "[{place}|未填]", "只能写文字", "stand plain words"),
    ("{place}}", "[{place}|未填]", "没有成对", "has no partner"),
    ("{link.__class__}", "{link}", "没有成对", "has no partner"),
    ("您好\u202e：", "您好：", "控制字符（U+202E）", "cannot be seen (U+202E)"),
    ("您好\x0bBcc: all@x", "您好：", "控制字符（U+000B）", "cannot be seen (U+000B)"),
    ("您好\u2028", "您好：", "控制字符（U+2028）", "cannot be seen (U+2028)"),
    ("您好\x00", "您好：", "控制字符", "cannot be seen"),
    ("您好\r", "您好：", "控制字符（U+000D）", "cannot be seen (U+000D)"),
    ("您好" * 900, "您好：", "最多 1500 字", "may have 1500"),
    ("您好" * 200, "您好：", "太长", "too long"),
    ("您好\n" * 25, "您好：", "最多 20 行", "may have 20"),
    ("待办" * 70, "待办：", "标题（第一行）最多", "its subject"),
    ("[{left}]", "待办：{number} {title}[，{left}]", "标题可能为空", "could be empty"),
]  # fmt: skip


def test_a_text_that_says_all_it_has_to_is_taken() -> None:
    assert check("waiting", "zh", GOOD) == []


@pytest.mark.parametrize("instead, of, zh, en", FAULTS)
def test_a_fault_is_told_in_a_sentence_of_each_language(instead: str, of: str, zh: str | None, en: str | None) -> None:
    assert of in GOOD
    faults = check("waiting", "zh", GOOD.replace(of, instead))
    if zh is None or en is None:
        assert faults == []
        return
    assert any(zh in fault.zh for fault in faults), [fault.zh for fault in faults]
    assert any(en in fault.en for fault in faults), [fault.en for fault in faults]


def test_every_fault_is_told_at_once() -> None:
    faults = check("waiting", "zh", "待办\n{titel}\n[{place}\n{number}")
    assert len(faults) == 2 and "第 2 行" in faults[0].zh and "line 3" in faults[1].en
    missing = check("waiting", "zh", "待办\n请办理。")
    assert len(missing) == 7


def test_a_list_s_lines_never_come_into_a_subject() -> None:
    text = "{today}{count}{lines}\n[{name}|老师]\n{lines}\n{link}"
    assert ["不能放" in fault.zh for fault in check("digest", "zh", text)] == [True]


PIECES = st.sampled_from(
    [
        "{title}",
        "{number}",
        "{place}",
        "{due}",
        "{name}",
        "{link}",
        "{to_do}",
        "{lines}",
        "[",
        "]",
        "|",
        "{",
        "}",
        "\n",
        "待办",
        " ",
        "\r",
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join), st.sets(st.sampled_from(sorted(DEMANDS["waiting"].may))))
@settings(max_examples=400)
def test_what_is_taken_can_always_be_written_whatever_is_known(scribble: str, known: set[str]) -> None:
    for text in (scribble, f"{GOOD}{scribble}", f"{scribble}{GOOD}"):
        for name in ("waiting", "digest", "digest_line"):
            if check(name, "zh", text):
                continue
            demand = DEMANDS[name]
            facts = dict.fromkeys(known & demand.may | demand.always, "x")
            subject, body = parse(name, tidied(text)).fill(facts)
            assert "\n" not in subject and (demand.line or (subject.strip() and body.strip()))
