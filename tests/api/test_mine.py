"""Mine: of what somebody could do to a case that waits for him, the card shows what it waits for."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.pages import got, sign_in
from tests.databases import Kind
from tests.journeys.campus import Campus, a_campus


@pytest.fixture
def campus(tmp_path: Path, kind: Kind) -> Iterator[Campus]:
    with a_campus(tmp_path, kind) as made:
        made.let_in("officer", "fixer", "head", "vice")
        yield made


def reported(campus: Campus) -> str:
    done = campus.done("teacher", "/api/v1/hazards", title="插座破损", place="教学楼", category="ELEC.wire")
    return f"/api/v1/hazards/{done['number']}"


def acknowledged(campus: Campus) -> str:
    path = campus.hazard("assigned")
    campus.done("fixer", f"{path}/acknowledge")
    return path


def asked(campus: Campus) -> str:
    path = campus.hazard("assigned")
    campus.done("fixer", f"{path}/ask_extension", new_date="2020-03-31", reason="等配件", interim="断电")
    return path


@pytest.mark.parametrize(
    "stands, who, offered",
    [
        (reported, "officer", ["assign", "reject"]),
        (lambda campus: campus.hazard("assigned"), "fixer", ["acknowledge", "fix"]),
        (acknowledged, "fixer", ["fix", "ask_extension"]),
        (asked, "vice", ["grant_extension", "refuse_extension"]),
        (lambda campus: campus.hazard("fixed"), "officer", ["verify", "return"]),
        (lambda campus: campus.hazard("verified"), "head", ["approve", "send_back"]),
    ],
    ids=["reported", "assigned", "acknowledged", "more time is asked for", "fixed", "verified"],
)
def test_a_card_offers_first_what_the_case_waits_for(
    campus: Campus, stands: Callable[[Campus], str], who: str, offered: list[str]
) -> None:
    number = stands(campus).rsplit("/", 1)[1]
    campus.client.cookies.clear()
    assert sign_in(campus.client, who).status_code == 303
    addresses = got(campus.client, "/mine").addresses
    assert [a.rsplit("/", 1)[1] for a in addresses if re.fullmatch(rf"/cases/{number}/\w+", a)] == offered
    at_case = got(campus.client, f"/cases/{number}").addresses
    first = next(a for a in at_case if re.fullmatch(rf"/cases/{number}/\w+", a))
    assert first.endswith(f"/{offered[0]}"), "and so does its page"
