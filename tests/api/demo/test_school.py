"""The demo's school has its groups, its posts and its doubled roles as the document has them."""

from datetime import UTC, date, datetime

import pytest

from api.checking import DeadCorners
from api.demo.campaign import ORGANISATION
from engine.store import people
from engine.store.database import Database
from workflows import CATALOG

DAY = date(2020, 1, 15)


@pytest.mark.parametrize(
    "role, some, how_many",
    [
        ("acceptance_group", {"vp.teaching", "sxc.head", "xxzx.head", "jwc.head", "xgc.head"}, 5),
        ("leading_group", {"principal", "secretary", "vp.safety", "vp.teaching", "bwc.head", "wygs.lead"}, 26),
        ("safety_head", {"safety.head", "bwc.head"}, 2),
        ("administrator", {"xxzx.admin"}, 1),
    ],
)
def test_who_holds_a_role(role: str, some: set[str], how_many: int, campaign_database: Database) -> None:
    with campaign_database.read_across() as connection:
        held = {person for person, _ in people.holders(connection, ORGANISATION, role, DAY)}
    assert some <= held and len(held) == how_many


def test_no_case_of_the_demo_can_get_stuck(campaign_database: Database) -> None:
    with campaign_database.read_across() as connection:
        asked = DeadCorners(CATALOG, ORGANISATION, datetime(2020, 3, 31, 10, 0, tzinfo=UTC))
        assert asked.find(asked.look(connection)) == []


def test_everybody_has_a_post_and_it_names_no_department(campaign_database: Database) -> None:
    with campaign_database.read_across() as connection:
        posts = {person.person: person.post for person in people.people(connection, ORGANISATION)}
    assert all(posts.values())
    assert (posts["sxc.safety"], posts["sxc.head"], posts["vp.safety"]) == (
        "部门安全员",
        "部门负责人",
        "分管安全副校长",
    )
