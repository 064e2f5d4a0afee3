from datetime import timedelta

import pytest

from notifications.retry import IN_VAIN, JITTER, MAX_ATTEMPTS, GiveUp, TryAgain, after_failure, after_waiting

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    "attempts, wait",
    [(1, MINUTE), (2, 5 * MINUTE), (3, 15 * MINUTE), (4, HOUR), (5, 3 * HOUR), (6, 6 * HOUR), (7, 12 * HOUR)],
)
def test_the_wait_grows_with_every_try(attempts: int, wait: timedelta) -> None:
    following = after_failure("msg_1", attempts, permanent=False)
    assert isinstance(following, TryAgain)
    assert wait * (1 - JITTER) <= following.wait <= wait * (1 + JITTER)


def test_no_wait_is_longer_than_a_day() -> None:
    for attempts in range(8, MAX_ATTEMPTS):
        following = after_failure("msg_1", attempts, permanent=False, retry_after=timedelta(days=9))
        assert following == TryAgain(timedelta(hours=24))


@pytest.mark.parametrize(
    "waited, taken_nothing, given_up", [(9, 9, True), (9, 4, False), (4, 9, False), (5, 4.95, True), (5, 4.9, False)]
)
def test_an_account_that_takes_nothing_is_waited_for_as_long_as_a_message_is_tried(
    waited: float, taken_nothing: float, given_up: bool
) -> None:
    following = after_waiting(timedelta(days=waited), timedelta(days=taken_nothing))
    assert (following is not None) == given_up
    if given_up:
        assert timedelta(days=min(waited, taken_nothing)) >= IN_VAIN


def test_the_same_message_waits_exactly_as_long_in_a_replay() -> None:
    assert after_failure("msg_1", 3, permanent=False) == after_failure("msg_1", 3, permanent=False)


def test_a_thousand_messages_do_not_come_back_in_the_same_second() -> None:
    waits = {after_failure(f"msg_{n}", 4, permanent=False) for n in range(1000)}
    assert len(waits) > 900


@pytest.mark.parametrize(
    "asked, waits",
    [
        (timedelta(hours=2), timedelta(hours=2)),  # longer than ours: honoured
        (timedelta(seconds=0), None),  # shorter than ours: ours
    ],
)
def test_the_longer_of_both_waits_counts(asked: timedelta, waits: timedelta | None) -> None:
    ours = after_failure("msg_1", 1, permanent=False)
    following = after_failure("msg_1", 1, permanent=False, retry_after=asked)
    assert following == (TryAgain(waits) if waits else ours)


def test_a_permanent_refusal_is_not_tried_again() -> None:
    assert isinstance(after_failure("msg_1", 1, permanent=True), GiveUp)


def test_the_last_try_is_the_last() -> None:
    assert isinstance(after_failure("msg_1", MAX_ATTEMPTS - 1, permanent=False), TryAgain)
    assert after_failure("msg_1", MAX_ATTEMPTS, permanent=False) == GiveUp(f"gave up after {MAX_ATTEMPTS} tries")
