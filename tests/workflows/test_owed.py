"""What came of what a department owes: six different things, told by when it was handed in first."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from engine.case import Case, CountsAs
from workflows.owed import CAME, Came, by_department, came_of

DAY = datetime(2020, 3, 6, 15, 59, tzinfo=UTC)  # the end of it, at the school
COUNT_AS: Mapping[str, CountsAs] = {"due": "assigned", "answered": "fixed"}
BEFORE, AFTER = DAY - timedelta(hours=1), DAY + timedelta(hours=1)


def owing(department: str | None, state: str = "due", number: str = "DCD-2020-0001") -> Case:
    return Case(
        organisation="school", number=number, workflow="survey_answer", version=1, state=state,
        counts_as=COUNT_AS.get(state, "closed"), final=False, opened_at=BEFORE, department=department, first_due_at=DAY,
    )  # fmt: skip


@pytest.mark.parametrize("state, handed_in, now, came", [
    ("due", None, BEFORE, "waiting"),
    ("due", None, DAY, "waiting"),
    ("due", None, AFTER, "missing"),
    ("answered", BEFORE, AFTER, "reported"),
    ("answered", DAY, AFTER, "reported"),
    ("answered", AFTER, AFTER, "late"),
    ("due", BEFORE, BEFORE, "returned"),  # sent back: what came does not stand, whether there is time or not
    ("due", BEFORE, AFTER, "returned"),
    ("due", AFTER, AFTER, "returned"),
    ("closed", AFTER, AFTER, "late"),  # late for good
    ("excused", None, AFTER, "waived"),
    ("dropped", None, BEFORE, "waived"),
])  # fmt: skip
def test_what_came_is_one_of_six(state: str, handed_in: datetime | None, now: datetime, came: Came) -> None:
    assert came_of(owing("HQC", state), handed_in, now) == came


def test_a_department_is_silent_that_owed_something_and_handed_in_nothing() -> None:
    owed = [
        owing("HQC", number="DCD-2020-0001"), owing("HQC", "answered", number="SX-2020-0001"), owing("XB1", number="DCD-2020-0002"),
        owing("DZB", "excused", number="DCD-2020-0003"), owing("YYY", number="DCD-2020-0004"), owing(None),
    ]  # fmt: skip
    owed += [owing("SWB", number="DCD-2020-0005"), owing("SWB", number="DCD-2020-0006")]
    came = {"SX-2020-0001": AFTER, "DCD-2020-0005": BEFORE}
    lines = by_department(["HQC", "XB1", "XB2", "DZB"], owed, came, {"XB2": 3, None: 9}, AFTER)
    told = {
        line.department: ({name: line.came[name] for name in CAME if line.came[name]}, line.opened) for line in lines
    }
    assert told == {
        "HQC": ({"late": 1, "missing": 1}, 0), "XB1": ({"missing": 1}, 0), "XB2": ({}, 3), "DZB": ({"waived": 1}, 0),
        "YYY": ({"missing": 1}, 0), "SWB": ({"returned": 1, "missing": 1}, 0),
    }  # fmt: skip
    # who handed something in, were it sent back, is not silent, nor who was asked for nothing, or is asked no more
    assert [line.department for line in lines if line.silent] == ["XB1", "YYY"]
