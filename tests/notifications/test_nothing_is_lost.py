"""Whatever goes up, goes down or dies: every delivery ends sent, or dead, or still waits; and none has two names."""

import tempfile
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.events import How
from notifications import deliveries
from notifications.message import delivery_key
from notifications.office import LEASE
from tests.databases import Kind
from tests.notifications.fakes import SHANGHAI, FailingChannel, Killed, a_notice, a_post, local

Step = tuple[Literal["write", "robot", "webhook", "round", "wait", "redrive"], int]

BEHAVIOURS = ("up", "down", "refuses", "dies_after", "dies_before", "broken")
steps = st.lists(
    st.tuples(st.sampled_from(["write", "robot", "webhook", "round", "round", "wait", "redrive"]), st.integers(0, 59)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=30)
@given(history=steps)
def test_nothing_is_lost_and_nothing_has_two_names(kind: Kind, history: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder, a_post(Path(folder), kind, local("2020-01-15 16:00")) as post:
        robot, webhook = FailingChannel("robot"), FailingChannel("webhook", serves="organisation")
        worker = post.worker(robot, webhook)
        written = 0

        def a_round() -> None:
            try:
                worker.run_once()
            except Killed:
                post.clock.advance(timedelta(seconds=1))

        for step, number in history:
            if step == "write":
                written += 1
                how: How = "digest" if number % 2 else "direct"
                audience = ("assignee", "dept_head") if number % 3 else ("nobody",)
                post.outbox.write(
                    a_notice(f"YH-2020-{written:04}", how=how, audience=audience, written_at=post.clock.now())
                )
            elif step == "robot":
                robot.behaviour = BEHAVIOURS[number % 6]  # type: ignore[assignment]
            elif step == "webhook":
                webhook.behaviour = BEHAVIOURS[number % 6]  # type: ignore[assignment]
            elif step == "round":
                a_round()
            elif step == "wait":
                post.clock.advance(timedelta(minutes=number * number))
            else:
                with post.database.write_across() as connection:
                    deliveries.redrive(connection, "school", None, post.clock.now())

        # so far: every planned delivery is in one of the known places, under its one name
        rows = post.deliveries()
        assert {row.status for row in rows} <= {"waiting", "sending", "sent", "dead", "unreachable"}
        names = [(row.notice.id, row.addressee.key, row.channel) for row in rows]
        assert len(set(names)) == len(names)
        assert all(row.id == delivery_key("school", *name) for row, name in zip(rows, names, strict=True))

        # and when the world is well again for some days, everything that was not given up has arrived
        robot.behaviour = webhook.behaviour = "up"
        for _ in range(6):
            tomorrow = post.clock.now().astimezone(SHANGHAI).date() + timedelta(days=1)
            post.clock.advance_to(datetime.combine(tomorrow, time(9), SHANGHAI) + LEASE)
            a_round()
        rows = post.deliveries()
        assert post.outbox.unplanned == []
        assert len({row.notice.id for row in rows}) == written
        assert {row.status for row in rows} <= {"sent", "dead", "unreachable"}
        arrived = {*robot.keys, *webhook.keys}
        for row in rows:
            if row.status == "sent":
                assert row.message in arrived
        days = [(m.addressee.key, m.key) for m in robot.arrived if m.how == "digest"]
        assert len({key for _, key in days}) == len(set(days)), "a key belongs to one person"
