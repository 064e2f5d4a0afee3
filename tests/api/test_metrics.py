"""What `/metrics` says: counted here, read from the database, and closed to who has no token."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, make_url, text, update

from api import lags
from api.app import create_app
from api.bootstrap import Runtime
from api.metrics import _OfTheDatabase
from engine.clock import SimulatedClock
from engine.store import periods
from engine.store.database import Database, table_of
from engine.store.periods import Obligation
from notifications import accounts
from notifications.accounts import SetUp
from notifications.deliveries import DELIVERY
from notifications.tables import DeliveryRow
from tests.builders import START, School, a_runtime, a_school
from tests.databases import Kind
from tests.fakes import calling
from tests.postgres import the_cluster
from workflows import CATALOG

TOKEN = "a token of the operator's"
REPAIR = {"title": "插座松动", "place": "A-101"}

Said = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def runtime(tmp_path: Path, kind: Kind, clock: SimulatedClock) -> Iterator[Runtime]:
    made = a_runtime(tmp_path / "data", kind, clock=clock, metrics_token=TOKEN)
    yield made
    made.close()


@pytest.fixture
def client(runtime: Runtime) -> Iterator[httpx.Client]:
    with calling(create_app(runtime)) as client:
        yield client


def read(answer: str) -> Said:
    """(name, values of its labels by their names) → value."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer)
        for sample in family.samples
    }


def said(runtime: Runtime) -> Said:
    return read(runtime.metrics.told().decode())


def report(client: httpx.Client, school: School, **more: str) -> httpx.Response:
    return client.post("/api/v1/repairs", json=REPAIR, headers=school.headers("teacher", **more))


def assign(client: httpx.Client, school: School, number: str) -> None:
    answer = client.post(
        f"/api/v1/repairs/{number}/assign", json={"assignee": "repairer"}, headers=school.headers("safety_staff")
    )
    assert answer.status_code == 200, answer.text


# --- who may read them ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown, status, code",
    [
        (None, 401, "not_signed_in"),
        ("Bearer something else altogether", 401, "not_signed_in"),
        ("Bearer 令牌", 401, "not_signed_in"),
        (f"Basic {TOKEN}", 401, "not_signed_in"),
        (f"Bearer {TOKEN}", 200, None),
    ],
)
def test_only_who_shows_the_operators_token_reads_them(
    shown: str | None, status: int, code: str | None, client: httpx.Client, runtime: Runtime
) -> None:
    headers = {b"Accept": b"text/html", **({b"Authorization": shown.encode()} if shown else {})}
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == status
    if code is None:
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["cache-control"] == "no-store"
    else:
        assert (answer.headers["content-type"], answer.json()["code"]) == ("application/problem+json", code)
        assert runtime.strangers.counted() == {"metrics_token": 1}


def test_a_persons_token_does_not_open_them(client: httpx.Client, runtime: Runtime) -> None:
    school = a_school(runtime.database)
    assert client.get("/metrics", headers=school.headers("principal")).status_code == 401


def test_where_no_token_is_set_they_are_closed_to_all_also_from_this_machine(tmp_path: Path, kind: Kind) -> None:
    """Behind a proxy on the same machine everybody asks from this machine."""
    runtime = a_runtime(tmp_path, kind)
    with calling(create_app(runtime), address="127.0.0.1") as client:
        answer = client.get("/metrics", headers={"Authorization": "Bearer ", "Accept-Language": "en"})
    assert (answer.status_code, answer.json()["reason"]) == (403, "metrics")
    assert "BIHUAN_METRICS_TOKEN" in answer.json()["remedy"]
    runtime.close()


# --- what is counted -----------------------------------------------------------------------------------------------------


def test_commands_are_counted_by_kind_and_by_what_became_of_them(client: httpx.Client, runtime: Runtime) -> None:
    school = a_school(runtime.database)
    number = report(client, school, Idempotency_Key="k").json()["number"]
    report(client, school, Idempotency_Key="k")
    refused = client.post(f"/api/v1/repairs/{number}/close", json={}, headers=school.headers("teacher"))
    assert refused.status_code == 403
    assign(client, school, number)
    runtime.writer.stop()
    assert report(client, school).status_code == 503
    found = read(client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)
    counted = {labels: value for (name, labels), value in found.items() if name == "bihuan_commands_total" and value}
    assert counted == {
        ("open", "done"): 1, ("open", "replayed"): 1, ("open", "busy"): 1, ("step", "refused"): 1, ("step", "done"): 1,
    }  # fmt: skip
    assert found["bihuan_command_duration_seconds_count", ("open",)] == 3
    assert 0 < found["bihuan_command_duration_seconds_sum", ("open",)] < 60
    assert found["bihuan_refusals_total", ("not_allowed",)] == 1
    assert found["bihuan_refusals_total", ("busy",)] == 1
    assert found["bihuan_writer_waiting_commands", ()] == 0


def test_a_defect_is_counted_as_failed_and_as_a_refusal_of_its_own(client: httpx.Client, runtime: Runtime) -> None:
    school = a_school(runtime.database)
    runtime.writer.must_be_in_place = lambda: 1 / 0  # type: ignore[method-assign,assignment]  # a defect
    assert report(client, school).status_code == 500
    found = said(runtime)
    assert found["bihuan_commands_total", ("open", "failed")] == 1
    assert found["bihuan_refusals_total", ("unexpected",)] == 1


def test_each_case_of_a_bulk_is_a_refusal_of_its_own(client: httpx.Client, runtime: Runtime) -> None:
    school = a_school(runtime.database)
    items = [{"number": report(client, school).json()["number"]} for _ in range(3)]
    items.append({"number": "WX-2020-9999"})
    answer = client.post("/api/v1/repairs/bulk/close", json={"items": items}, headers=school.headers("safety_head"))
    assert answer.status_code == 200, answer.text
    found = said(runtime)
    assert found["bihuan_refusals_total", ("not_possible_now",)] == 3
    assert found["bihuan_refusals_total", ("unknown_case",)] == 1


def test_strangers_are_counted_by_reason(client: httpx.Client, runtime: Runtime) -> None:
    client.get("/api/v1/cases")
    client.get("/api/v1/cases", headers={"Authorization": "Bearer nonsense"})
    found = said(runtime)
    assert found["bihuan_strangers_turned_away_total", ("no_token",)] == 1
    assert found["bihuan_strangers_turned_away_total", ("bad_token",)] == 1
    assert found["bihuan_refusals_total", ("not_signed_in",)] == 2


def test_two_runtimes_of_one_process_count_apart(tmp_path: Path, kind: Kind) -> None:
    mine, other = (a_runtime(tmp_path / name, kind) for name in ("mine", "other"))
    mine.strangers.count("no_token")
    assert said(mine)["bihuan_strangers_turned_away_total", ("no_token",)] == 1
    assert ("bihuan_strangers_turned_away_total", ("no_token",)) not in said(other)
    mine.close()
    other.close()


def test_every_name_is_ours_says_what_it_means_and_keeps_to_base_units(runtime: Runtime) -> None:
    a_school(runtime.database)
    families = list(text_string_to_metric_families(runtime.metrics.told().decode()))
    assert len(families) > 12
    for family in families:
        assert re.fullmatch(r"bihuan_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        assert not re.search(r"milli|minutes|hours|_ms|percent", family.name)


def test_the_readme_names_all_there_are_and_no_others(runtime: Runtime) -> None:
    a_school(runtime.database)
    runtime.strangers.count("no_token")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(bihuan_[a-z_]+)", readme))
    families = text_string_to_metric_families(runtime.metrics.told().decode())
    assert {f"{of.name}_total" if of.type == "counter" else of.name for of in families} == named


# --- what the database says ----------------------------------------------------------------------------------------------


def test_what_fell_due_is_told_until_it_is_ticked(
    client: httpx.Client, runtime: Runtime, clock: SimulatedClock
) -> None:
    school = a_school(runtime.database)
    assign(client, school, report(client, school).json()["number"])
    assert said(runtime)["bihuan_due_timers", ()] == 0
    assert said(runtime)["bihuan_last_tick_timestamp_seconds", ()] == 0
    clock.advance(timedelta(days=10))
    late = said(runtime)
    assert late["bihuan_due_timers", ()] >= 2
    assert timedelta(days=5) < timedelta(seconds=late["bihuan_sweep_lag_seconds", ()]) < timedelta(days=10)
    runtime.tick()
    then = said(runtime)
    assert (then["bihuan_due_timers", ()], then["bihuan_sweep_lag_seconds", ()]) == (0, 0)
    assert then["bihuan_commands_total", ("remind", "done")] == 1
    assert then["bihuan_tick_duration_seconds_count", ()] == 1
    assert then["bihuan_last_tick_timestamp_seconds", ()] == clock.now().timestamp()


def test_what_waits_to_be_told_is_told_until_it_left(
    client: httpx.Client, runtime: Runtime, clock: SimulatedClock
) -> None:
    school = a_school(runtime.database)
    assign(client, school, report(client, school).json()["number"])
    clock.advance(timedelta(hours=1))
    waits = said(runtime)
    assert waits["bihuan_outbox_notices", ()] >= 1
    assert waits["bihuan_outbox_oldest_age_seconds", ()] == 3600
    runtime.worker.plan()
    clock.advance(timedelta(days=2))
    planned = said(runtime)
    assert (planned["bihuan_outbox_notices", ()], planned["bihuan_outbox_oldest_age_seconds", ()]) == (0, 0)
    assert planned["bihuan_deliveries", ("inbox", "waiting")] >= 1
    assert planned["bihuan_deliveries_oldest_due_age_seconds", ("inbox",)] > 0
    with runtime.database.write_across() as connection:
        connection.execute(update(DELIVERY).values(status="dead", channel="a channel that was taken away"))
    assert said(runtime)["bihuan_deliveries", ("a channel that was taken away", "dead")] >= 1


def test_channels_in_use_that_do_not_work_are_told_by_kind(runtime: Runtime) -> None:
    for organisation in ("school", "beside"):
        a_school(runtime.database, organisation)
        with runtime.database.write(organisation) as connection:
            for name, kind, enabled in (("post", "email", True), ("hall", "wecom_robot", True), ("old", "sms", False)):
                accounts.put(
                    connection, SetUp(organisation, name, kind, "", None, {}, b"", enabled, False, False, START)
                )
                accounts.failed(connection, organisation, name, "535", START, out_of_order=name != "hall")
            accounts.failed(connection, organisation, "webhook", "410", START, out_of_order=True)
    told = {labels: value for (name, labels), value in said(runtime).items() if name == "bihuan_channels_failing"}
    assert told == {("email",): 2, ("wecom_robot",): 0, ("webhook",): 2}


def test_a_period_that_began_and_has_no_row_is_late_since_it_began(
    tmp_path: Path, kind: Kind, clock: SimulatedClock
) -> None:
    runtime = a_runtime(tmp_path, kind, clock=clock, catalog=CATALOG)
    a_school(runtime.database)
    with runtime.database.write_across() as connection:
        for scope in ("HQC", "BWC", "XB1"):
            periods.owe(connection, Obligation("school", "dept_check_month", scope, date(2020, 1, 1)))
    assert timedelta(days=32) < the_lag(runtime) < timedelta(days=62)  # December is over, and no January was opened
    runtime.tick()
    assert the_lag(runtime) == timedelta(0)
    clock.advance(timedelta(days=31))
    assert timedelta(0) < the_lag(runtime) < timedelta(days=3)
    with runtime.database.write_across() as connection:
        periods.owe(connection, Obligation("school", "dept_check_month", "DZB", date(2015, 1, 1)))
    assert the_lag(runtime) > timedelta(days=365)
    runtime.close()


def test_a_calendar_that_nobody_can_read_takes_no_other_figure_away(runtime: Runtime) -> None:
    a_school(runtime.database)
    with runtime.database.write_across() as connection:
        periods.owe(connection, Obligation("school", "dept_check_month", "HQC", date(2020, 1, 1)))
        connection.execute(text("UPDATE calendar SET body = '{}'"))
    watched = _OfTheDatabase(replace(runtime.engine, catalog=CATALOG))
    names = {family.name for family in watched.collect()}
    assert "bihuan_period_lag_seconds" not in names
    assert {"bihuan_database_up", "bihuan_sweep_lag_seconds", "bihuan_deliveries"} <= names


def the_lag(runtime: Runtime) -> timedelta:
    with runtime.database.read_across() as connection:
        return lags.of_periods(connection, runtime.engine.catalog, runtime.clock.now())


def test_periods_are_looked_at_once_a_minute_however_often_somebody_asks(runtime: Runtime) -> None:
    seconds = [0.0]
    watched = _OfTheDatabase(runtime.engine, lambda: seconds[0])
    asked: list[float] = []

    def ask() -> timedelta:
        asked.append(seconds[0])
        return timedelta(0)

    for at in (0.0, 15.0, 59.0, 61.0, 76.0):
        seconds[0] = at
        watched._late(ask)
    assert asked == [0.0, 61.0]


def test_a_database_that_is_gone_is_told_and_no_error(tmp_path: Path, kind: Kind, client: httpx.Client) -> None:
    runtime = a_runtime(tmp_path / "gone", kind, metrics_token=TOKEN)
    assert said(runtime)["bihuan_database_up", ()] == 1
    runtime.database.close()  # no connection is left that would still reach a deleted file
    name = make_url(runtime.database.url).database or ""
    if kind == "sqlite":
        (tmp_path / "gone").rename(tmp_path / "elsewhere")
    else:
        the_cluster().drop(name)
    with calling(create_app(runtime)) as other:
        answer = other.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    found = read(answer.text)
    assert (answer.status_code, found["bihuan_database_up", ()]) == (200, 0)
    assert ("bihuan_due_timers", ()) not in found
    assert ("bihuan_commands_total", ("open", "done")) in found
    if kind == "sqlite":
        (tmp_path / "elsewhere").rename(tmp_path / "gone")
    else:
        the_cluster().create(name)  # what drops the copies finds it
    runtime.close()


BIG = ("timer", "outbox", "delivery", "case_record", "event", "period")


def test_no_question_to_the_database_walks_through_everything_open(
    client: httpx.Client, runtime: Runtime, clock: SimulatedClock
) -> None:
    """As the database plans them. On PostgreSQL walking through a table is forbidden, or it would choose it for a small one."""
    school = a_school(runtime.database)
    assign(client, school, report(client, school).json()["number"])
    clock.advance(timedelta(days=10))
    with runtime.database.write_across() as connection:
        periods.owe(connection, Obligation("school", "dept_check_month", "HQC", date(2020, 1, 1)))
        connection.execute(table_of(DeliveryRow).insert(), a_delivery())
    asked = asked_by(runtime.database, runtime.metrics.told)
    with runtime.database.read_across() as connection:
        asked += asked_by(runtime.database, lambda: lags.of_periods(connection, CATALOG, START))
    assert len(asked) > 8
    with runtime.database.read_across() as connection:
        if runtime.database.on_server:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, values in asked:
            how = "EXPLAIN" if runtime.database.on_server else "EXPLAIN QUERY PLAN"
            plan = [" ".join(map(str, row)) for row in connection.exec_driver_sql(f"{how} {statement}", values)]
            for line in plan:
                walks = re.search(r"SCAN (\w+)(?! USING (COVERING )?INDEX ix_\w+_waiting)|Seq Scan on (\w+)", line)
                table = walks and (walks[1] or walks[3])
                assert table not in BIG, f"{statement}\n{plan}"


def asked_by(database: Database, ask: Any) -> list[tuple[str, Sequence[Any]]]:
    """The queries that reached the database meanwhile."""
    asked: list[tuple[str, Sequence[Any]]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "WITH")) and "FROM" in statement:
            asked.append((statement, values))

    event.listen(database.readers_across, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(database.readers_across, "before_cursor_execute", note)
    return asked


def a_delivery() -> dict[str, Any]:
    return {
        "organisation": "school", "id": "d", "notice": "n", "case": "WX-2020-0001", "sequence": 1, "reason": "assigned",
        "audience": [], "written_at": START, "about": {}, "notice_how": "direct", "addressee": "teacher",
        "addressee_data": {}, "told": [], "channel": "inbox", "how": "direct", "status": "waiting", "not_before": START,
        "attempts": 0, "fence": 0, "planned_at": START,
    }  # fmt: skip
