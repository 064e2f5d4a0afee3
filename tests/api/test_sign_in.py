"""Signing in: who gets in, who does not, and how guessing is slowed without keeping honest people out."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from api import logs
from api.app import create_app
from api.bootstrap import Runtime
from api.passwords import Hasher, Hashing
from api.throttle import LIMITS
from engine.clock import SimulatedClock
from engine.directory import Person
from engine.store import accounts, people
from engine.store.accounts import Tries
from tests.builders import PASSWORD, START, School, a_password, a_school, quick_hashing
from tests.fakes import calling

SIGN_IN = "/api/v1/sign-in"


@pytest.fixture
def teacher(runtime: Runtime, school: School) -> School:
    a_password(runtime, school, "teacher")
    return school


def sign_in(client: httpx.Client, account: str = "teacher", password: str = PASSWORD, **more: str) -> httpx.Response:
    headers = {"Accept-Language": "en", **{k.replace("_", "-"): v for k, v in more.items() if k[0].isupper()}}
    body = {"account": account, "password": password, **{k: v for k, v in more.items() if not k[0].isupper()}}
    return client.post(SIGN_IN, json=body, headers=headers)


def pass_by(runtime: Runtime, **time: float) -> None:
    assert isinstance(runtime.clock, SimulatedClock)
    runtime.clock.advance(timedelta(**time))


@contextmanager
def elsewhere(runtime: Runtime, address: str = "198.51.100.7") -> Iterator[httpx.Client]:
    """A browser that was never here, at another address."""
    with calling(create_app(runtime), address=address) as client:
        yield client


# --- in ------------------------------------------------------------------------------------------------------------------


def test_who_shows_his_password_is_signed_in_by_a_cookie(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    assert client.get("/api/v1/people/me").status_code == 401
    answer = sign_in(client)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["person"], answer.json()["must_change"]) == ("teacher", False)
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/api/v1/people/me").json()["person"] == "teacher"
    value = client.cookies["bihuan"]
    with runtime.database.read_across() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM session").all()
    assert len(kept) == 1 and value not in repr(kept), "only its hash is kept"


@pytest.mark.parametrize("account", ["teacher", "T2019001", " teacher ", "teacher@school"])
def test_a_key_and_a_staff_number_name_the_same_person(
    account: str, client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    with runtime.database.write_across() as connection:
        connection.exec_driver_sql("UPDATE person SET staff_number = 'T2019001' WHERE person = 'teacher'")
    assert sign_in(client, account).json()["person"] == "teacher"


def test_somebody_s_key_is_not_another_one_s_staff_number(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    with runtime.database.write_across() as connection:
        people.add_person(connection, Person("school", "mallory", "冒名者", staff_number="teacher"))
    a_password(runtime, teacher, "mallory", "mallory's own words")
    assert sign_in(client, password="mallory's own words").status_code == 401
    assert sign_in(client).json()["person"] == "teacher"


def test_where_a_name_stands_in_two_schools_one_says_which(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    south = a_school(runtime.database, "south")
    a_password(runtime, south, "teacher", "the south's own words")
    assert sign_in(client).status_code == 401, "without the organisation it is not known who is meant"
    assert sign_in(client, organisation="school").json()["organisation"] == "school"
    assert sign_in(client, "teacher@south", "the south's own words").json()["organisation"] == "south"
    assert sign_in(client, "teacher@south", PASSWORD).status_code == 401
    assert sign_in(client, "teacher@south", "the south's own words", organisation="school").status_code == 401


@pytest.mark.parametrize(
    "account, password, prepared",
    [
        ("teacher", "not his", ""), ("nobody", PASSWORD, ""), ("driver", PASSWORD, ""), ("teacher", "", ""),
        ("teacher", PASSWORD, "UPDATE person SET active = false"), ("t' OR 1=1 --", PASSWORD, ""),
        ("teacher\r\nSet-Cookie: a=b", PASSWORD, ""), ("teacher\x00", PASSWORD, ""),
    ],
)  # fmt: skip
def test_whatever_is_wrong_gets_the_same_answer(
    account: str, password: str, prepared: str, client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    wrong = sign_in(client, "vp_safety", "no password was ever set")
    if prepared:
        with runtime.database.write_across() as connection:
            connection.exec_driver_sql(prepared)
    answer = sign_in(client, account, password)
    assert (answer.status_code, answer.json()) == (401, wrong.json())
    assert answer.json()["code"] == "sign_in_failed"
    assert "set-cookie" not in answer.headers


class Counting(Hasher):
    """A hasher that says how often it compared.

    quick   a hash that counts as one of older numbers
    """

    def __init__(self, quick: str = "") -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.quick = quick
        self.compared: list[str] = []

    def outdated(self, kept: str) -> bool:
        return kept == self.quick or super().outdated(kept)

    def fits(self, password: str, kept: str) -> bool:
        self.compared.append(kept)
        return super().fits(password, kept)


@pytest.mark.parametrize(
    "account, password", [("teacher", PASSWORD), ("teacher", "x"), ("nobody", "x"), ("driver", "x")]
)
def test_whoever_is_meant_one_password_is_compared(
    account: str, password: str, client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    counting = Counting()
    runtime.hashing = Hashing(counting)
    sign_in(client, account, password)
    assert len(counting.compared) == 1
    assert counting.compared[0].startswith("$argon2id$")


def test_a_hash_that_is_quick_to_compare_does_not_tell_that_there_is_an_account(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    with runtime.hashing.turn() as hasher:
        quick = hasher.hashed(PASSWORD)
    counting = Counting(quick)
    with runtime.database.write_across() as connection:
        accounts.set_password(connection, "school", "teacher", quick, START, must_change=True)
    runtime.hashing = Hashing(counting)
    assert sign_in(client, password="not his").status_code == 401
    assert counting.compared == [quick, counting.nobodys]


def test_a_hash_of_older_numbers_is_made_anew_when_the_password_is_at_hand(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    runtime.hashing = Hashing(Hasher(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)))
    with runtime.database.read_across() as connection:
        before = accounts.password(connection, "school", "teacher")
    assert sign_in(client).status_code == 200
    with runtime.database.read_across() as connection:
        after = accounts.password(connection, "school", "teacher")
    assert before is not None and after is not None
    assert "m=16" in after.hash and "m=16" not in before.hash
    assert (after.changed_at, after.must_change) == (before.changed_at, before.must_change)
    assert sign_in(client).status_code == 200


def test_a_flood_of_sign_ins_is_told_to_come_again_and_counts_for_nothing(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    runtime.hashing = Hashing(Hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)), at_once=1, in_line=0)
    with runtime.hashing.turn():
        for _ in range(8):
            answer = sign_in(client)
            assert (answer.status_code, answer.json()["code"]) == (503, "busy")
            assert "retry-after" in answer.headers
    assert sign_in(client).status_code == 200


def test_a_password_that_was_reset_while_it_was_compared_opens_nothing(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    class Overtaken(Counting):
        def fits(self, password: str, kept: str) -> bool:
            fitting = super().fits(password, kept)
            with runtime.database.write_across() as connection:
                accounts.set_password(connection, "school", "teacher", "$another", START, must_change=True)
            return fitting

    runtime.hashing = Hashing(Overtaken())
    assert sign_in(client).status_code == 401
    with runtime.database.read_across() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM session").scalar_one() == 0


# --- guessing ------------------------------------------------------------------------------------------------------------


def test_after_five_failures_guessing_rests_longer_each_time_and_never_for_good(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    for _ in range(5):
        assert sign_in(client, password="guess").status_code == 401
    rests = []
    for _ in range(8):
        refused = sign_in(client, password="guess")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_tries")
        rests.append(int(refused.headers["retry-after"]))
        assert "Try again in" in refused.json()["detail"]
        pass_by(runtime, seconds=rests[-1])
        assert sign_in(client, password="guess").status_code == 401, "after the rest it is taken"
    assert rests == [30, 60, 120, 240, 480, 900, 900, 900]
    pass_by(runtime, seconds=900)
    assert sign_in(client).status_code == 200, "the right password gets in after the rest"


def test_while_guessing_rests_nothing_is_compared_and_nothing_counted(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    for _ in range(5):
        sign_in(client, password="guess")
    counting = Counting()
    runtime.hashing = Hashing(counting)
    for _ in range(20):
        assert sign_in(client).headers["retry-after"] == "30"
    assert counting.compared == []


def test_a_success_clears_what_went_wrong_before(client: httpx.Client, runtime: Runtime, teacher: School) -> None:
    for _ in range(4):
        for _ in range(4):
            assert sign_in(client, password="typo").status_code == 401
        assert sign_in(client).status_code == 200
        client.cookies.clear()


def test_strangers_who_guess_at_a_name_do_not_keep_its_owner_out(runtime: Runtime, teacher: School) -> None:
    with elsewhere(runtime, "203.0.113.5") as owner:
        assert sign_in(owner).status_code == 200
        for number in range(30):
            with elsewhere(runtime, f"198.51.100.{number}") as stranger:
                for _ in range(5):
                    sign_in(stranger, password="guess")
        with elsewhere(runtime, "198.51.100.99") as stranger:
            assert sign_in(stranger).status_code == 429, "the name itself rests: it was tried from everywhere"
        assert sign_in(owner).status_code == 200, "but not on the owner's device"
        owner.cookies.delete("bihuan")
        assert sign_in(owner).status_code == 200
    pass_by(runtime, seconds=60)
    with elsewhere(runtime, "203.0.113.80") as new_phone:
        assert sign_in(new_phone).status_code == 200, "and nowhere longer than a minute"


def test_a_device_is_known_for_one_person_only_and_guesses_there_are_counted(runtime: Runtime, teacher: School) -> None:
    a_password(runtime, teacher, "principal", "the principal's words")
    with elsewhere(runtime) as client:
        assert sign_in(client).status_code == 200
        for _ in range(5):
            assert sign_in(client, "principal", "guess").status_code == 401
        assert sign_in(client, "principal", "the principal's words").status_code == 429
        for _ in range(5):
            assert sign_in(client, password="guess").status_code == 401
        assert sign_in(client).status_code == 429, "a stolen device guesses no faster"


@pytest.mark.parametrize("device", ["", ".", "x.y", "a" * 190, "a.b.c"])
def test_a_device_cookie_somebody_made_up_is_none(device: str, runtime: Runtime, teacher: School) -> None:
    with elsewhere(runtime) as client:
        for _ in range(5):
            sign_in(client, password="guess", Cookie=f"bihuan_device={device}")
        assert sign_in(client, Cookie=f"bihuan_device={device}").status_code == 429


def test_one_address_that_tries_many_names_has_to_rest_and_known_devices_there_do_not(
    runtime: Runtime, teacher: School
) -> None:
    with elsewhere(runtime, "192.0.2.1") as known:
        assert sign_in(known).status_code == 200
        with elsewhere(runtime, "192.0.2.1") as spraying:
            statuses = [sign_in(spraying, f"name{n}", "Password2020").status_code for n in range(210)]
            assert statuses.index(429) == LIMITS["place"].free
            assert sign_in(spraying).status_code == 429
        assert sign_in(known).status_code == 200
        pass_by(runtime, seconds=10)
        with elsewhere(runtime, "192.0.2.1") as colleague:
            assert sign_in(colleague).status_code == 200, "after a short rest also a new device"


def test_the_addresses_of_one_ipv6_network_are_one_place(runtime: Runtime, teacher: School) -> None:
    for number in range(5):
        with elsewhere(runtime, f"2001:db8:1:2::{number + 1:x}") as client:
            sign_in(client, password="guess")
    with elsewhere(runtime, "2001:db8:1:2:ffff::1") as client:
        assert sign_in(client).status_code == 429
    with elsewhere(runtime, "2001:db8:1:3::1") as client:
        assert sign_in(client).status_code == 200


def test_many_tries_at_once_do_not_slip_through_together(
    client: httpx.Client, runtime: Runtime, teacher: School
) -> None:
    runtime.hashing = Hashing(Hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)), at_once=30)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(sign_in(client, password="guess").status_code))
        for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [401] * 5 + [429] * 25


@pytest.mark.parametrize(
    "failures, seconds_ago, rest",
    [
        (0, 0, 0), (4, 0, 0), (5, 0, 30), (5, 29, 1), (5, 30, 0), (6, 0, 60), (9, 0, 480), (10, 0, 900), (10**9, 0, 900),
        (10, 12 * 3600, 0),
    ],
)  # fmt: skip
def test_how_long_one_name_at_one_place_rests(failures: int, seconds_ago: int, rest: int) -> None:
    tries = Tries(failures, START - timedelta(seconds=seconds_ago))
    assert LIMITS["name_here"].rest(tries, START) == timedelta(seconds=rest)
    assert LIMITS["name_here"].rest(None, START) == timedelta(0)


def test_neither_names_nor_addresses_are_kept_of_who_failed_and_they_are_swept(
    runtime: Runtime, teacher: School
) -> None:
    with elsewhere(runtime, "192.0.2.77") as client:
        sign_in(client, "typed-by-mistake", "hunter2-hunter2")
    with runtime.database.read_across() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM sign_in_try").all()
    assert len(kept) == 3
    assert "typed" not in repr(kept) and "192.0.2.77" not in repr(kept)
    pass_by(runtime, days=2)
    runtime.sweep()
    with runtime.database.read_across() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sign_in_try").scalar_one() == 0


def test_the_key_of_these_hashes_is_the_folder_s_own(runtime: Runtime, tmp_path: Path) -> None:
    key = runtime.sign_in_key
    kept = tmp_path / "data" / "keys" / "sign-in"
    assert kept.read_bytes() == key and len(key) == 32
    assert kept.stat().st_mode & 0o077 == 0
    assert runtime.folder.key("sign-in") == key != runtime.folder.key("another")


def test_no_password_and_no_typed_name_reach_the_logs(
    client: httpx.Client, runtime: Runtime, teacher: School, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug", "json")
    a_password(runtime, teacher, "principal", must_change=True)
    csrf = sign_in(client, "principal").json()["csrf"]
    client.post(
        "/api/v1/people/me/password", json={"old": PASSWORD, "new": "another phrase 77"}, headers={"X-CSRF-Token": csrf}
    )
    sign_in(client, password="hunter2-hunter2")
    sign_in(client, "typed-by-mistake", "hunter2-hunter2")
    client.post("/sign-in", data={"account": "typed-by-mistake", "password": "hunter2-hunter2"})
    runtime.hashing = Hashing(None, at_once=1)
    runtime.hashing._made = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]  # a defect, and its traceback
    assert sign_in(client, password="hunter2-hunter2").status_code == 500
    said = capsys.readouterr()
    assert "signed_in" in said.err and "ZeroDivisionError" in said.err
    for secret in (PASSWORD, "another phrase 77", "hunter2", "typed-by-mistake", client.cookies["bihuan_device"], csrf):
        assert secret not in said.err + said.out


def test_a_process_hashes_as_slowly_as_it_should_unless_told_otherwise(tmp_path: Path) -> None:
    with Hashing().turn() as hasher:
        assert hasher.hashed("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    with quick_hashing().turn() as hasher:
        assert hasher.nobodys.startswith("$argon2id$")


@pytest.mark.parametrize(
    "body, status",
    [
        ({"account": "teacher"}, 422), ({"account": "teacher", "password": 7}, 422), ({"account": "", "password": "x"}, 422),
        ({"account": "teacher", "password": "x", "organisation": "nowhere"}, 401),
        ({"account": "teacher", "password": "x", "admin": True}, 422), ({"account": "t" * 201, "password": "x"}, 422),
        ({"account": "teacher", "password": "x" * 30000}, 413),
    ],
)  # fmt: skip
def test_a_sign_in_that_cannot_be_read_is_refused_in_words(
    body: dict[str, object], status: int, client: httpx.Client, teacher: School
) -> None:
    answer = client.post(SIGN_IN, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
