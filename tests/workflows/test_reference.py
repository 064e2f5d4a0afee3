"""What the reference data promises, and that each cross-check bites on a broken copy."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from engine.errors import Text
from workflows.reference import (
    CriteriaUnanswered,
    CriteriaUnknown,
    Level,
    LevelUndecided,
    NotInReference,
    ReferenceBroken,
    check_events,
    checklist_for,
    checklists,
    criteria,
    criteria_for,
    cycles,
    decide_level,
    department_for,
    departments,
    five_items,
    form_columns,
    forms,
    groups,
    interim_suggestion,
    levels,
    limits,
    on_spot_kinds,
    posts,
    read_reference,
    reference,
    relations,
    reminder_ladder,
    report_clocks,
    retention,
    risk_colours,
    roles,
    samples,
    sign_off,
    state_words,
    taxonomy,
)
from workflows.reference.reading import Titled

# ---------------------------------------------------------------------------------------------------------- counts


COUNTS: dict[str, tuple[Callable[[], Collection[object]], int]] = {
    "categories": (lambda: taxonomy().categories, 15),
    "sub-categories": (lambda: taxonomy().subcategories, 87),
    "both": (lambda: taxonomy().all, 102),
    "samples": (samples, 125),
    "major samples": (lambda: [sample for sample in samples().values() if sample.level is Level.MAJOR], 21),
    "checklists": (checklists, 11),
    "checklist items": (lambda: [item for sheet in checklists().values() for item in sheet.items], 113),
    "cycles": (cycles, 38),
    "forms": (forms, 19),
    "departments": (departments, 22),
    "contractors": (lambda: [department for department in departments().values() if department.external], 2),
    "departments owing": (lambda: [department for department in departments().values() if department.owes_monthly], 20),
    "roles": (roles, 23),
    "groups": (groups, 2),
    "levels": (levels, 2),
    "time limits": (limits, 8),
    "five items": (five_items, 5),
    "risk colours": (risk_colours, 4),
    "states": (state_words, 8),
    "modes of signing off": (sign_off, 4),
    "rungs": (reminder_ladder, 8),
    "kinds corrected on the spot": (on_spot_kinds, 8),
    "criteria of the guideline": (lambda: [one for one in criteria().values() if one.kind == "guide"], 10),
    "events that open a check": (check_events, 6),
    "reporting clocks": (report_clocks, 6),
    "retention periods": (retention, 5),
}


@pytest.mark.parametrize("what, count", COUNTS.values(), ids=COUNTS)
def test_nothing_was_lost_on_the_way(what: Callable[[], Collection[object]], count: int) -> None:
    assert len(what()) == count


def _titles() -> Iterator[tuple[str, Text]]:
    entries: list[Mapping[str, Titled]] = [
        taxonomy().all, departments(), roles(), relations(), groups(), levels(), limits(), five_items(), risk_colours(),
        state_words(), criteria(), on_spot_kinds(), checklists(), samples(), forms(), cycles(), check_events(),
        report_clocks(), retention(),
    ]  # fmt: skip
    for mapping in entries:
        for code, entry in mapping.items():
            yield code, entry.title
    for sheet in checklists().values():
        for item in sheet.items:
            yield item.code, item.title


def test_everything_that_is_shown_has_words_in_both_languages() -> None:
    lacking = [
        code
        for code, title in _titles()
        if not re.search(r"[\u4e00-\u9fff]", title.zh) or not title.en or re.search(r"[\u4e00-\u9fff]", title.en)
    ]
    assert lacking == []


def test_no_file_cites_what_the_project_does_not_have() -> None:
    for file in files("workflows.reference").iterdir():
        if file.name.endswith(".yaml"):
            assert not re.search(r"\w\.md\b|种子|see report", file.read_text(encoding="utf-8")), file.name


def test_the_files_are_read_once_and_only_when_asked() -> None:
    assert reference() is reference()


# ---------------------------------------------------------------------------------------------------------- lookups


def test_a_category_knows_its_title_its_parent_and_what_is_below_it() -> None:
    assert taxonomy().category("FIRE.exit").parent == "FIRE"
    assert taxonomy().title("FIRE.exit") == "疏散通道与安全出口"
    assert taxonomy().title("FIRE.exit", "en") == "Escape routes and exits"
    assert taxonomy().lineage("FIRE.exit") == ("FIRE.exit", "FIRE")
    assert [category.code for category in taxonomy().below("SPEQ")] == ["SPEQ.lift", "SPEQ.boiler", "SPEQ.gas"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: taxonomy().category("FIRE.nowhere"),
        lambda: department_for("NOWHERE"),
        lambda: interim_suggestion("NOWHERE"),
        lambda: criteria_for("NOWHERE"),
        lambda: on_spot_kinds("NOWHERE"),
        lambda: form_columns("nowhere"),
    ],
    ids=["category", "owner", "measure", "criteria", "on the spot", "form"],
)
def test_a_code_that_does_not_exist_is_refused_with_the_nearest(ask: Callable[[], object]) -> None:
    with pytest.raises(NotInReference, match=r"There is no \w+ '.*(?i:nowhere)'\. Nearest: \w+"):
        ask()


@pytest.mark.parametrize(
    "category, department",
    [
        ("FIRE.exit", "BWC"),
        ("FIRE", "BWC"),
        ("BLDG.rail", "HQC"),
        ("BLDG.sport", "TYZ"),  # taken out of logistics' buildings
        ("ACTV.sport", "TYZ"),
        ("LABT.mach", "SXC"),
        ("LABT.intern", "ZSJY"),
        ("MGMT.watch", "DZB"),
    ],
)
def test_the_most_specific_owner_fixes(category: str, department: str) -> None:
    assert department_for(category).code == department


def test_every_category_has_a_department_a_measure_and_questions() -> None:
    for code in taxonomy().all:
        assert department_for(code).code in departments()
        assert interim_suggestion(code).zh
        assert [criterion.code for criterion in criteria_for(code)][-2:] == [
            "general.needs_stop",
            "general.beyond_school",
        ]


@pytest.mark.parametrize(
    "department, lists",
    [
        ("BWC", ["fire", "gate"]),
        ("HQC", ["building", "electrical", "bus"]),
        ("STZX", ["canteen"]),
        ("CWC", ["office"]),
        ("XB1", ["office"]),
        ("OUR.OWN", ["office"]),
    ],
)
def test_a_department_inspects_by_its_own_lists_or_by_the_office_list(department: str, lists: list[str]) -> None:
    assert [sheet.code for sheet in checklist_for(department)] == lists


@pytest.mark.parametrize(
    "code, workdays, days, interim, approval, five, policy",
    [
        ("on_spot", None, 0, False, None, False, False),
        ("same_day", None, 0, False, None, False, False),
        ("days3", 3, None, True, None, False, True),
        ("days7", 7, None, True, None, False, True),
        ("days15", 15, None, True, None, False, True),
        ("days30", None, 30, True, None, False, True),
        ("break", None, None, True, "vp_safety", False, False),
        ("plan", None, None, True, "principal", True, False),
    ],
)
def test_each_time_limit_says_how_long_and_what_it_needs(
    code: str, workdays: int | None, days: int | None, interim: bool, approval: str | None, five: bool, policy: bool
) -> None:
    limit = limits()[code]
    assert (limit.workdays, limit.days) == (workdays, days)
    assert (limit.needs_interim, limit.needs_approval, limit.needs_five) == (interim, approval, five)
    assert limit.policy is policy


@pytest.mark.parametrize(
    "mode, step, by, count, never",
    [
        ("on_spot", "verify", {"inspector"}, 1, {"assignee", "fixer"}),
        ("on_spot", "approve", {"inspector"}, 1, {"assignee", "fixer"}),
        ("general", "verify", {"dept_safety_of_another_department", "safety_staff"}, 1, {"assignee", "fixer"}),
        ("general", "approve", {"safety_head"}, 1, {"assignee", "fixer", "verifier"}),
        ("general_extended", "approve", {"vp_safety"}, 1, {"assignee", "fixer", "verifier"}),
        ("major", "verify", {"acceptance_group"}, 2, {"assignee", "fixer"}),
        ("major", "approve", {"principal", "secretary"}, 1, {"assignee", "fixer", "verifier"}),
    ],
)
def test_the_sign_off_table_says_who_how_many_and_who_never(
    mode: str, step: str, by: set[str], count: int, never: set[str]
) -> None:
    rule = getattr(sign_off()[mode], step)
    assert (set(rule.by), rule.count, set(rule.never)) == (by, count, never)


def test_the_last_rung_of_the_ladder_repeats() -> None:
    assert [rung.at for rung in reminder_ladder()] == [-3, -1, 0, 1, 3, 7, 15, None]
    assert (reminder_ladder()[-1].after, reminder_ladder()[-1].every) == (15, 5)


def test_the_ledger_has_its_columns_and_requires_some_of_them() -> None:
    assert form_columns("ledger")[0] == "编号"
    assert len(form_columns("ledger")) == 26
    assert "等级（一般/重大）" in forms()["ledger"].required


@pytest.mark.parametrize(
    "cycle, count, unit",
    [
        ("dept_check_month", 1, "month"),
        ("fire_check_quarter", 3, "month"),
        ("lift_15d", 15, "day"),
        ("break_check", None, None),
    ],
)
def test_a_cycle_says_how_often_in_count_and_unit(cycle: str, count: int | None, unit: str | None) -> None:
    assert (cycles()[cycle].every_count, cycles()[cycle].every_unit) == (count, unit)


# ---------------------------------------------------------------------------------------------------------- level


def _no_to_all(category: str) -> dict[str, bool]:
    return {criterion.code: False for criterion in criteria_for(category)}


@pytest.mark.parametrize("code", list(samples()))
def test_a_sample_has_the_level_its_criteria_give_it(code: str) -> None:
    sample = samples()[code]
    answers = _no_to_all(sample.category) | dict.fromkeys(sample.criteria, True)
    assert decide_level(sample.category, answers) is sample.level
    assert bool(sample.criteria) is (sample.level is Level.MAJOR)


@pytest.mark.parametrize("code", list(criteria()))
def test_one_yes_is_enough_to_make_a_hazard_major(code: str) -> None:
    applies = criteria()[code].applies[0]
    category = "INFO.log" if applies == "all" else applies
    assert decide_level(category, _no_to_all(category)) is Level.GENERAL
    assert decide_level(category, _no_to_all(category) | {code: True}) is Level.MAJOR


@pytest.mark.parametrize("blank", ["left out", None, "yes", 1])
def test_blank_is_not_no(blank: object) -> None:
    answers: dict[str, object] = dict(_no_to_all("FIRE.hot"))
    answers["fire.hot_work"] = blank
    if blank == "left out":
        del answers["fire.hot_work"]
    with pytest.raises(CriteriaUnanswered, match=r"'fire\.hot_work' .*blank is not no") as refusal:
        decide_level("FIRE.hot", answers)  # type: ignore[arg-type]  # what a careless caller sends
    assert refusal.value.criteria == ("fire.hot_work",)
    assert "空白不等于否" in refusal.value.sentence("zh")


def test_a_yes_does_not_excuse_the_other_questions() -> None:
    with pytest.raises(CriteriaUnanswered, match=r"'general\.beyond_school'"):
        decide_level("FIRE.hot", {"fire.hot_work": True, "general.needs_stop": False})


def test_an_answer_to_a_question_that_was_not_asked_is_refused() -> None:
    with pytest.raises(CriteriaUnknown, match=r"'bus\.overload'.*Answer exactly: fire\.hot_work, general") as refusal:
        decide_level("FIRE.hot", _no_to_all("FIRE.hot") | {"bus.overload": False})
    assert refusal.value.criteria == ("bus.overload",)


def test_undecided_levels_are_value_errors_so_that_a_form_can_show_them() -> None:
    for kind in (CriteriaUnanswered, CriteriaUnknown):
        assert issubclass(kind, LevelUndecided)
        assert issubclass(kind, ValueError)


def test_a_hazard_of_a_whole_category_answers_for_all_below_it() -> None:
    whole = {criterion.code for criterion in criteria_for("FIRE")}
    for sub in taxonomy().below("FIRE"):
        assert {criterion.code for criterion in criteria_for(sub.code)} <= whole


def test_every_checklist_item_that_proposes_a_plan_has_a_criterion_that_can_make_it_major() -> None:
    for sheet in checklists().values():
        for item in sheet.items:
            if limits()[item.limit].needs_five:
                assert any(not criterion.general for criterion in criteria_for(item.category)), item.code


def test_our_own_criteria_say_that_they_are_not_the_guidelines() -> None:
    for criterion in criteria().values():
        assert ("非判定指南原文" in criterion.basis) is (criterion.kind == "policy"), criterion.code
        assert ("教发厅函〔2024〕20号" in criterion.basis) is (criterion.kind == "guide"), criterion.code


@pytest.mark.parametrize(
    "category, kinds",
    [
        ("FIRE.exit", ["locked_exit", "other"]),
        ("FIRE.door", ["propped_fire_door", "other"]),
        ("FOOD.cook", ["other"]),
    ],
)
def test_what_is_corrected_on_the_spot_is_named_by_kind(category: str, kinds: list[str]) -> None:
    assert list(on_spot_kinds(category)) == kinds


# ---------------------------------------------------------------------------------------------------------- broken copies


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for file in files("workflows.reference").iterdir():
        if file.name.endswith(".yaml"):
            (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_an_unbroken_copy_is_read_from_any_folder(copy: Path) -> None:
    assert len(read_reference(copy).samples) == 125


# file, what stands there, what it is replaced by, what the sentence must name
BROKEN = {
    "a sub-category below another's category": (
        "taxonomy.yaml", "code: FIRE.exit,", "code: BLDG.exit,", r"'BLDG\.exit'.*stands below 'FIRE'"),
    "a sub-category twice": ("taxonomy.yaml", "code: FIRE.door,", "code: FIRE.exit,", r"'FIRE\.exit'.*twice"),
    "a category twice": ("taxonomy.yaml", "code: ELEC,", "code: BLDG,", r"'BLDG'.*twice"),
    "a sub-category among the categories": ("taxonomy.yaml", "code: SPEQ,", "code: SPEQ.x,", "has no dot"),
    "a category without English": (
        "taxonomy.yaml", ", en: Lifts", "", r"taxonomy\.yaml, categories 'SPEQ\.lift'.*title\.en.*Correct this entry"),
    "a key nobody knows": ("taxonomy.yaml", ", en: Lifts", ", en: Lifts, colour: red", r"SPEQ\.lift.*colour"),
    "a key twice": ("taxonomy.yaml", ", en: Lifts", ", en: Lifts, en: Elevators", "'en' is there twice"),
    "a version from the future": ("forms.yaml", "version: 1", "version: 2", "2 cannot be read.*version 1"),
    "a post with a role nobody has": (
        "posts.yaml", "everywhere: [principal]", "everywhere: [king]", r"posts 'principal': role 'king' does not exist"),
    "a word for two posts": ("posts.yaml", "also: [司机,", "also: [校 医,", "'校医' names 'driver' already"),
    "a section nobody reads": ("forms.yaml", "version: 1", "version: 1\nextra: []", "'extra'.*nothing reads it"),
    "a section missing": ("org.yaml", "groups:", "# groups:", "'groups': it is missing"),
    "not YAML": ("forms.yaml", "forms:", "forms: [", r"forms\.yaml.*not YAML"),
    "a department that owns nothing known": (
        "org.yaml", "owns: [FIRE, GATE]", "owns: [FIRE, DOOR]", r"'BWC': category 'DOOR' does not exist.*Use one of: FIRE"),
    "a category owned twice": ("org.yaml", "owns: [STUD]", "owns: [STUD, DORM]", "'DORM' is owned by 'XGC' already"),
    "a category owned by nobody": ("org.yaml", "owns: [FOOD]", "owns: []", "nobody owns 'FOOD'"),
    "a department twice": ("org.yaml", "code: CWC, ", "code: RSC, ", "'RSC'.*twice"),
    "a relation called like a role": ("org.yaml", "code: fixer,", "code: driver,", "'driver': a role has the same code"),
    "a group with an unknown role": (
        "org.yaml", "deputy: [vp_safety,", "deputy: [vp_safty,", r"groups 'LDXZ': role 'vp_safty' does not exist"),
    "a third level": ("scheme.yaml", "{code: general, ", "{code: minor, ", "exactly general, major"),
    "a limit in two units": (
        "scheme.yaml", "default_workdays: 7,", "default_workdays: 7, default_days: 9,", "'days7'.*both set"),
    "a limit approved by no one": (
        "scheme.yaml", "needs_approval: vp_safety", "needs_approval: leader", "'break': role 'leader' does not exist"),
    "an interim rule in two places": (
        "scheme.yaml", "default_workdays: 7,", "default_workdays: 7, needs_interim: true,", r"'days7'.*interim\.required_for"),
    "an interim rule for an unknown limit": (
        "scheme.yaml", "required_for: [days3,", "required_for: [days4,", "time limit 'days4' does not exist"),
    "a measure for an unknown category": ("scheme.yaml", "    FOOD: {zh", "    FODO: {zh", "category 'FODO' does not exist"),
    "a category without a measure": ("scheme.yaml", "    FOOD: {zh", "    FOOD.buy: {zh", "'FOOD': there is none"),
    "a measure without English": (
        "scheme.yaml", ', en: "Stop using it and tag it"', "", "'SPEQ': it lacks words in both languages"),
    "a signature by an unknown role": (
        "scheme.yaml", "by: [principal, secretary]", "by: [principal, mayor]", r"'major\.approve'.*'mayor' does not exist"),
    "an exclusion that is no relation": (
        "scheme.yaml", "never: [assignee, fixer], not_all_from", "never: [principal], not_all_from", "relation 'principal'"),
    "a quorum from an unknown department": (
        "scheme.yaml", "not_all_from: fixing_department", "not_all_from: elsewhere", "relation 'elsewhere'"),
    "a signature that nobody has to give": ("scheme.yaml", "count: 2", "count: 0", "'major'.*count"),
    "a rung to nobody": ("scheme.yaml", "to: [dept_head, safety_head]", "to: [dept_boss]", "rung 5.*'dept_boss'"),
    "a rung without a time": ("scheme.yaml", "{at: 0, ", "{", "rung 3.*either 'at'"),
    "a ladder that falls silent": ("scheme.yaml", "{after: 15, every: 5,", "{at: 16,", "must not fall silent"),
    "a criterion for an unknown category": (
        "criteria.yaml", "applies: [SPEQ.gas]", "applies: [SPEQ.gaz]", r"'speq\.gas_leak': category 'SPEQ\.gaz'"),
    "a criterion for nothing": ("criteria.yaml", "applies: [SPEQ.gas]", "applies: []", "applies to nothing"),
    "a criterion for all and some": (
        "criteria.yaml", "applies: [SPEQ.gas]", "applies: [all, SPEQ.gas]", "applies to all and to some"),
    "a criterion of an unknown kind": ("criteria.yaml", "kind: guide", "kind: rumour", r"fire\.no_duty_system.*kind"),
    "a kind on the spot for an unknown category": (
        "criteria.yaml", "applies: [FIRE.door]", "applies: [FIRE.doors]", r"on_spot_kinds 'propped_fire_door'.*FIRE\.doors"),
    "no definition of major": ("criteria.yaml", "applies: [all]\n", "applies: [FIRE]\n", "none applies to all"),
    "an item of an unknown category": (
        "checklists.yaml", "cat: FIRE.lane", "cat: FIRE.line", r"fire 'fire\.09': sub-category 'FIRE\.line'"),
    "an item of a whole category": ("checklists.yaml", "cat: FIRE.lane", "cat: FIRE", "sub-category 'FIRE' does not"),
    "an item with an unknown limit": (
        "checklists.yaml", "cat: BLDG.roof, limit: days15", "cat: BLDG.roof, limit: days16", r"building\.07.*'days16'"),
    "an item twice": ("checklists.yaml", "id: fire.02,", "id: fire.01,", r"'fire\.01': the code is taken"),
    "an item of another list": ("checklists.yaml", "id: fire.02,", "id: gate.99,", r"'gate\.99': the code is taken or"),
    "a list of an unknown department": ("checklists.yaml", "dept: STZX", "dept: STZY", "'canteen': department 'STZY'"),
    "no list for the rest": (
        "checklists.yaml", "dept: every_department_without_a_list_of_its_own", "dept: DZB", "not exactly one is for"),
    "a list without items": (
        "checklists.yaml", "checklists:\n", "checklists:\n  - {code: none, zh: 空, en: None, dept: DZB, cycle: month, items: []}\n",
        "'none': it has no items"),
    "a key nobody knows in a list": ("checklists.yaml", "    cycle: month", "    cycle: month\n    colour: red", "'fire': colour"),
    "empty words": ("forms.yaml", "en: Stage summary", "en: ''", "'stage_summary'.*must not be empty"),
    "a sample of an unknown category": ("hazards.yaml", "cat: NATR.snow", "cat: NATR.ice", r"'H117'.*'NATR\.ice'"),
    "a sample with an unknown limit": (
        "hazards.yaml", "limit: days30, dept: HQC, interim", "limit: days31, dept: HQC, interim", "'H028'.*'days31'"),
    "a sample of an unknown department": ("hazards.yaml", "dept: WYGS", "dept: WYGZ", "'H038': department 'WYGZ'"),
    "a sample with an unknown criterion": (
        "hazards.yaml", "criteria: [bus.driver]", "criteria: [bus.chauffeur]", r"'H080': criterion 'bus\.chauffeur'"),
    "a sample with a criterion of another category": (
        "hazards.yaml", "criteria: [bus.driver]", "criteria: [bus.overload]", r"'H080'.*'bus\.overload' is not asked there"),
    "a major sample without a reason": (
        "hazards.yaml", ", criteria: [bus.driver]", "", "'H080': its level is 'major', but its criteria make it 'general'"),
    "a general sample with a reason": (
        "hazards.yaml", "level: general, limit: on_spot, dept: WYGS", "level: general, criteria: [elec.burning], limit: on_spot, dept: WYGS",
        "'H038': its level is 'general', but its criteria make it 'major'"),
    "a major sample without a plan": (
        "hazards.yaml", "criteria: [bus.driver], limit: plan", "criteria: [bus.driver], limit: days3", "'H080'.*does not fit"),
    "a required column that is not there": (
        "forms.yaml", "req: [文号,", "req: [字号,", "forms 'notice': required column '字号' does not exist"),
    "a column twice": ("forms.yaml", "columns: [日期, 星期,", "columns: [日期, 日期,", "'duty_roster': two columns"),
    "a form twice": ("forms.yaml", "code: receipt", "code: notice", "'notice'.*twice"),
    "a cycle owed by nobody known": ("cycles.yaml", "who: BAGS", "who: BAGZ", "'guard_patrol'.*'BAGZ' does not exist"),
    "a cycle signed by nobody known": ("cycles.yaml", "sign: [principal]", "sign: [mayor]", "'stat_quarter'.*'mayor'"),
    "a cycle with an odd frequency": ("cycles.yaml", "every: 15 days", "every: fortnight", "'lift_15d'.*every"),
    "a cycle with no frequency": ("cycles.yaml", "every: 15 days, ", "", "'lift_15d'.*either 'every' or 'trigger'"),
    "a retention in two units": ("cycles.yaml", "days: 90,", "days: 90, years: 1,", "'video_key_target'.*exactly one"),
}  # fmt: skip


@pytest.mark.parametrize("file, there, instead, sentence", BROKEN.values(), ids=BROKEN)
def test_a_contradiction_is_refused_with_a_sentence(
    copy: Path, file: str, there: str, instead: str, sentence: str
) -> None:
    text = (copy / file).read_text(encoding="utf-8")
    assert there in text, "the row no longer fits the file"
    # every occurrence where the row breaks a rule about all of them, else the first
    (copy / file).write_text(text.replace(there, instead, -1 if "all]" in there else 1), encoding="utf-8")
    with pytest.raises(ReferenceBroken, match=sentence) as refusal:
        read_reference(copy)
    assert refusal.value.file == file
    assert str(refusal.value).startswith(f"{file}, ")
    assert str(refusal.value).endswith(".")


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "criteria.yaml").unlink()
    with pytest.raises(ReferenceBroken, match=r"criteria\.yaml, the file: it is missing"):
        read_reference(copy)


# ----------------------------------------------------------------------------------------------------------- posts


@pytest.mark.parametrize(
    "said, department, known, unknown",
    [
        ("校长", "", ["principal"], []), ("党委副书记、校长", "", ["principal"], []), ("Head of Department", "", ["dept_head"], []),
        ("安稳办主任兼保卫处长", "", ["safety_head", "security_head"], []), ("安全员，班主任;教师", "", ["dept_safety", "head_teacher", "teacher"], []),
        ("机电工程系 主任", "机电工程系", ["dept_head"], []), ("机电工程系主任", "信息工程系", [], ["机电工程系主任"]),
        ("机电工程系", "机电工程系", [], ["机电工程系"]), ("副主任", "", ["dept_deputy"], []), ("副校长（分管安全）", "", ["vp_safety"], []),
        ("教研员／教师", "", ["teacher"], ["教研员"]), ("", "", [], []), ("兼", "", [], []), ("、", "", [], []),
    ],
)  # fmt: skip
def test_a_cell_names_the_posts_it_names(said: str, department: str, known: list[str], unknown: list[str]) -> None:
    posts_, words = posts().named_in(said, department)
    assert ([post.code for post in posts_], words) == (known, unknown)


def test_no_list_makes_an_administrator() -> None:
    given = {role for post in posts().by_code.values() for role in (*post.everywhere, *post.department)}
    assert given <= set(roles()) and "administrator" not in given and "bureau" not in given
