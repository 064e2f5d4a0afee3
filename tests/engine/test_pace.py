"""How large a group may be: what it learns from what groups took."""

import pytest

from engine.pace import BEGIN_WITH, HOLD_SECONDS, LEAST, MOST, Pace


class Watch:
    """Shows what it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def take(pace: Pace, watch: Watch, count: int, flush: float, each: float) -> float:
    """A group of so many; gives the seconds it took."""
    with pace.of(count):
        watch.seconds += flush + count * each
    return flush + count * each


@pytest.mark.parametrize(
    "flush, each, least, most",
    [
        (0.0, 0.0, MOST, MOST),
        (0.0003, 0.0002, MOST, MOST),
        (0.0003, 0.001, 10, 20),
        (0.004, 0.001, 8, 16),
        (0.050, 0.001, LEAST, LEAST),
        (0.0003, 0.5, LEAST, LEAST),
    ],
    ids=["no time", "quick", "a millisecond each", "a slow disk", "a very slow disk", "slow commands"],
)
def test_groups_grow_to_what_keeps_nobody_waiting(flush: float, each: float, least: int, most: int) -> None:
    watch = Watch()
    pace = Pace(watch)
    assert pace.size == BEGIN_WITH
    for _ in range(40):
        take(pace, watch, pace.size, flush, each)
    lasted = [take(pace, watch, pace.size, flush, each) for _ in range(40)]
    assert least <= pace.size <= most
    assert pace.size == LEAST or sum(seconds > HOLD_SECONDS for seconds in lasted) <= len(lasted) // 4


def test_one_that_took_too_long_makes_the_next_smaller_at_once() -> None:
    watch = Watch()
    pace = Pace(watch)
    for _ in range(20):
        take(pace, watch, pace.size, 0, 0.0001)
    assert pace.size == MOST
    take(pace, watch, MOST, 0, 0.002)
    assert pace.size < MOST // 4


def test_a_group_that_was_not_full_says_nothing_of_larger_ones() -> None:
    watch = Watch()
    pace = Pace(watch)
    for _ in range(20):
        take(pace, watch, 1, 0, 0.001)
    assert pace.size == BEGIN_WITH


def test_waiting_for_ones_turn_makes_no_group_smaller() -> None:
    """Else whoever numbers beside it has groups shrink to the least, and flushes to the disk the more often."""
    watch, waiting = Watch(), Watch()
    pace = Pace(watch)
    for _ in range(40):
        with pace.of(pace.size, waiting):
            waiting.seconds += 1.5
            watch.seconds += 1.5 + pace.size * 0.0001
    assert pace.size == MOST


def test_what_raises_teaches_nothing() -> None:
    watch = Watch()
    pace = Pace(watch)

    def fail() -> None:
        watch.seconds += 10
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), pace.of(4):
        fail()
    assert pace.size == BEGIN_WITH
