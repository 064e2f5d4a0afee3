"""A spot check over the API: drawn from a list that is kept, looked at by others, a failure opens anew and counts against its
verifier.
"""

import hashlib
import html
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from api.figures import query_of
from tests.databases import Kind
from tests.journeys.campus import PHOTO, SCHOOL, Campus, a_campus

LOOP = "/api/v1/spot_checks"
SAID: dict[str, Any] = {
    "title": "3 月抽查", "first_day": "2020-03-02", "last_day": "2020-03-02", "how_many": 10,
    "visitors": ["xb1_safety", "teacher"], "due_on": "2020-04-20",
}  # fmt: skip


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as campus:
        yield campus


def refused(campus: Campus, who: str, path: str, **body: Any) -> tuple[int, str]:
    answer = campus.post(who, path, **body)
    return answer.status_code, answer.json().get("guard") or answer.json()["code"]


def number_of(path: str) -> str:
    return path.rsplit("/", 1)[1]


def closed(campus: Campus) -> str:
    """The number of a hazard that the officer verified and the head closed."""
    path = campus.hazard("verified")
    return str(campus.done("head", f"{path}/approve", opinion="同意")["number"])


def drawn(campus: Campus, **said: Any) -> dict[str, Any]:
    number = campus.done("officer", LOOP, **{**SAID, **said})["number"]
    return campus.done("officer", f"{LOOP}/{number}/draw")


def visits_of(campus: Campus, spot: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The visits by the number of the hazard, in the order of the draw."""
    children = [link["number"] for link in spot["links"] if link["kind"] == "child"]
    found = [campus.get("officer", f"/api/v1/revisits/{number}") for number in children]
    return {visit["facts"]["hazard"]: visit for visit in found}


def goes(campus: Campus, visit: dict[str, Any], who: str) -> str:
    """The address of the visit, in this person's hands."""
    path = f"/api/v1/revisits/{visit['number']}"
    if visit["assignee"] != who:
        campus.done("officer", f"{path}/change_visitor", assignee=who, reason="另有任务")
    return path


def outcome(held: list[dict[str, Any]]) -> dict[str, tuple[int, list[str]]]:
    return {line["person"]: (len(line["visits"]), line["failed"]) for line in held}


def who_is_told_what(campus: Campus, at: str, failed: str) -> None:
    """How verifications held is told to who answers for the whole school, and to each verifier of himself."""
    his = {"officer": (2, [failed])}
    for who, sees in (("head", his), ("principal", his), ("officer", his), ("hqc_head", {}), ("xb1_safety", {})):
        assert outcome(campus.get(who, at)["second_looks"]) == sees, who
        assert outcome(campus.get(who, "/api/v1/overview")["second_looks"]) == sees, who
    before = campus.get("head", "/api/v1/overview?as_of=2020-04-12")
    assert outcome(before["second_looks"]) == {}, "as of an evening, what was known then"
    shown = campus.client.get("/overview", headers=campus.headers("head")).text
    assert "姓名-officer" in shown and f'<a href="/cases/{failed}">' in shown
    assert "回头看结果" not in campus.client.get("/overview", headers=campus.headers("hqc_head")).text


def test_what_was_closed_and_fails_opens_anew_and_counts_against_its_verifier(campus: Campus) -> None:
    fails, holds, open_ = closed(campus), closed(campus), number_of(campus.hazard("fixed"))
    none = campus.done("teacher", "/api/v1/hazards", title="误报", place="东门")["number"]
    campus.done("officer", f"/api/v1/hazards/{none}/reject", reason="不是隐患")
    campus.done(
        "teacher", "/api/v1/hazards", title="传闻", place="西门", details="不要告诉别人"
    )  # nobody looked at it once
    campus.on(date(2020, 3, 3))
    campus.hazard("assigned")  # of today: what somebody does now cannot put anything into the draw
    spot = drawn(campus)

    kept, seed = spot["facts"]["population"], spot["facts"]["seed"]
    assert kept["members"] == sorted([fails, holds, open_]) and kept["size"] == 3
    assert hashlib.sha256("\n".join(kept["members"]).encode()).hexdigest() == kept["sha256"]
    order = sorted(kept["members"], key=lambda n: hashlib.sha256(seed.encode() + b"\0" + n.encode()).hexdigest())
    assert spot["facts"]["drawn"] == order, "an outsider draws the same from what is on record; ten of three are three"
    listed = campus.get("officer", f"/api/v1/cases?{query_of(kept['asked'], kept['as_of'])}")
    assert sorted(case["number"] for case in listed["items"]) == kept["members"]
    at = f"{LOOP}/{spot['number']}"
    assert campus.get("officer", at)["coverage"] == {"due": 3, "visited": 0}
    page = campus.client.get(f"/cases/{spot['number']}", headers=campus.headers("officer")).text
    assert seed in page and kept["sha256"] in page and " ".join(kept["members"]) in page
    [leads_to] = re.findall(r'href="(/cases\?[^"]+)">3</a>', page)
    behind = campus.client.get(html.unescape(leads_to), headers=campus.headers("officer"))
    assert sorted(set(re.findall(r"YH-\d{4}-\d{4}", behind.text))) == kept["members"]

    visits = visits_of(campus, spot)
    assert [visit["assignee"] for visit in visits.values()] == ["xb1_safety", "teacher", "xb1_safety"]
    assert {visit["due_at"][:10] for visit in visits.values()} == {"2020-04-20"}
    assert (visits[fails]["title"], visits[fails]["place"]) == ("回头看：插座破损", "教学楼 1 层")
    told = campus.get("teacher", goes(campus, visits[fails], "teacher"))["facts"]["was"]
    assert "整改情况：已更换" in told and "2020-03-02 销号" in told
    assert not campus.get("officer", f"/api/v1/hazards/{fails}")["links"], "nobody looked at it again yet"
    assert refused(campus, "head", f"{at}/conclude", summary="无") == (409, "joint.every_check_is_in")

    campus.on(date(2020, 4, 13))  # six weeks: nothing comes back by itself any more
    path = f"/api/v1/revisits/{visits[fails]['number']}"
    for named in ("fixer", "officer", "head", "teacher"):  # fixed, verified and closed it; and who goes already
        body = {"assignee": named, "reason": "改派"}
        assert refused(campus, "officer", f"{path}/change_visitor", **body) == (409, "spot.other_had_no_hand_in_it")
    assert refused(campus, "xb1_safety", f"{path}/pass", finding="完好")[0] == 403
    assert refused(campus, "teacher", f"{path}/fail", finding="又坏了") == (409, "spot.failure_is_photographed")
    failed = campus.done("teacher", f"{path}/fail", finding="面板又破损", photos=[PHOTO])
    [again] = [link["number"] for link in failed["links"] if link["kind"] == "child"]
    new, old = (campus.get("officer", f"/api/v1/hazards/{number}") for number in (again, fails))
    assert {(link["kind"], link["number"]) for link in new["links"]} == {
        ("parent", failed["number"]), ("rebound_of", fails),
    }  # fmt: skip
    assert (new["state"], new["place"], new["category"], new["department"], new["facts"]["source"]) == (
        "reported", old["place"], old["category"], "HQC", "spot_check",
    )  # fmt: skip
    assert new["facts"]["photos"] == [PHOTO] and "面板又破损" in new["facts"]["details"]
    assert (old["state"], old["counters"]["rebounds"]) == ("closed", 1)
    assert {(link["kind"], link["number"]) for link in old["links"]} == {
        ("rebounded_as", again), ("revisited_in", failed["number"]),
    }  # fmt: skip
    campus.done("teacher", f"{goes(campus, visits[holds], 'teacher')}/pass", finding="完好")

    # he verified it after it was drawn, so he is not the one to look again
    at_open = goes(campus, visits[open_], "xb1_safety")
    campus.done("xb1_safety", f"/api/v1/hazards/{open_}/verify", finding="合格")
    late = refused(campus, "xb1_safety", f"{at_open}/fail", finding="未整改到位", photos=[PHOTO])
    assert late == (409, "spot.had_no_hand_in_it")
    visit = campus.get("officer", at_open)
    worse = campus.done("teacher", f"{goes(campus, visit, 'teacher')}/fail", finding="未整改到位", photos=[PHOTO])
    assert not [link for link in worse["links"] if link["kind"] == "child"], "what is open is not opened twice"

    assert refused(campus, "officer", f"{at}/conclude", summary="无")[0] == 403
    done = campus.done("head", f"{at}/conclude", summary="抽查三件，两件不合格")
    assert (done["state"], done["facts"]["visited"], done["facts"]["failed"]) == ("concluded", 3, 2)
    assert campus.get("head", at)["coverage"] == {"due": 3, "visited": 3}
    who_is_told_what(campus, at, failed["number"])


def test_a_draw_is_refused_where_there_is_nothing_and_nobody_chooses_it(campus: Campus) -> None:
    number = closed(campus)
    campus.on(date(2020, 3, 3))
    for told, why in (
        ({"last_day": "2020-03-03"}, "spot.days_are_over"),
        ({"first_day": "2020-03-02", "last_day": "2020-03-01"}, "spot.days_are_over"),
        ({"visitors": ["teacher", "teacher"]}, "spot.nobody_goes_twice"),
        ({"due_on": "2020-03-02"}, "joint.day_is_ahead"),
    ):
        assert refused(campus, "officer", LOOP, **{**SAID, **told}) == (409, why)
    assert refused(campus, "hqc_safety", LOOP, **SAID)[0] == 403
    by_hand = {"title": "回头看", "hazard": number, "due_on": "2020-04-20", "visitors": ["teacher"]}
    assert refused(campus, "officer", "/api/v1/revisits", **by_hand) == (409, "joint.comes_out_of_a_draw")
    pages = [
        campus.client.get(f"/open/{loop}", headers=campus.headers("officer")) for loop in ("spot_check", "revisit")
    ]
    assert [page.status_code for page in pages] == [200, 404]

    # who was to go has left the school: somebody else goes, and the draw is taken
    left = f"{LOOP}/" + campus.done("officer", LOOP, **{**SAID, "visitors": ["clerk"]})["number"]
    with campus.runtime.database.write(SCHOOL) as connection:
        connection.exec_driver_sql("UPDATE person SET active = false WHERE person = 'clerk'")
    assert campus.post("officer", f"{left}/draw").status_code == 422
    twice = {"visitors": ["teacher", "teacher"], "due_on": "2020-04-20"}
    assert refused(campus, "officer", f"{left}/change_plan", **twice) == (409, "spot.nobody_goes_twice")
    changed = campus.done("officer", f"{left}/change_plan", visitors=["teacher"], due_on="2020-04-20")
    assert changed["facts"]["visitors"] == ["teacher"]
    campus.done("officer", f"{left}/draw")
    with campus.runtime.database.write(SCHOOL) as connection:
        connection.exec_driver_sql("UPDATE person SET active = true WHERE person = 'clerk'")

    empty = f"{LOOP}/" + campus.done("officer", LOOP, **SAID, of_department="XB1")["number"]
    assert refused(campus, "officer", f"{empty}/draw") == (409, "spot.there_is_something_to_draw")
    campus.done("officer", f"{empty}/call_off", reason="无可抽取")
    # everybody who was to go had a hand in it: the safety office finds somebody else
    said = {"which": "closed", "of_department": "HQC", "of_category": "ELEC", "of_level": "general", "how_many": 1}
    path = f"{LOOP}/" + campus.done("vice", LOOP, **{**SAID, **said, "visitors": ["officer", "fixer"]})["number"]
    chosen = campus.post("vice", f"{path}/draw", seed="0" * 64)
    assert chosen.status_code == 422 and "由系统抽取" in chosen.text
    spot = campus.done("vice", f"{path}/draw")
    [(hazard, visit)] = visits_of(campus, spot).items()
    assert (hazard, visit["assignee"]) == (number, None)
    waiting = campus.get("officer", "/api/v1/worklist")["items"]
    assert visit["number"] in {line["number"] for line in waiting}
    campus.done("officer", f"/api/v1/revisits/{visit['number']}/change_visitor", assignee="clerk", reason="指派")
    campus.done("head", f"/api/v1/revisits/{visit['number']}/call_off", reason="该楼封闭施工")
    assert campus.get("head", path)["coverage"] == {"due": 0, "visited": 0}
    assert campus.done("head", f"{path}/conclude", summary="未能查看")["facts"]["visited"] == 0
