from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from notifications import deliveries
from notifications.deliveries import Stuck
from notifications.message import STATUSES
from tests.notifications.fakes import Post, a_notice
from tests.plans import asked_by, explained


def test_deliveries_are_listed_latest_first_page_by_page(post: Post) -> None:
    for n in range(1, 6):
        post.outbox.write(a_notice(f"YH-2020-000{n}", written_at=post.clock.now()))
        post.worker().plan()
        if n % 2:
            post.clock.advance(timedelta(minutes=1))
    with post.database.read_across() as connection:
        whole = deliveries.list_deliveries(connection, "school")
        pages = []
        after = None
        while page := deliveries.list_deliveries(connection, "school", limit=2, after=after):
            pages.append(page)
            after = page[-1].id
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [delivery for page in pages for delivery in page] == whole
    assert [delivery.planned_at for delivery in whole] == sorted((d.planned_at for d in whole), reverse=True)


def test_a_delivery_gives_its_notice_back_as_it_was_written(post: Post) -> None:
    notice = a_notice(how="digest")
    post.outbox.write(notice)
    post.worker().plan()
    [delivery] = post.deliveries()
    assert delivery.notice == notice
    assert delivery.addressee.name == "张伟"


def test_deliveries_are_found_by_case_person_and_status(post: Post) -> None:
    post.outbox.write(a_notice("YH-2020-0001", audience=("assignee", "dept_head")), a_notice("YH-2020-0002"))
    post.worker().run_once()
    post.outbox.write(a_notice("YH-2020-0002", sequence=3, how="digest"))
    post.worker().run_once()
    assert len(post.deliveries(case="YH-2020-0001")) == 2
    assert len(post.deliveries(person="bob")) == 1
    assert len(post.deliveries(status="waiting")) == 1
    with post.database.read_across() as connection:
        assert deliveries.list_deliveries(connection, "other") == []


def test_figures_say_how_much_is_where_and_since_when_something_is_stuck(post: Post) -> None:
    with post.database.read_across() as connection:
        nothing = deliveries.figures(connection, "school", post.clock.now())
    assert (nothing.depth, nothing.oldest_stuck_since) == ({}, None)

    planned_at = post.clock.now()
    post.channel.behaviour = "down"
    post.outbox.write(a_notice("YH-2020-0001"), a_notice("YH-2020-0002", how="digest"))
    post.worker().run_once()
    post.clock.advance(timedelta(seconds=10))
    with post.database.read_across() as connection:
        some = deliveries.figures(connection, "school", post.clock.now())
        assert deliveries.figures(connection, None, post.clock.now()) == some
        assert deliveries.figures(connection, "other", post.clock.now()) == nothing
    assert some.depth == {"waiting": 2}
    assert some.oldest_stuck_since == planned_at, "the digest of tomorrow is not stuck, the message that failed is"


def test_a_status_that_nobody_knows_is_refused_by_the_database(post: Post) -> None:
    post.outbox.write(a_notice())
    post.worker().plan()
    assert "lost" not in STATUSES
    with pytest.raises(IntegrityError, match="ck_delivery_status"), post.database.write_across() as connection:
        connection.exec_driver_sql("UPDATE delivery SET status = 'lost'")


def test_an_index_alone_finds_what_goes_nowhere_by_itself(post: Post) -> None:
    with post.database.read("school") as connection:
        for ask in (
            lambda: deliveries.list_deliveries(connection, "school", dead=True, limit=1),
            lambda: deliveries.causes(connection, "school", Stuck(cause="27")),
            lambda: deliveries.stuck_ids(connection, "school", Stuck()),
        ):
            [(statement, values)] = asked_by(connection, ask)
            assert "ix_delivery_stuck" in explained(connection, statement, values)
