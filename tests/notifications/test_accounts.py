"""Channels as they were set up, how they do, and how much their services still take."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications import accounts
from notifications.accounts import AccountBook, State, VaultError
from notifications.channels import Account, Limit
from tests.notifications.fakes import OpenVault, Post, a_set_up, local

NOW = local("2020-01-15 16:00")
VAULT = OpenVault()
MINUTE = timedelta(minutes=1)
ROBOT = Limit(20, MINUTE)


def test_what_was_set_up_is_found_with_its_secrets_and_can_be_changed_and_dropped(post: Post) -> None:
    book = AccountBook(VAULT)
    with post.database.write("school") as connection:
        accounts.put(connection, a_set_up())
        account = book.account(connection, "school", "robot")
        assert account is not None
        assert (account.secrets["key"], account.department, "s3cret" in repr(account)) == ("s3cret", "office", False)
        accounts.put(connection, a_set_up(opened={"key": "another"}))
        changed = book.account(connection, "school", "robot")
        assert changed is not None
        assert changed.secrets["key"] == "another"
        assert accounts.drop(connection, "school", "robot")
        assert book.account(connection, "school", "robot") is None
        assert not accounts.drop(connection, "school", "robot")


def test_what_is_not_in_use_sends_nothing(post: Post) -> None:
    book = AccountBook(VAULT)
    with post.database.write("school") as connection:
        accounts.put(connection, a_set_up(enabled=False))
        assert book.in_use(connection, "school") == []
        assert book.account(connection, "school", "robot") is None


def test_secrets_that_were_moved_to_another_account_do_not_open(post: Post) -> None:
    with post.database.write("school") as connection:
        accounts.put(connection, a_set_up("other"))
        stolen = accounts.find(connection, "school", "other")
        assert stolen is not None
        accounts.put(connection, a_set_up(secrets=stolen.secrets))
        with pytest.raises(VaultError):
            AccountBook(VAULT).account(connection, "school", "robot")


def test_what_is_given_to_all_is_in_use_until_an_organisation_sets_up_its_own_of_that_name(post: Post) -> None:
    given = Account("", "robot", "wecom_robot", settings={"url": "https://given"}, secrets={"key": "given"})
    book = AccountBook(VAULT, [given])
    with post.database.write("school") as connection:
        assert [set_up.id for set_up in book.in_use(connection, "school")] == ["robot"]
        account = book.account(connection, "school", "robot")
        assert account is not None
        assert (account.organisation, account.secrets["key"]) == ("school", "given")
        accounts.put(connection, a_set_up())
        own = book.account(connection, "school", "robot")
        assert own is not None
        assert own.secrets["key"] == "s3cret"
        accounts.put(connection, a_set_up(enabled=False))
        assert book.in_use(connection, "school") == []  # switched off, not replaced


def test_after_three_failures_in_a_row_it_is_left_alone_ever_longer_until_it_works(post: Post) -> None:
    with post.database.write("school") as connection:
        paused = [accounts.failed(connection, "school", "robot", "no answer", NOW) for _ in range(7)]
        assert paused == [
            None,
            None,
            NOW + MINUTE,
            NOW + 5 * MINUTE,
            NOW + 15 * MINUTE,
            NOW + 15 * MINUTE,
            NOW + 15 * MINUTE,
        ]
        accounts.worked(connection, "school", "robot", NOW)
        state = accounts.state_of(connection, "school", "robot")
        assert (state.failures, state.paused_until, state.worked_at) == (0, None, NOW)
        assert accounts.failed(connection, "school", "robot", "robot removed", NOW, out_of_order=True) == NOW + MINUTE


def test_who_asks_for_patience_over_and_over_and_takes_nothing_is_down_until_it_takes_something(post: Post) -> None:
    def pause(after: timedelta) -> State:
        at = NOW + after
        accounts.pause(connection, "school", "robot", at + 10 * MINUTE, "too fast", at)
        return accounts.state_of(connection, "school", "robot")

    with post.database.write("school") as connection:
        assert [pause(n * 10 * MINUTE).down for n in range(8)] == [False] * 6 + [True] * 2
        assert accounts.state_of(connection, "school", "robot").since == NOW
        assert accounts.failing_by_kind(connection) == {"robot": 1}
        accounts.worked(connection, "school", "robot", NOW + 80 * MINUTE)
        assert accounts.failing_by_kind(connection).get("robot", 0) == 0
        assert not pause(90 * MINUTE).down
        accounts.works_again(connection, "school", "robot")
        assert not pause(24 * 60 * MINUTE).down, "somebody changed it: it is counted from then on"


def test_the_list_of_a_day_is_planned_once(post: Post) -> None:
    with post.database.write("school") as connection:
        days = ["2020-01-15", "2020-01-15", "2020-01-14", "2020-01-16"]
        assert [accounts.listed(connection, "school", "robot", day) for day in days] == [True, False, False, True]


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 30), st.integers(0, 90)), min_size=1, max_size=40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_span_of_the_services_clock_ever_has_more_than_it_takes(
    post: Post, sends: list[tuple[int, int, int]]
) -> None:
    """Each send: how many at once, how long each is on its way, how long until the next try (in seconds)."""
    now, arrived = NOW, []
    with post.database.write("school") as connection:
        accounts.drop(connection, "school", "robot")
        for wanted, takes, pause in sends:
            slots = accounts.take_slots(connection, "school", "robot", ROBOT, wanted, now, now + 5 * MINUTE)
            for slot in slots:
                arrived.append(now + timedelta(seconds=takes // 2))
                now += timedelta(seconds=takes)
                accounts.give_slot(connection, "school", "robot", slot, now + ROBOT.per)
            now += timedelta(seconds=pause)
    for first in arrived:
        assert sum(first <= other < first + ROBOT.per for other in arrived) <= ROBOT.count
