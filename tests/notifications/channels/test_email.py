"""E-mail, spoken to a real mail server in a process of its own."""

import multiprocessing
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from email import message_from_string
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.clock import SimulatedClock
from notifications.channels import Account, Concerns, Sort, TransportError
from notifications.channels.email import MESSAGES_A_CONNECTION, Asked, EmailChannel, EmailForm, verdict_on
from notifications.channels.posting import trusting
from notifications.message import Addressee, Outgoing, Words
from notifications.worker import OUTSIDE_GROUP
from tests.notifications.channels.places import LINK, NOW, ZHANG, EmailPlace, Stranger
from tests.notifications.fakes import ALICE, Post, a_notice
from tests.services.certificates import Certificates, certificates_in
from tests.services.processes import Running

SLOW = 0.5  # seconds a channel waits where a test waits for that
OTHER_NAME = "127.1"  # leads to the same server, and stands in no certificate
FORM = {"host": "smtp.school.example", "sender": "safety@school.example"}


@pytest.fixture
def place(mail: Running, certificates: Certificates) -> Iterator[EmailPlace]:
    place = EmailPlace(mail, certificates)
    yield place
    place.close()


def to(address: str, message: Outgoing) -> Outgoing:
    return replace(message, addressee=Addressee("alice", "张伟", "zh", {"email": address}))


def with_settings(account: Account, **settings: object) -> Account:
    return replace(account, settings={**account.settings, **settings})


def sent(message: Outgoing, account: Account) -> None:
    with closing(EmailChannel(SimulatedClock(NOW))) as channel:
        channel.send(message, account)


def refused(message: Outgoing, account: Account) -> TransportError:
    with pytest.raises(TransportError) as error:
        sent(message, account)
    return error.value


# --- the letter ------------------------------------------------------------------------------------------------------


def test_it_says_everything_in_plain_text_and_in_html_under_a_chinese_subject(place: EmailPlace) -> None:
    sent(place.message(), place.account())
    [taken] = place.taken()
    headers, page = taken.body["headers"], taken.body["html"]
    assert headers["subject"] == "待办：YH-2020-0012 插座面板破损，还有 4 天"
    assert headers["from"] == "青山学校安全办 <safety@school.example>"
    assert headers["to"] == "张伟 <zhangwei@school.example>"
    assert headers["message-id"] == "<msg_0123456789abcdef@school.example>"
    assert headers["date"] == "Wed, 15 Jan 2020 08:00:00 +0000"
    assert headers["auto-submitted"] == "auto-generated"
    assert f'<a href="{LINK}">{LINK}</a>' in page
    assert "教学楼三楼走廊<br>" in page
    assert 'lang="zh-CN"' in page


def test_on_the_line_it_is_plain_ascii_with_encoded_words(place: EmailPlace) -> None:
    sent(place.message(), place.account())
    raw = place.taken()[0].body["raw"]
    assert raw.isascii()
    assert "Subject: =?utf-8?" in raw
    letter = message_from_string(raw)
    assert letter.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in letter.walk()][1:] == ["text/plain", "text/html"]
    assert all(len(line) <= 998 for line in raw.splitlines())


def test_it_travels_encrypted_and_signed_in(place: EmailPlace) -> None:
    sent(place.message(), place.account())
    [taken] = place.taken()
    assert (taken.body["encrypted"], taken.body["signed_in"]) == (True, True)


def test_what_people_type_is_no_header_and_no_markup(place: EmailPlace) -> None:
    words = Words("题\r\nBcc: evil@evil.example", "<script>alert(1)</script>\r\n.\r\nQUIT\r\n..", LINK)
    message = replace(place.message(words), addressee=replace(ZHANG, name='张"伟\r\nBcc: <x@evil.example>'))
    sent(message, place.account())
    [taken] = place.taken()
    assert "bcc" not in taken.body["headers"]
    assert taken.body["headers"]["subject"] == "题 Bcc: evil@evil.example"
    assert "&lt;script&gt;" in taken.body["html"] and "<script>" not in taken.body["html"]
    assert "\n.\nQUIT\n.." in taken.body["text"], "a dot on a line of its own ends nothing"


def test_a_very_long_subject_arrives_whole(place: EmailPlace) -> None:
    subject = "插座面板破损，消防栓前堆放杂物。" * 30
    sent(place.message(Words(subject, "正文", None)), place.account())
    assert place.taken()[0].body["headers"]["subject"] == subject


# --- encryption ------------------------------------------------------------------------------------------------------


def test_a_server_encrypted_from_the_first_byte_takes_it_too(
    tmp_path: Path, certificates: Certificates, place: EmailPlace
) -> None:
    files = ["--certificate", str(certificates.certificate), "--key", str(certificates.key), "--implicit"]
    with Running("mail", tmp_path / "taken", files) as server:
        sent(place.message(), with_settings(place.account(), port=server.port, security="tls"))
        assert [taken.key for taken in server.taken] == ["msg_0123456789abcdef"]


def test_a_certificate_of_an_authority_that_nobody_named_is_not_trusted(place: EmailPlace, tmp_path: Path) -> None:
    for certificates in (None, certificates_in(tmp_path).authority):
        error = refused(place.message(), with_settings(place.account(), certificates=certificates))
        assert (error.sort, error.concerns) == ("again", "channel")
        assert "certificate is not trusted" in error.answer
    assert place.taken() == []


def test_a_certificate_of_another_name_is_not_trusted(place: EmailPlace) -> None:
    error = refused(place.message(), with_settings(place.account(), host=OTHER_NAME))
    assert error.sort == "again"
    assert "certificate is not trusted" in error.answer
    assert place.taken() == []


def test_a_server_that_offers_no_encryption_gets_neither_password_nor_message(place: EmailPlace) -> None:
    heard: list[bytes] = []

    class InTheClear(Stranger):
        def _serve(self) -> None:
            connection, _ = self._listener.accept()
            with connection:
                connection.sendall(b"220 mail\r\n")
                heard.append(connection.recv(1000))
                connection.sendall(b"250-mail\r\n250 AUTH PLAIN LOGIN\r\n")
                heard.append(connection.recv(1000))

    stranger = InTheClear(b"", drips=False)
    error = refused(place.message(), with_settings(place.account(), port=stranger.port))
    stranger.close()
    assert (error.sort, error.concerns) == ("give_up", "channel")
    assert "STARTTLS" in error.answer
    assert b"AUTH" not in b"".join(heard)


def test_at_least_tls_1_2_is_asked_for() -> None:
    assert trusting().minimum_version == ssl.TLSVersion.TLSv1_2
    assert trusting().verify_mode == ssl.CERT_REQUIRED
    assert trusting().check_hostname


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address, sort, concerns",
    [
        ("say-550-5.1.1@school.example", "give_up", "address"),
        ("say-550@school.example", "give_up", "address"),
        ("say-553-5.1.3@school.example", "give_up", "address"),
        ("say-552-5.2.2@school.example", "give_up", "address"),
        ("say-556-5.1.10@school.example", "give_up", "address"),
        ("say-554-5.7.1@school.example", "give_up", "channel"),
        ("say-450-4.2.0@school.example", "again", "message"),
        ("say-451-4.7.1@school.example", "again", "message"),
        ("say-452-4.3.1@school.example", "again", "message"),
        ("say-421-4.3.2@school.example", "slow_down", "channel"),
        ("frequent@school.example", "slow_down", "channel"),
        ("data-550-5.7.1@school.example", "give_up", "message"),
        ("data-552-5.3.4@school.example", "give_up", "message"),
        ("data-554@school.example", "give_up", "message"),
        ("data-451-4.3.0@school.example", "again", "message"),
        ("data-550-5.1.1@school.example", "give_up", "address"),
    ],
)
def test_a_refusal_is_sorted_by_its_codes_and_by_what_it_answers(
    place: EmailPlace, address: str, sort: Sort, concerns: Concerns
) -> None:
    error = refused(to(address, place.message()), place.account())
    assert (error.sort, error.concerns) == (sort, concerns)
    assert place.taken() == []


@pytest.mark.parametrize("code, sort", [("553-5.1.8", "give_up"), ("550-5.1.1", "give_up"), ("451-4.3.0", "again")])
def test_a_sender_that_is_refused_is_a_matter_of_the_account(place: EmailPlace, code: str, sort: Sort) -> None:
    error = refused(place.message(), with_settings(place.account(), sender=f"say-{code}@school.example"))
    assert (error.sort, error.concerns) == (sort, "channel" if sort == "give_up" else "message")


@pytest.mark.parametrize(
    "code, text, asked, sort, concerns",
    [
        (535, "Error: authentication failed", "signing in", "give_up", "channel"),
        (454, "4.7.0 Temporary authentication failure", "signing in", "again", "message"),
        (530, "5.7.0 Authentication required", "sender", "give_up", "channel"),
        (554, "5.7.1 your address is listed", "greeting", "give_up", "channel"),
        (421, "4.7.0 Too many connections", "greeting", "slow_down", "channel"),
        (550, "Ip frequency limited", "message", "slow_down", "channel"),
        (554, "5.4.6 Too many hops", "message", "give_up", "message"),
        (452, "4.5.3 Too many recipients", "recipient", "again", "message"),
        (550, "Mailbox unavailable or access denied", "recipient", "again", "message"),
        (553, "Mail from must equal authorized user", "sender", "give_up", "channel"),
        (521, "does not accept mail", "recipient", "give_up", "address"),
        (250, "odd", "recipient", "again", "message"),
    ],
)
def test_what_no_server_of_ours_says_is_sorted_too(
    code: int, text: str, asked: Asked, sort: Sort, concerns: Concerns
) -> None:
    verdict = verdict_on(code, text, asked)
    assert (verdict.sort, verdict.concerns) == (sort, concerns)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b@c.example",
        "a b@school.example",
        "a@school.example\r\nDATA",
        "a@school.example>",
        "<a@b.example>",
        "a,b@c.example",
        "张伟@school.example",
    ],
)
def test_what_is_no_address_is_never_asked(place: EmailPlace, address: str) -> None:
    error = refused(to(address, place.message()), with_settings(place.account(), port=1))
    assert (error.sort, error.concerns) == ("give_up", "address")


@pytest.mark.parametrize(
    "repeated", ["mail-password", "AHNhZmV0eUBzY2hvb2wuZXhhbXBsZQBtYWlsLXBhc3N3b3Jk", "bWFpbC1wYXNzd29yZA=="]
)
def test_a_server_that_repeats_the_password_does_not_show_it(place: EmailPlace, repeated: str) -> None:
    stranger = Stranger(f"554 5.7.1 we know you: {repeated}\r\n".encode(), drips=False)
    error = refused(place.message(), with_settings(place.account(), port=stranger.port))
    stranger.close()
    assert error.answer == "554 5.7.1 we know you: …"


# --- one connection for many messages --------------------------------------------------------------------------------


def a_letter(place: EmailPlace, number: int, address: str = "zhangwei@school.example") -> Outgoing:
    return to(address, place.message(key=f"msg_{number:016}"))


def taken_by(place: EmailPlace) -> list[tuple[int, int]]:
    """(key's number, connection) of every message, the connections counted from 0."""
    numbers = [taken.body["connection"] for taken in place.taken()]
    order = list(dict.fromkeys(numbers))
    return [(int(taken.key[4:]), order.index(number)) for taken, number in zip(place.taken(), numbers, strict=True)]


def until(true: Callable[[], bool]) -> None:
    waits_until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < waits_until, "it never came about"
        time.sleep(0.01)


def test_messages_that_follow_closely_go_over_one_connection(place: EmailPlace) -> None:
    channel = place.channel()
    for number, reader in enumerate(["zhangwei", "lina", "wangfang"]):
        channel.send(a_letter(place, number, f"{reader}@school.example"), place.account())
    assert taken_by(place) == [(0, 0), (1, 0), (2, 0)]
    assert [taken.account.partition("@")[0] for taken in place.taken()] == ["zhangwei", "lina", "wangfang"]


def test_a_connection_takes_so_many_messages_and_is_said_good_bye_to(place: EmailPlace) -> None:
    channel = place.channel()
    for number in range(2 * MESSAGES_A_CONNECTION + 1):
        channel.send(a_letter(place, number), place.account())
    assert [line for _, line in taken_by(place)] == [0] * MESSAGES_A_CONNECTION + [1] * MESSAGES_A_CONNECTION + [2]
    first, second, third = dict.fromkeys(taken.body["connection"] for taken in place.taken())
    assert place.ended() == [first, second]
    channel.close()
    assert place.ended() == [first, second, third]


def test_a_connection_that_lies_idle_is_ended_without_anybody_asking(place: EmailPlace) -> None:
    channel = place.channel(idle_seconds=0.05)
    channel.send(a_letter(place, 0), place.account())
    until(lambda: place.ended() == [taken.body["connection"] for taken in place.taken()])
    channel.send(a_letter(place, 1), place.account())
    assert taken_by(place) == [(0, 0), (1, 1)]


def test_a_worker_sends_what_is_due_for_an_account_over_one_connection(post: Post, place: EmailPlace) -> None:
    assert MESSAGES_A_CONNECTION >= OUTSIDE_GROUP
    alice = replace(ALICE, addresses={"email": "zhangwei@school.example"})
    post.directory.holders["assignee"] = [alice]
    post.outbox.write(*(a_notice(f"YH-2020-{number:04}") for number in range(OUTSIDE_GROUP)))
    worker = post.sending_by(place.account()).worker(place.channel())
    assert worker.run_once().direct == OUTSIDE_GROUP
    assert len({taken.key for taken in place.taken()}) == len(place.taken()) == OUTSIDE_GROUP
    assert len({taken.body["connection"] for taken in place.taken()}) == 1


@pytest.mark.parametrize(
    "then", ["hangs-up", "421-rset", "421-mail", "421-rcpt", "421-data", "451-rset", "451-mail", "550-mail"]
)
def test_a_server_that_has_enough_of_a_connection_gets_the_next_message_over_another(
    place: EmailPlace, then: str
) -> None:
    channel = place.channel()
    channel.send(a_letter(place, 0, f"then-{then}@school.example"), place.account())
    channel.send(a_letter(place, 1), place.account())
    channel.send(a_letter(place, 2), place.account())
    assert taken_by(place) == [(0, 0), (1, 1), (2, 1)]


def test_a_server_that_was_started_anew_gets_the_next_message_over_another(
    place: EmailPlace, tmp_path: Path, certificates: Certificates
) -> None:
    files = ["--certificate", str(certificates.certificate), "--key", str(certificates.key)]
    channel = place.channel()
    with Running("mail", tmp_path / "taken", files) as server:
        account = with_settings(place.account(), port=server.port)
        channel.send(a_letter(place, 0), account)
        server.kill()
        server.again()
        channel.send(a_letter(place, 1), account)
        server.kill()
        with pytest.raises(TransportError, match="no answer") as error:
            channel.send(a_letter(place, 2), account)
        assert error.value.sort == "again"
        server.again()
        channel.send(a_letter(place, 2), account)
        assert [int(taken.key[4:]) for taken in server.taken] == [0, 1, 2]


@pytest.mark.parametrize(
    "reader, sort",
    [
        ("say-421-4.3.2@school.example", "slow_down"),
        ("data-421-4.3.2@school.example", "slow_down"),
        ("frequent@school.example", "slow_down"),
        ("closes@school.example", "again"),
        ("say-550-5.1.1@school.example", "give_up"),
        ("data-552-5.3.4@school.example", "give_up"),
        ("say-451-4.3.0@school.example", "again"),
    ],
)
def test_a_refusal_is_sorted_the_same_over_a_connection_that_was_kept(
    place: EmailPlace, reader: str, sort: Sort
) -> None:
    channel = place.channel()
    channel.send(a_letter(place, 0), place.account())
    with pytest.raises(TransportError) as error:
        channel.send(a_letter(place, 1, reader), place.account())
    alone = refused(a_letter(place, 1, reader), place.account())
    assert (error.value.sort, error.value.concerns) == (alone.sort, alone.concerns)
    assert (error.value.sort, error.value.answer) == (sort, alone.answer)
    channel.send(a_letter(place, 2), place.account())
    assert [key for key, _ in taken_by(place)] == [0, 2]


@pytest.mark.parametrize("reader", ["say-550-5.1.1", "say-450-4.2.0", "data-552-5.3.4", "data-451-4.3.0", "frequent"])
def test_a_message_that_is_refused_leaves_the_connection_to_the_next(place: EmailPlace, reader: str) -> None:
    channel = place.channel()
    channel.send(a_letter(place, 0), place.account())
    with pytest.raises(TransportError):
        channel.send(a_letter(place, 1, f"{reader}@school.example"), place.account())
    channel.send(a_letter(place, 2), place.account())
    assert taken_by(place) == [(0, 0), (2, 0)]


@pytest.mark.parametrize(
    "first, second, arrived",
    [
        ("then-dies-data@school.example", "zhangwei@school.example", [0]),
        ("zhangwei@school.example", "dies@school.example", [0, 1]),
    ],
    ids=["in the middle of its text", "behind its text"],
)
def test_a_message_whose_text_was_begun_goes_no_second_time_by_itself(
    place: EmailPlace, first: str, second: str, arrived: list[int]
) -> None:
    channel = place.channel()
    channel.send(a_letter(place, 0, first), place.account())
    with pytest.raises(TransportError, match="no answer") as error:
        channel.send(a_letter(place, 1, second), place.account())
    assert (error.value.sort, error.value.concerns) == ("again", "message")
    assert [key for key, _ in taken_by(place)] == arrived
    channel.send(a_letter(place, 1), place.account())
    assert taken_by(place)[-1] == (1, 1), "the schedule sends it again, over another connection"


def test_a_server_that_drips_over_a_connection_that_was_kept_is_cut_off_in_bounded_time(place: EmailPlace) -> None:
    channel = place.channel(seconds=SLOW)
    channel.send(a_letter(place, 0), place.account())
    begun = time.monotonic()
    with pytest.raises(TransportError, match="it took too long"):
        channel.send(a_letter(place, 1, "drips@school.example"), place.account())
    assert time.monotonic() - begun < 10 * SLOW


def test_a_changed_account_is_asked_anew_with_the_next_message(place: EmailPlace) -> None:
    channel, account = place.channel(), place.account()
    channel.send(a_letter(place, 0), account)
    channel.send(a_letter(place, 1), with_settings(account, sender_name="安全办"))
    with pytest.raises(TransportError, match="535"):
        channel.send(a_letter(place, 2), replace(account, secrets={"password": "quite-another-secret"}))
    with pytest.raises(TransportError, match="certificate"):
        channel.send(a_letter(place, 2), with_settings(account, host=OTHER_NAME))
    with pytest.raises(TransportError, match="inside"):
        channel.send(a_letter(place, 2), replace(account, may_reach_inside=False))
    assert taken_by(place) == [(0, 0), (1, 1)]


def test_no_account_sends_over_the_connection_of_another(place: EmailPlace) -> None:
    channel, account = place.channel(), place.account()
    others = [account, replace(account, id="theirs"), replace(account, organisation="another school")]
    for number, each in enumerate(others * 2):
        channel.send(a_letter(place, number), each)
    assert taken_by(place) == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2)]


def test_nothing_is_kept_once_the_channel_is_closed(place: EmailPlace) -> None:
    channel = place.channel()
    channel.close()
    channel.send(a_letter(place, 0), place.account())
    assert place.ended() == [taken.body["connection"] for taken in place.taken()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks nothing")
def test_a_process_that_is_forked_opens_a_connection_of_its_own(place: EmailPlace) -> None:
    letters = [a_letter(place, number) for number in range(3)]
    # by a process that has no other threads: to fork the tests' would be a gamble
    process = multiprocessing.get_context("spawn").Process(target=_fork_and_send, args=(letters, place.account()))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert taken_by(place) == [(0, 0), (1, 1), (2, 0)]


def _fork_and_send(letters: list[Outgoing], account: Account) -> None:
    with closing(EmailChannel(SimulatedClock(NOW))) as channel:
        channel.send(letters[0], account)
        child = os.fork()
        if not child:
            channel.send(letters[1], account)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        channel.send(letters[2], account)
    assert os.waitstatus_to_exitcode(status) == 0


# --- setting it up ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "smtp.school.example:465"}, {"host": "smtp school"}, {"host": ""}, {"host": "https://smtp.school.example"},
        {"port": 0}, {"port": 65536}, {"security": "none"}, {"sender": "safety"}, {"sender": "a@b.example\r\nBcc: c@d.example"},
        {"sender_name": "Safety\r\nBcc: c@d.example"}, {"username": "safety"}, {"password": "secret"}, {"username": "safety", "password": "密码"},
        {"certificates": "no certificate"}, {"certificates": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_when_it_is_set_up(wrong: dict[str, object]) -> None:
    assert EmailForm.model_validate(FORM).security == "tls"
    with pytest.raises(ValidationError):
        EmailForm.model_validate({**FORM, **wrong})


def test_it_begins_encrypted_where_nobody_says_otherwise() -> None:
    form = EmailForm.model_validate(FORM)
    assert (form.port, form.security) == (465, "tls")
