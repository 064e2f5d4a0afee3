"""A principal is replaced while thirty major hazards wait for his sign-off; and an approver goes away, with a delegate and
without one. Approvals look up who holds the post today, so no open case is touched.
"""

import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from api.papers.ledger import write_ledger
from engine.audit import verify_chain
from engine.store import history, outbox, people
from tests.databases import Kind
from tests.journeys.campus import DAY, SCHOOL, Campus, a_campus

THIRTY = 30
OPINION = {"opinion": "同意销号"}
LAST_DAY = DAY + timedelta(days=4)  # of the old principal: Friday
FIRST_DAY = LAST_DAY + timedelta(days=3)  # of the new one: Monday; the weekend between has none


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


def waiting(campus: Campus, who: str) -> dict[str, str | None]:
    """number → in whose name it waits for him."""
    items = campus.get(who, "/api/v1/worklist?limit=200")["items"]
    return {item["number"]: item["on_behalf_of"] for item in items}


def told(campus: Campus, path: str, role: str = "principal") -> list[str]:
    """Whom a message about the case to the holder of this post would reach this day."""
    with campus.runtime.database.read_across() as connection:
        found = people.recipients(connection, SCHOOL, path.rsplit("/", 1)[1], (role,), campus.today)
    return [recipient.person for recipient in found]


def replaced(campus: Campus) -> None:
    """The principal goes on Friday, the clerk is principal from Monday."""
    campus.withdraw("principal", "principal", LAST_DAY)
    campus.give("clerk", "principal", valid_from=FIRST_DAY)


def test_all_wait_for_the_new_one_and_none_for_the_old(campus: Campus) -> None:
    paths = [campus.hazard("verified", major=True) for _ in range(THIRTY)]
    numbers = {path.rsplit("/", 1)[1] for path in paths}
    before = {path: campus.record(path) for path in paths}
    assert set(waiting(campus, "principal")) == numbers
    assert waiting(campus, "clerk") == {}
    replaced(campus)

    campus.on(FIRST_DAY)
    assert waiting(campus, "principal") == {}
    assert set(waiting(campus, "clerk")) == numbers
    assert {tuple(told(campus, path)) for path in paths} == {("clerk",)}
    refused = campus.post("principal", f"{paths[0]}/approve", **OPINION)
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_case"), "without a role he sees none of them"
    assert {path: campus.record(path) for path in paths} == before, "history is what it was, to the byte"
    with campus.runtime.database.read_across() as connection:
        for number in numbers:
            assert not verify_chain(history.envelopes_of(connection, SCHOOL, number), organisation=SCHOOL, case=number)

    items = [{"number": number} for number in sorted(numbers)]
    answer = campus.done("clerk", "/api/v1/hazards/bulk/approve", items=items, data=OPINION)
    assert (answer["carried_out"], answer["refused"]) == (THIRTY, 0)
    assert waiting(campus, "clerk") == {}


#: day → who can sign: the old one through his last day, the new one from his first, the secretary all along
BOUNDARY: list[tuple[date, dict[str, bool]]] = [
    (LAST_DAY, {"principal": True, "clerk": False, "secretary": True}),
    (LAST_DAY + timedelta(days=1), {"principal": False, "clerk": False, "secretary": True}),
    (FIRST_DAY - timedelta(days=1), {"principal": False, "clerk": False, "secretary": True}),
    (FIRST_DAY, {"principal": False, "clerk": True, "secretary": True}),
]


@pytest.mark.parametrize("day, may", BOUNDARY, ids=[str(day) for day, _ in BOUNDARY])
def test_on_each_day_of_the_change_whoever_holds_the_post_signs(
    day: date, may: dict[str, bool], campus: Campus
) -> None:
    paths = {who: campus.hazard("verified", major=True) for who in may}
    campus.give("principal", "teacher")
    replaced(campus)
    campus.on(day)
    for who, signs in may.items():
        path = paths[who]
        assert bool(waiting(campus, who)) is signs, who
        answer = campus.post(who, f"{path}/approve", **OPINION)
        assert (answer.status_code == 200) is signs, answer.text
    expected = {who for who in ("principal", "clerk") if may[who]}
    open_ = [path for who, path in paths.items() if not may[who]]
    assert {person for path in open_ for person in told(campus, path)} == expected


def test_who_was_principal_is_told_in_words_that_he_no_longer_is(campus: Campus) -> None:
    path = campus.hazard("verified", major=True)
    campus.give("principal", "dept_head", "XB2")  # he goes on seeing the school's cases
    replaced(campus)
    campus.on(FIRST_DAY)
    refused = campus.post("principal", f"{path}/approve", **OPINION).json()
    assert (refused["code"], refused["reason"]) == ("not_allowed", "role")
    assert "此步骤只能由校长" in refused["detail"]
    assert [(holder["person"], holder["post"]) for holder in refused["could"]] == [
        ("clerk", "干事"),
        ("secretary", "党委书记"),
    ]


# --- an approver is away ---------------------------------------------------------------------------------------------


def ledger(campus: Campus) -> dict[str, Any]:
    content = io.BytesIO()
    with campus.runtime.database.read_across() as connection:
        write_ledger(connection, campus.runtime.engine.catalog, SCHOOL, campus.runtime.clock.now(), content)
    sheet = openpyxl.load_workbook(io.BytesIO(content.getvalue())).active
    assert sheet is not None
    head, row = ([str(cell.value or "") for cell in line] for line in sheet.iter_rows())
    return dict(zip(head, row, strict=True))


def test_an_approver_away_with_a_delegate_is_represented_and_both_are_shown(campus: Campus) -> None:
    path = campus.hazard("verified", extended=True)
    number = path.rsplit("/", 1)[1]
    assert waiting(campus, "head") == {}
    campus.away("vice", "head")
    assert waiting(campus, "head") == {number: "vice"}
    assert told(campus, path, "vp_safety") == ["vice", "head"]
    himself = campus.post("head", f"{path}/approve", **OPINION).json()
    assert [holder["post"] for holder in himself["could"]] == ["分管安全副校长", "安稳办主任 代 分管安全副校长"]

    closed = campus.done("head", f"{path}/approve", for_="vice", **OPINION)
    assert (closed["event"]["actor"], closed["event"]["on_behalf_of"]) == ("person:head", "person:vice")
    assert closed["event"]["by"] == "姓名-head 代 姓名-vice"
    events = [event["by"] for event in campus.get("teacher", f"{path}/events")["items"]]
    assert events[-1] == "安稳办主任 代 分管安全副校长", "by their posts to who may not see names"
    english = campus.client.get(f"{path}/events", headers=campus.headers("teacher") | {"Accept-Language": "en"})
    assert english.json()["items"][-1]["by"] == "安稳办主任 on behalf of 分管安全副校长"
    assert ledger(campus)["销号人"] == "姓名-head 代 姓名-vice"
    with campus.runtime.database.read_across() as connection:
        [told_of] = [
            n
            for n in outbox.notices_of(connection, SCHOOL, number)
            if n.reason == "informed" and n.about["trigger"] == "approve"
        ]
    assert (told_of.about["actor_post"], told_of.about["represented_post"]) == (
        "安稳办主任", "分管安全副校长",
    ), "no name where a passer-by may read it"  # fmt: skip


def test_an_approver_away_without_a_delegate_goes_on_being_waited_for_and_told(campus: Campus) -> None:
    path = campus.hazard("verified", extended=True)
    number = path.rsplit("/", 1)[1]
    campus.away("vice", None)
    assert waiting(campus, "vice") == {number: None}
    assert waiting(campus, "head") == {}
    assert told(campus, path, "vp_safety") == ["vice"]
    campus.on(DAY + timedelta(days=11))  # he is back
    campus.done("vice", f"{path}/approve", **OPINION)


def test_a_delegate_acts_to_the_last_day_and_not_a_day_longer(campus: Campus) -> None:
    paths = [campus.hazard("verified", extended=True) for _ in range(2)]
    campus.away("vice", "head", 3)
    campus.on(DAY + timedelta(days=3))
    campus.done("head", f"{paths[0]}/approve", for_="vice", **OPINION)
    campus.on(DAY + timedelta(days=4))
    refused = campus.post("head", f"{paths[1]}/approve", for_="vice", **OPINION)
    assert (refused.status_code, refused.json()["reason"]) == (403, "delegation")
    assert waiting(campus, "head") == {}


# --- in charge of a line ---------------------------------------------------------------------------------------------


def test_who_is_in_charge_of_a_line_decides_in_it_and_nowhere_else(campus: Campus) -> None:
    """One post, two duties: a vice-principal's grant in the departments of his line is worth there what the post is."""
    path = campus.hazard("verified", extended=True)
    number = path.rsplit("/", 1)[1]
    campus.give("clerk", "vp_safety", "XB1")
    campus.give("clerk", "vp_other")
    assert waiting(campus, "clerk") == {}
    refused = campus.post("clerk", f"{path}/approve", **OPINION).json()
    assert (refused["reason"], [h["person"] for h in refused["could"]]) == ("role", ["vice"])
    campus.give("clerk", "vp_safety", "HQC")
    assert waiting(campus, "clerk") == {number: None}
    assert "clerk" in told(campus, path, "vp_safety")
    assert campus.done("clerk", f"{path}/approve", **OPINION)["state"] == "closed"


def test_a_vice_principal_of_another_line_sees_everything_and_decides_nothing(campus: Campus) -> None:
    campus.give("clerk", "vp_other", "HQC")
    path = campus.hazard("verified", extended=True)
    steps = campus.get("clerk", path)["steps"]
    assert steps and not any(step["possible"] for step in steps)


def test_a_head_of_the_responsible_department_does_what_is_his(campus: Campus) -> None:
    path = campus.hazard("assigned", major=True)
    his = {step["trigger"] for step in campus.get("hqc_head", path)["steps"] if step["possible"]}
    assert his == {"hand_on", "take_over", "file_plan"}
    others = {step["trigger"] for step in campus.get("xb1_head", path)["steps"] if step["possible"]}
    assert others == set()
