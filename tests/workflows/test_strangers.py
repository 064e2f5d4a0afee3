"""Somebody who is not signed in reports a hazard by the label of a place: only where the school allows it, and what he sent
along is the safety office's alone until it is taken up.
"""

from functools import partial
from typing import Any

import pytest

from engine.actor import Actor, anonymous
from engine.authority import may_see_evidence
from engine.case import Case
from engine.commands import Asked, OpenCase
from engine.errors import GuardRefused, NotAllowed
from engine.handle import Done, handle_one
from tests.workflows.school import GATE, ORGANISATION, PEOPLE, PHOTO, School
from workflows import CATALOG
from workflows.hazard import HAZARD

AT_THE_GATE = anonymous(ORGANISATION, GATE)


def reported(school: School, **data: Any) -> Case:
    said = {"title": "门口地砖松动", "place": "东门", "photos": [PHOTO], "source": "anonymous", **data}
    done = handle_one(school.engine, Asked(AT_THE_GATE, OpenCase("hazard", said)))
    assert isinstance(done, Done)
    return done.case


def allowed(school: School) -> School:
    school.set_policy("hazard", anonymous_reports=True)
    return school


def eyes(school: School, case: Case) -> set[str]:
    """Who may look at the pictures of the case."""
    workflow = CATALOG.of(case)
    return {who for who in PEOPLE if may_see_evidence(workflow, case, [school.actor(who)])}


OFFICE = {"officer", "head_of_office"}


def test_a_school_that_decided_nothing_takes_no_anonymous_reports(school: School) -> None:
    with pytest.raises(GuardRefused) as refused:
        reported(school)
    assert refused.value.guard == "hazard.strangers_may_report"


def test_a_stranger_s_report_is_on_record_under_his_place_and_nobody_s_name(school: School) -> None:
    case = reported(allowed(school))
    assert (case.version, case.reporter, case.acted, case.place) == (HAZARD.version, None, {}, "东门")
    [event] = school.events(case)
    assert event.actor == "anonymous:东门" and event.on_behalf_of is None
    assert case.number in school.waiting_for("officer")
    assert [notice.audience for notice in school.notices(case)] == [("safety_staff", "safety_head")]


@pytest.mark.parametrize(
    "who, source", [("teacher", "anonymous"), (None, "staff"), (None, "superior")], ids=["a teacher", "staff", "above"]
)
def test_only_a_stranger_reports_anonymously_and_a_stranger_not_otherwise(
    school: School, who: str | None, source: str
) -> None:
    allowed(school)
    report = partial(reported, school) if who is None else partial(school.hazard, who)
    with pytest.raises(GuardRefused) as refused:
        report(source=source)
    assert refused.value.guard == "hazard.source_is_so"


def test_a_stranger_opens_nothing_but_hazards(school: School) -> None:
    for workflow in ("drill", "inspection"):
        with pytest.raises(NotAllowed):
            handle_one(school.engine, Asked(AT_THE_GATE, OpenCase(workflow, {})))


def test_his_pictures_are_the_safety_office_s_alone_until_it_takes_the_report_up(school: School) -> None:
    case = reported(allowed(school))
    assert eyes(school, case) == OFFICE
    case = school.assign(case)
    assert eyes(school, case) == set(PEOPLE)
    again = school.step("head_of_office", case, "retriage", reason="重新分级")
    assert again.state == "reported" and eyes(school, again) == set(PEOPLE), "it was taken up before"


def test_pictures_of_a_rejected_report_are_seen_by_nobody_again(school: School) -> None:
    case = school.step("officer", reported(allowed(school)), "reject", reason="与安全无关")
    assert eyes(school, case) == set()


def test_a_duplicate_was_taken_up_with_what_it_was_merged_into(school: School) -> None:
    other = school.assigned()
    case = school.step("officer", reported(allowed(school)), "merge", into=other.number, reason="同一处")
    assert eyes(school, case) == set(PEOPLE)


def test_what_somebody_signed_in_reported_was_never_held_back(school: School) -> None:
    case = school.hazard(photos=[PHOTO])
    assert eyes(school, case) == set(PEOPLE)
    assert eyes(school, school.step("officer", case, "reject", reason="与安全无关")) == set(PEOPLE)


def test_a_stranger_s_report_goes_the_whole_way_to_its_closure(school: School) -> None:
    case = school.approve(school.verify(school.fix(school.assign(reported(allowed(school))))))
    assert case.final and eyes(school, case) == set(PEOPLE)


def test_who_represents_the_safety_office_looks_at_them_too(school: School) -> None:
    case = reported(allowed(school))
    teacher, officer = school.actor("teacher"), school.actor("officer")
    in_his_name = Actor(ORGANISATION, "person", "teacher", "XB1", officer.grants, on_behalf_of="officer")
    assert may_see_evidence(CATALOG.of(case), case, [teacher, in_his_name])
