"""The fixer neither verifies nor approves, whichever way he comes; each time he is told so in words, and nothing changes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Kind
from tests.journeys.campus import DAY, PHOTO, SCHOOL, Campus, a_campus
from workflows.reference import criteria_for

OWN = "不能审批自己经办的事项"
FINDING, OPINION = {"finding": "合格"}, {"opinion": "同意"}


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


def nothing(_: Campus) -> None:
    """Nothing is arranged."""


def both(*acts: Callable[[Campus], None]) -> Callable[[Campus], None]:
    def arrange(campus: Campus) -> None:
        for act in acts:
            act(campus)

    return arrange


@dataclass(frozen=True)
class Way:
    """A way in which the fixer comes to a hazard he fixed.

    before   what is arranged before he fixes it
    after    what is arranged afterwards
    who      who asks, `for_` in whose name
    """

    step: str
    who: str = "fixer"
    for_: str | None = None
    before: Callable[[Campus], None] = nothing
    after: Callable[[Campus], None] = nothing
    major: bool = False
    extended: bool = False


def back_again(campus: Campus) -> None:
    """He was away for a day, represented by the head of the office; now he is back."""
    campus.away("fixer", "head", 0)
    campus.on(DAY + timedelta(days=1))


WAYS: dict[str, Way] = {
    "as a safety officer of the school": Way("verify", after=lambda c: c.give("fixer", "safety_staff")),
    "who was one already": Way("verify", before=lambda c: c.give("fixer", "safety_staff")),
    "as head of the office": Way("approve", after=lambda c: c.give("fixer", "safety_head")),
    "as the vice-principal, of an extended one": Way(
        "approve", after=lambda c: c.give("fixer", "vp_safety"), extended=True
    ),
    "made principal later, of a major one": Way("approve", after=lambda c: c.give("fixer", "principal"), major=True),
    "through the acceptance group": Way("verify", after=lambda c: c.seat("fixer", "acceptor_xb1"), major=True),
    "as the delegate of who could verify": Way("verify", for_="officer", after=lambda c: c.away("officer", "fixer")),
    "as the delegate of who could approve": Way("approve", for_="head", after=lambda c: c.away("head", "fixer")),
    "as the delegate of the principal": Way(
        "approve", for_="principal", after=lambda c: c.away("principal", "fixer"), major=True
    ),
    "represented by somebody": Way(
        "verify", "clerk", "fixer", after=both(lambda c: c.give("fixer", "safety_staff"), lambda c: c.away("fixer", "clerk"))
    ),
    "represented by who could approve it himself": Way(
        "approve", "head", "fixer", after=both(lambda c: c.give("fixer", "safety_head"), lambda c: c.away("fixer", "head"))
    ),
    "back again from being represented": Way(
        "verify", after=both(lambda c: c.give("fixer", "safety_staff"), back_again)
    ),
    "as safety officer of the department he moved to": Way(
        "verify", after=both(lambda c: c.move("fixer", "XB1"), lambda c: c.give("fixer", "dept_safety", "XB1"))
    ),
    "by a second account, linked before": Way(
        "verify", "second", before=lambda c: c.link((SCHOOL, "fixer"), (SCHOOL, "second")),
        after=lambda c: c.give("second", "dept_safety", "XB1"),
    ),
    "by a second account, linked afterwards": Way(
        "approve", "second", after=both(lambda c: c.give("second", "safety_head"), lambda c: c.link((SCHOOL, "second"), (SCHOOL, "fixer")))
    ),
    "by a second account, as somebody's delegate": Way(
        "approve", "second", "head", after=both(lambda c: c.away("head", "second"), lambda c: c.link((SCHOOL, "second"), (SCHOOL, "fixer")))
    ),
    "by an account at the bureau that was granted the role here": Way(
        "verify", "inspector@bureau", before=lambda c: c.link(("bureau", "inspector"), (SCHOOL, "fixer")),
        after=lambda c: c.give("inspector@bureau", "safety_staff"),
    ),
}  # fmt: skip


def brought(campus: Campus, way: Way) -> str:
    way.before(campus)
    path = campus.hazard("fixed" if way.step == "verify" else "verified", major=way.major, extended=way.extended)
    way.after(campus)
    return path


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_the_fixer_is_refused_whichever_way_he_comes(way: Way, campus: Campus) -> None:
    path = brought(campus, way)
    before = campus.record(path)
    refused = campus.post(
        way.who, f"{path}/{way.step}", for_=way.for_, **(FINDING if way.step == "verify" else OPINION)
    )
    assert refused.status_code == 403, refused.text
    told = refused.json()
    assert (told["code"], told["reason"]) == ("not_allowed", "separation")
    assert OWN in told["detail"]
    posts = [holder["post"] for holder in told["could"]]
    assert posts, "somebody else could"
    assert posts[0] in told["remedy"]
    assert not {"fixer", "second", "inspector@bureau"} & {holder["person"] for holder in told["could"]}
    assert campus.record(path) == before, "nothing changed"
    offered = {s["trigger"]: s for s in campus.get(way.who, path)["steps"]}
    assert offered[way.step]["possible"] is (way.who == "head"), "as the head of the office he may, in his own name"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_another_than_the_fixer_is_let_the_same_way(way: Way, campus: Campus) -> None:
    """What was arranged would do for anybody else: it is the fixing that stands in the way."""
    path = brought(campus, way)
    who, data = next(
        (who, FINDING if way.step == "verify" else OPINION)
        for step, major, extended, who in (
            ("verify", False, False, "xb1_safety"),
            ("verify", True, False, "acceptor_xb1"),
            ("approve", False, False, "head"),
            ("approve", False, True, "vice"),
            ("approve", True, False, "secretary"),
        )
        if (step, major, extended) == (way.step, way.major, way.extended)
    )
    campus.done(who, f"{path}/{way.step}", **data)


def test_in_bulk_each_is_judged_and_his_own_are_left(campus: Campus) -> None:
    his = [campus.hazard("verified") for _ in range(2)]
    others = [campus.hazard("assigned") for _ in range(2)]
    for path in others:
        campus.done("hqc_head", f"{path}/hand_on", assignee="hqc_safety", reason="轮班")
        campus.done("hqc_safety", f"{path}/fix", measure="已更换", photos_after=[PHOTO])
        campus.done("officer", f"{path}/verify", **FINDING)
    campus.give("hqc_safety", "safety_head")
    before = [campus.record(path) for path in others]
    numbers = [path.rsplit("/", 1)[1] for path in (his[0], *others, his[1])]
    answer = campus.done(
        "hqc_safety", "/api/v1/hazards/bulk/approve", items=[{"number": n} for n in numbers], data=OPINION
    )
    assert (answer["carried_out"], answer["refused"]) == (2, 2)
    assert [item["case"] and item["case"]["state"] for item in answer["items"]] == ["closed", None, None, "closed"]
    for item in answer["items"][1:3]:
        assert item["problem"]["reason"] == "separation"
        assert OWN in item["problem"]["detail"]
        assert [holder["person"] for holder in item["problem"]["could"]] == ["head"]
    assert [campus.record(path) for path in others] == before


def test_he_stays_refused_after_it_was_given_to_somebody_else(campus: Campus) -> None:
    """He fixed it, it came back, another fixed it after him: what he once did is not forgotten."""
    path = campus.hazard("fixed")
    campus.done("officer", f"{path}/return", reason="仍松动")
    campus.done("officer", f"{path}/reassign", department="HQC", assignee="hqc_safety", reason="换人")
    campus.done("hqc_safety", f"{path}/fix", measure="重做", photos_after=[PHOTO])
    campus.give("fixer", "safety_staff")
    assert campus.post("fixer", f"{path}/verify", **FINDING).json()["reason"] == "separation"
    campus.done("xb1_safety", f"{path}/verify", **FINDING)
    campus.give("fixer", "safety_head")
    assert campus.post("fixer", f"{path}/approve", **OPINION).json()["reason"] == "separation"


def test_whoever_held_it_and_handed_it_on_never_verifies_it(campus: Campus) -> None:
    path = campus.hazard("assigned")
    campus.done("fixer", f"{path}/hand_on", assignee="hqc_head", reason="本人出差")
    campus.done("hqc_head", f"{path}/fix", measure="已更换", photos_after=[PHOTO])
    campus.give("fixer", "safety_staff")
    assert campus.post("fixer", f"{path}/verify", **FINDING).json()["reason"] == "separation"


def test_who_corrected_it_on_the_spot_confirms_nothing_in_the_inspector_s_name(campus: Campus) -> None:
    path = "/api/v1/hazards/" + campus.done("xb1_safety", "/api/v1/hazards", title="通道堵塞", place="一楼")["number"]
    criteria = {c.code: False for c in criteria_for("FIRE.exit")}
    campus.done(
        "xb1_safety", f"{path}/correct_on_spot", category="FIRE.exit", criteria=criteria, department="HQC",
        corrected_by="fixer", measure="当场清走", photos_after=[PHOTO],
    )  # fmt: skip
    campus.away("xb1_safety", "fixer")
    refused = campus.post("fixer", f"{path}/verify", for_="xb1_safety", **FINDING).json()
    assert (refused["reason"], OWN in refused["detail"]) == ("separation", True)
    campus.done("xb1_safety", f"{path}/verify", **FINDING)
    assert campus.post("fixer", f"{path}/approve", for_="xb1_safety", **OPINION).json()["reason"] == "separation"


def test_the_responsible_person_of_a_plan_accepts_nothing_of_it(campus: Campus) -> None:
    path = campus.hazard("assigned", major=True)
    plan: dict[str, Any] = {
        "responsible_person": "acceptor_xb1", "measures": "重做", "fund": "2 万元", "due_date": "2020-05-29",
        "emergency_plan": "停用",
    }  # fmt: skip
    campus.done("fixer", f"{path}/file_plan", **plan)
    campus.done("principal", f"{path}/approve_plan", opinion="同意")
    campus.done("fixer", f"{path}/fix", measure="已更换", photos_after=[PHOTO])
    refused = campus.post("acceptor_xb1", f"{path}/verify", **FINDING).json()
    assert refused["reason"] == "separation"
    assert "acceptor_xb1" not in str(refused["could"])


# --- two who are distinct --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "second, for_",
    [("acceptor_xb1", None), ("clerk", "acceptor_xb1"), ("acceptor_xb1", "acceptor_xb2"), ("second", None)],
    ids=["himself again", "his delegate", "himself for another", "his second account"],
)
def test_one_person_does_not_sign_twice(second: str, for_: str | None, campus: Campus) -> None:
    path = campus.hazard("fixed", major=True)
    campus.done("acceptor_xb1", f"{path}/verify", **FINDING)
    if second == "second":
        campus.seat("acceptor_xb1", "acceptor_xb2", "second")
        campus.link((SCHOOL, "second"), (SCHOOL, "acceptor_xb1"))
    elif for_ is not None:
        campus.away(for_, second)
    before = campus.record(path)
    refused = campus.post(second, f"{path}/verify", for_=for_, **FINDING)
    assert (refused.status_code, refused.json()["reason"]) == (403, "quorum")
    assert "需要另一位人员签字" in refused.json()["detail"]
    assert "acceptor_xb2" in str([holder.get("person") for holder in refused.json()["could"]])
    assert campus.record(path) == before
    assert campus.done("acceptor_xb2", f"{path}/verify", **FINDING)["state"] == "verified"


def test_not_all_who_accept_belong_to_the_department_that_fixed_it(campus: Campus) -> None:
    path = campus.hazard("fixed", major=True)
    campus.done("acceptor_hqc", f"{path}/verify", **FINDING)
    refused = campus.post("acceptor_hqc2", f"{path}/verify", **FINDING).json()
    assert (refused["reason"], "全部来自整改部门" in refused["detail"]) == ("quorum", True)
    assert [holder["person"] for holder in refused["could"]] == ["acceptor_xb1", "acceptor_xb2"]


def test_a_delegate_of_the_fixing_department_is_none_from_elsewhere(campus: Campus) -> None:
    """Whoever goes to look belongs to it, whomever he represents."""
    path = campus.hazard("fixed", major=True)
    campus.away("acceptor_xb1", "hqc_head")
    campus.done("acceptor_hqc", f"{path}/verify", **FINDING)
    refused = campus.post("hqc_head", f"{path}/verify", for_="acceptor_xb1", **FINDING).json()
    assert (refused["reason"], "全部来自整改部门" in refused["detail"]) == ("quorum", True)


def test_names_are_told_to_who_may_see_them_and_posts_to_the_others(campus: Campus) -> None:
    path = campus.hazard("fixed")
    told = campus.post("fixer", f"{path}/verify", **FINDING)
    assert "姓名" not in told.text
    assert {holder["post"] for holder in told.json()["could"]} == {"机电系安全员", "安稳办专职"}
    seen = campus.post("vice", f"{path}/verify", **FINDING).json()["could"]
    assert {holder["name"] for holder in seen} == {"姓名-xb1_safety", "姓名-officer"}
