"""E-mail, spoken to a real mail server in a process of its own."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_string
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.clock import SimulatedClock
from notifications.channels import Account, Concerns, Sort, TransportError
from notifications.channels.email import Asked, EmailChannel, EmailForm, verdict_on
from notifications.channels.posting import trusting
from notifications.message import Addressee, Outgoing, Words
from tests.notifications.channels.places import LINK, NOW, ZHANG, EmailPlace, Stranger
from tests.services.certificates import Certificates, certificates_in
from tests.services.processes import Running

CHANNEL = EmailChannel(SimulatedClock(NOW))
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


def refused(message: Outgoing, account: Account) -> TransportError:
    with pytest.raises(TransportError) as error:
        CHANNEL.send(message, account)
    return error.value


# --- the letter ------------------------------------------------------------------------------------------------------


def test_it_says_everything_in_plain_text_and_in_html_under_a_chinese_subject(place: EmailPlace) -> None:
    CHANNEL.send(place.message(), place.account())
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
    CHANNEL.send(place.message(), place.account())
    raw = place.taken()[0].body["raw"]
    assert raw.isascii()
    assert "Subject: =?utf-8?" in raw
    letter = message_from_string(raw)
    assert letter.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in letter.walk()][1:] == ["text/plain", "text/html"]
    assert all(len(line) <= 998 for line in raw.splitlines())


def test_it_travels_encrypted_and_signed_in(place: EmailPlace) -> None:
    CHANNEL.send(place.message(), place.account())
    [taken] = place.taken()
    assert (taken.body["encrypted"], taken.body["signed_in"]) == (True, True)


def test_what_people_type_is_no_header_and_no_markup(place: EmailPlace) -> None:
    words = Words("题\r\nBcc: evil@evil.example", "<script>alert(1)</script>\r\n.\r\nQUIT\r\n..", LINK)
    message = replace(place.message(words), addressee=replace(ZHANG, name='张"伟\r\nBcc: <x@evil.example>'))
    CHANNEL.send(message, place.account())
    [taken] = place.taken()
    assert "bcc" not in taken.body["headers"]
    assert taken.body["headers"]["subject"] == "题 Bcc: evil@evil.example"
    assert "&lt;script&gt;" in taken.body["html"] and "<script>" not in taken.body["html"]
    assert "\n.\nQUIT\n.." in taken.body["text"], "a dot on a line of its own ends nothing"


def test_a_very_long_subject_arrives_whole(place: EmailPlace) -> None:
    subject = "插座面板破损，消防栓前堆放杂物。" * 30
    CHANNEL.send(place.message(Words(subject, "正文", None)), place.account())
    assert place.taken()[0].body["headers"]["subject"] == subject


# --- encryption ------------------------------------------------------------------------------------------------------


def test_a_server_encrypted_from_the_first_byte_takes_it_too(
    tmp_path: Path, certificates: Certificates, place: EmailPlace
) -> None:
    files = ["--certificate", str(certificates.certificate), "--key", str(certificates.key), "--implicit"]
    with Running("mail", tmp_path / "taken", files) as server:
        CHANNEL.send(place.message(), with_settings(place.account(), port=server.port, security="tls"))
        assert [taken.key for taken in server.taken] == ["msg_0123456789abcdef"]


def test_a_certificate_of_an_authority_that_nobody_named_is_not_trusted(place: EmailPlace, tmp_path: Path) -> None:
    for certificates in (None, certificates_in(tmp_path).authority):
        error = refused(place.message(), with_settings(place.account(), certificates=certificates))
        assert (error.sort, error.concerns) == ("again", "channel")
        assert "certificate is not trusted" in error.answer
    assert place.taken() == []


def test_a_certificate_of_another_name_is_not_trusted(place: EmailPlace) -> None:
    error = refused(place.message(), with_settings(place.account(), host="127.0.0.2"))
    assert error.sort == "again"
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
