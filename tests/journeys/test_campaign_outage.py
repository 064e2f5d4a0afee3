"""Nothing ticked from 30 January to 2 March. At the next tick every case is told once, and every period is there once."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from api.demo import play
from api.demo.campaign import ORGANISATION
from api.settings import Settings
from engine.actor import Visibility
from engine.events import Event
from engine.store import history, outbox, periods, worklists
from engine.store.database import Connection, Database
from engine.store.worklists import Filter
from workflows import CATALOG
from workflows.inspection import CYCLE

pytestmark = pytest.mark.slow

RETURNED = datetime(2020, 3, 1, 23, 46, tzinfo=UTC)  # 07:46 on 2 March at the school: the first tick after the outage
LAST = date(2020, 3, 3)  # what comes later is the campaign as everybody plays it
ENDED = datetime(2020, 3, 3, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def after_outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("outage") / "folder"
    play(Settings(data=folder, _env_file=None), silent=(date(2020, 1, 30), date(2020, 3, 2)), last=LAST)
    database = Database.in_file(folder / "bihuan.db")
    yield database
    database.close()


def at_the_return(connection: Connection) -> list[Event]:
    return [event for event in history.reminders(connection, ORGANISATION) if event.recorded_at == RETURNED]


def test_each_case_gets_one_message_for_all_it_missed(after_outage: Database) -> None:
    with after_outage.read_across() as connection:
        told = at_the_return(connection)
        messages = [
            [n for n in outbox.notices_of(connection, ORGANISATION, event.case) if n.sequence == event.sequence]
            for event in told
        ]
    assert told
    assert max(Counter(event.case for event in told).values()) == 1
    assert [len(each) for each in messages] == [1] * len(told)
    for event, [message] in zip(told, messages, strict=True):
        assert message.about["rung"] == event.data["rung"]
        assert message.about["skipped"] == event.data["skipped"]


def test_the_highest_rung_is_told_to_everyone_the_missed_ones_would_have_reached(after_outage: Database) -> None:
    with after_outage.read_across() as connection:
        told = [event for event in at_the_return(connection) if not event.data["rung"].startswith("receipt")]
        missed = [event for event in told if event.data["skipped"]]
        then = [history.as_of(connection, ORGANISATION, event.case, event.sequence)[0] for event in missed]
    assert missed
    for event, case in zip(missed, then, strict=True):
        ladder = CATALOG.of(case).state(case.state).ladder
        assert ladder is not None
        rungs = [name for name in (*event.data["skipped"], event.data["rung"]) if not name.startswith("receipt")]
        orders = [ladder.order(name) for name in rungs]
        assert orders == sorted(orders)  # the one told is the highest
        reached = {who for name in rungs for who in ladder.rung(name).to} - {"holder", "assignee"}
        assert reached <= set(event.data["to"])


def test_what_was_skipped_is_on_record_and_told_never_again(after_outage: Database) -> None:
    with after_outage.read_across() as connection:
        for event in at_the_return(connection):
            case, _ = history.as_of(connection, ORGANISATION, event.case, event.sequence)
            rows = connection.exec_driver_sql(
                "SELECT rung, status FROM timer WHERE number = ? AND generation = ? AND settled_at = ?",
                (event.case, case.generation, RETURNED.strftime("%Y-%m-%d %H:%M:%S.%f")),
            )
            status = {row.rung: row.status for row in rows}
            assert status[event.data["rung"]] == "fired"
            assert {name for name, what in status.items() if what == "skipped"} == set(event.data["skipped"])
        twice = connection.exec_driver_sql(
            "SELECT organisation, number, generation, rung, count(*) FROM timer WHERE status = 'fired' "
            "GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
        ).all()
    assert twice == []


@pytest.mark.parametrize("month", ["2020-02", "2020-03"])
def test_the_periods_of_the_outage_exist_once_each(after_outage: Database, month: str) -> None:
    with after_outage.read_across() as connection:
        found = periods.find(connection, ORGANISATION, cycle=CYCLE, key=month)
        inspections = worklists.all_cases(
            connection, Visibility(ORGANISATION, everything=True), Filter(workflow="inspection"), ENDED
        )
    assert len(found) == len({period.scope for period in found}) == 20
    assert {period.opened_at for period in found} == {RETURNED}
    assert Counter(case.facts["month"] for case in inspections)[month] == 20


def test_nothing_is_told_twice_at_the_tick_that_follows(after_outage: Database) -> None:
    noon = RETURNED + timedelta(hours=4, minutes=14)
    with after_outage.read_across() as connection:
        again = [event for event in history.reminders(connection, ORGANISATION) if event.recorded_at == noon]
        deliveries = connection.exec_driver_sql(
            "SELECT notice, addressee, channel, count(*) FROM delivery GROUP BY 1, 2, 3 HAVING count(*) > 1"
        ).all()
        before = {(event.case, event.data["rung"]) for event in at_the_return(connection)}
    assert not {(event.case, event.data["rung"]) for event in again} & before
    assert deliveries == []
