from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.clock import Clock, RunningFrom, SimulatedClock, SystemClock, utc

NOON = datetime(2020, 1, 19, 12, tzinfo=UTC)
SHANGHAI = timezone(timedelta(hours=8))


def test_the_system_clock_tells_aware_utc() -> None:
    before = datetime.now(UTC)
    told = SystemClock().now()
    assert before <= told <= datetime.now(UTC)
    assert told.tzinfo is UTC


def test_an_instant_keeps_its_moment_when_it_becomes_utc() -> None:
    told = utc(datetime(2020, 1, 19, 20, tzinfo=SHANGHAI))
    assert told == NOON
    assert told.tzinfo is UTC


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        utc(datetime(2020, 1, 19, 12))  # noqa: DTZ001  # the naive one is the point
    with pytest.raises(ValueError, match="no time zone"):
        SimulatedClock(datetime(2020, 1, 19, 12))  # noqa: DTZ001  # the naive one is the point


def test_a_simulated_clock_stands_still_until_it_is_moved() -> None:
    clock = SimulatedClock(NOON)
    assert clock.now() == clock.now() == NOON
    clock.advance(timedelta(hours=3))
    assert clock.now() == NOON + timedelta(hours=3)
    clock.advance_to(datetime(2020, 1, 20, tzinfo=SHANGHAI))
    assert clock.now() == datetime(2020, 1, 19, 16, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


def test_a_simulated_clock_may_be_told_the_time_it_shows() -> None:
    clock = SimulatedClock(NOON)
    clock.advance_to(NOON)
    clock.advance(timedelta(0))
    assert clock.now() == NOON


def test_a_simulated_clock_never_goes_back() -> None:
    clock = SimulatedClock(NOON)
    with pytest.raises(ValueError, match="Cannot turn the clock back"):
        clock.advance_to(NOON - timedelta(microseconds=1))
    with pytest.raises(ValueError, match="Cannot turn the clock back"):
        clock.advance(timedelta(seconds=-1))
    assert clock.now() == NOON


def test_a_served_demo_goes_on_at_real_speed_from_its_last_instant() -> None:
    seconds = iter([1000.0, 1000.0, 1002.5])
    clock = RunningFrom(NOON, monotonic=lambda: next(seconds))
    assert clock.now() == NOON
    assert clock.now() == NOON + timedelta(seconds=2.5)


def test_every_clock_is_a_clock() -> None:
    clocks: list[Clock] = [SystemClock(), SimulatedClock(NOON), RunningFrom(NOON)]
    assert all(clock.now().tzinfo is UTC for clock in clocks)
