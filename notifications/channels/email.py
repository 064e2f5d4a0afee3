"""E-mail by the school's own mail server (SMTP): always encrypted, its certificate always verified.

Messages of one account that follow closely go over one connection: servers bound how many are opened, and to open one is
most of the work. It is replaced only while its server has not said yet that it wants the text: until then it cannot have
the message; afterwards nobody knows.

Source    RFC 5321 (4.2: reply codes; 4.1.1.5, 4.5.3.2.7: RSET, and how long a server waits), RFC 3463 and the IANA registry of
          enhanced status codes, RFC 7504 (521, 556), RFC 6409 (submission), RFC 3834 (Auto-Submitted)
          https://service.mail.qq.com/detail/122/172 to 175 (frequency limits that come as 550 and go away when one waits)
          https://www.postfix.org/CONNECTION_CACHE_README.html (RSET tells whether a connection is still good)
"""

import base64
import html
import re
import smtplib
import socket
import ssl
from contextlib import suppress
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from engine.clock import Clock
from engine.errors import Text
from engine.events import Recipient
from notifications import answers
from notifications.answers import as_kept
from notifications.channels import Account, Receipt, TransportError
from notifications.channels.bounding import Overdue, bounded
from notifications.channels.codes import BAD_ACCOUNT, BAD_ADDRESS, BAD_MESSAGE, TRY_AGAIN, Verdict
from notifications.channels.fence import must_be_outside, must_lead_outside
from notifications.channels.fitting import with_link
from notifications.channels.forms import Form, described, said
from notifications.channels.keeping import Keeping
from notifications.channels.posting import SHOWN_CHARACTERS, TOO_SLOW, Patience, scrubbed, trusting
from notifications.message import Outgoing

TOTAL_SECONDS = 20.0  # of one message: a greeting may take its time where a server looks for spam
GOOD_BYE_SECONDS = 1.0  # a server that takes longer has had its messages all the same
#: what a connection lies idle. A server waits for five minutes at least (RFC 5321, 4.5.3.2.7), but keeping one that nobody
#: uses is unkind where a mailbox may have three at once: Postfix's own client keeps them as long as this.
#: Source: https://www.postfix.org/postconf.5.html#smtp_connection_cache_time_limit
#:         https://learn.microsoft.com/en-us/exchange/troubleshoot/send-emails/smtp-submission-improvements
IDLE_SECONDS = 2.0
#: on one connection. RFC 5321 names no bound and servers have their own: Exim puts aside what comes after the tenth until
#: its next round, by default. Source: https://github.com/Exim/exim/wiki/Q0009
MESSAGES_A_CONNECTION = 10
LATER = timedelta(minutes=5)  # where a server has enough of us and does not say for how long

ADDRESS = re.compile(r"[^\s@<>(),;:\\\"\[\]\x00-\x1f\x7f]{1,64}@[^\s@<>(),;:\\\"\[\]\x00-\x1f\x7f]{1,253}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
#: a loop has too many hops, and no patience helps
TOO_MUCH = re.compile(r"frequen|too many (?!hops|recipients)|rate.?limit|throttl|频率|过于频繁", re.IGNORECASE)
LINE_WITH_A_DOT = re.compile(rb"^\.", re.MULTILINE)
ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")

ENOUGH = Verdict("slow_down", "channel", LATER)

#: by (subject, detail) of an enhanced code 5.x.x; what is not here goes by the reply's own code and by what was asked then
BY_ENHANCED: dict[tuple[int, int], Verdict] = {
    **dict.fromkeys(
        [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 6), (1, 10)], BAD_ADDRESS
    ),  # mailbox or domain: none such
    **dict.fromkeys([(2, 0), (2, 1), (2, 2)], BAD_ADDRESS),  # mailbox closed, or full since nobody reads it
    **dict.fromkeys([(4, 1), (4, 4)], BAD_ADDRESS),  # no way there
    **dict.fromkeys(
        [(2, 3), (3, 4), (3, 5), (6, 0), (6, 1), (6, 2), (6, 3), (6, 7)], BAD_MESSAGE
    ),  # too long, or of a form
    **dict.fromkeys([(1, 7), (1, 8)], BAD_ACCOUNT),  # our own address
    **dict.fromkeys([(7, 0), (7, 8), (7, 9), (7, 11), (7, 13), (7, 14)], BAD_ACCOUNT),  # who we are
}

Asked = Literal["greeting", "signing in", "sender", "recipient", "message"]

#: a plain 5xx says nothing but what it was the answer to
BY_QUESTION: dict[Asked, Verdict] = {
    "greeting": BAD_ACCOUNT,
    "signing in": BAD_ACCOUNT,
    "sender": BAD_ACCOUNT,
    "recipient": BAD_ADDRESS,
    "message": BAD_MESSAGE,
}


#: apart from those of HTTP, whose client writes into them that it speaks HTTP: a mail server may hang up on that
_trusting = lru_cache(maxsize=64)(trusting)


class EmailForm(Form):
    """The mail server's data, as its provider names them."""

    host: str = Field(max_length=253, description=described("发件服务器（SMTP）", "Outgoing mail server (SMTP)"))
    port: int = Field(465, ge=1, le=65535, description=described("端口", "Port"))
    security: Literal["tls", "starttls"] = Field(
        "tls",
        description=described(
            "加密：tls（多为 465 端口）或 starttls（多为 587 端口）",
            "Encryption: tls (mostly port 465) or starttls (587)",
        ),
    )
    username: str | None = Field(None, max_length=320, description=described("登录名", "User name"))
    password: SecretStr | None = Field(
        None, min_length=1, max_length=500, description=described("密码或授权码", "Password or authorisation code")
    )
    sender: str = Field(max_length=320, description=described("发件地址", "Address of the sender"))
    sender_name: str = Field("", max_length=100, description=described("发件人名称", "Name of the sender"))
    certificates: str | None = Field(
        None,
        max_length=100_000,
        description=described(
            "自建服务器的 CA 证书（PEM 文本）", "CA certificates of a server of one's own, as PEM text"
        ),
    )

    def secrets_go_to(self) -> str:
        return f"{self.host.lower()}:{self.port}"

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        if not HOST.fullmatch(host):
            raise said(
                "不是服务器名；请填写 smtp.example.com 这样的名称，不带端口",
                "is no name of a server; give it like smtp.example.com, without a port",
            )
        return host

    @field_validator("sender")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        if not _is_address(address):
            raise said(
                "不是邮箱地址；请填写 safety@example.com 这样的地址",
                "is no e-mail address; give it like safety@example.com",
            )
        return address

    @field_validator("sender_name", "username")
    @classmethod
    def _is_one_line(cls, text: str | None) -> str | None:
        if text is not None and not text.isprintable():
            raise said(
                "只能是一行普通文字；请去掉其他字符", "has to be one line of plain text; take the other characters out"
            )
        return text

    @field_validator("password")
    @classmethod
    def _can_be_sent(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None and not password.get_secret_value().isascii():
            raise said(
                "只能含 ASCII 字符：邮件服务器不接受其他字符",
                "has to be of ASCII characters: mail servers take no others",
            )
        return password

    @field_validator("certificates")
    @classmethod
    def _are_certificates(cls, pem: str | None) -> str | None:
        try:
            _trusting(pem)
        except (ssl.SSLError, ValueError) as error:
            raise said(
                "不是证书；请粘贴完整的 PEM 文本，含 BEGIN 与 END 两行",
                "are no certificates; paste the whole PEM text, with its BEGIN and END",
            ) from error
        return pem

    @model_validator(mode="after")
    def _signs_in_with_both(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise said(
                "登录名和密码须同时填写，或都不填", "signing in needs a user name and a password; give both or neither"
            )
        return self


class EmailChannel:
    """One message a conversation; plain text and the same as simple HTML, under a Message-ID made from the message's key."""

    name = "email"
    title = Text("电子邮件", "E-mail")
    outside = True
    serves: Literal["person"] = "person"
    limit = None
    form = EmailForm

    def __init__(
        self,
        clock: Clock,
        client: object = None,
        *,
        seconds: float = TOTAL_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._kept: Keeping[tuple[str, str], _Line] = Keeping(_Line.part, _Line.drop, idle_seconds)

    def address_of(self, recipient: Recipient) -> str | None:
        return recipient.addresses.get("email") or None

    def send(self, message: Outgoing, account: Account) -> Receipt:
        form = EmailForm.of(account)
        to = message.addressee.addresses.get("email", "")
        if not _is_address(to):
            raise BAD_ADDRESS.error("no e-mail address")
        try:
            letter = self._written(message, form, to)
        except (MessageError, ValueError, IndexError) as error:
            raise BAD_ADDRESS.error(f"no e-mail address: {type(error).__name__}") from None
        try:
            return Receipt(_shown(self._sent(letter, form, to, account), form))
        except _Refused as refused:
            answer = _shown(f"{refused.code} {refused.text}", form)
            raise verdict_on(refused.code, refused.text, refused.asked).error(answer) from None

    def close(self) -> None:
        self._kept.close()

    def _written(self, message: Outgoing, form: EmailForm, to: str) -> EmailMessage:
        words, name = message.words, " ".join(message.addressee.name.split())
        letter = EmailMessage(policy=SMTP)
        letter["Subject"] = _line(words.subject)
        letter["From"] = Address(form.sender_name, addr_spec=form.sender)
        letter["To"] = Address(name if name.isprintable() else "", addr_spec=to)
        letter["Date"] = format_datetime(self._clock.now())
        # a second copy has the same, and most programs show it once
        letter["Message-ID"] = f"<{message.key}@{form.sender.rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"  # so that nobody's "I am away" answers it
        letter["X-Bihuan-Key"] = message.key
        text = with_link(words).encode("utf-8", "replace").decode()
        letter.set_content(f"{text}\n", cte="base64")
        letter.add_alternative(_in_html(text, words.link, message.addressee.locale), subtype="html", cte="base64")
        return letter

    def _sent(self, letter: EmailMessage, form: EmailForm, to: str, account: Account) -> str:
        """What the server said when it took the message over.

        Raises    _Refused, TransportError
        """
        of, patience = (account.organisation, account.id), Patience.of(self._seconds)
        line = self._line_of(of, form, account.may_reach_inside)
        try:
            with bounded(self._seconds, lambda: line.connection) as overdue:
                try:
                    text = letter.as_bytes()
                    try:
                        return line.hand_over(text, to, patience, overdue)
                    except _Gone:
                        line = _Line(form, account.may_reach_inside)
                        return line.hand_over(text, to, patience, overdue)
                except ssl.SSLCertVerificationError as error:
                    what = as_kept(answers.NOT_TRUSTED, error.verify_message)
                    raise TransportError(what, concerns="channel") from None
                except smtplib.SMTPNotSupportedError as error:
                    raise TransportError(as_kept(answers.CANNOT, str(error)), "give_up", concerns="channel") from None
                except (smtplib.SMTPException, OSError, ValueError) as error:
                    if overdue or patience.left <= 0 or isinstance(error, TimeoutError):
                        raise TransportError(TOO_SLOW) from None
                    raise TransportError(
                        as_kept(answers.NO_ANSWER, _shown(f"{type(error).__name__}: {error}", form))
                    ) from None
        finally:
            self._let_go(of, line)

    def _line_of(self, of: tuple[str, str], form: EmailForm, may_reach_inside: bool) -> "_Line":
        """The one that is kept, unless the account was changed since it was opened; else one that is still to be opened."""
        kept = self._kept.take(of)
        if kept is not None and (kept.form, kept.may_reach_inside) == (form, may_reach_inside):
            return kept
        if kept is not None:
            kept.part()
        return _Line(form, may_reach_inside)

    def _let_go(self, of: tuple[str, str], line: "_Line") -> None:
        """Keep it or close it. Raises nothing: the message may have been taken, and would be sent again."""
        try:
            if not line.waits:
                line.drop()
            elif line.begun < MESSAGES_A_CONNECTION:
                self._kept.keep(of, line)
            else:
                line.part()
        except RuntimeError:  # no thread is to be had that would close it in time
            line.drop()


class _Refused(Exception):
    def __init__(self, code: int, text: str | bytes, asked: Asked) -> None:
        self.code = code
        self.text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        self.asked = asked
        super().__init__(code)

    @property
    def leaves_the_line_open(self) -> bool:
        """Whether it was about this message alone, and the server waits for the next. 421 says that it hangs up."""
        return self.asked in {"recipient", "message"} and 400 <= self.code < 600 and self.code != 421


class _Gone(Exception):
    """A connection that was kept is of no use any more, and its server has not got the message."""


class _Plain(smtplib.SMTP):
    """Known from before it connects, so that a greeting that drips can be cut off."""

    def __init__(self, begun: list[smtplib.SMTP], *args: Any, **how: Any) -> None:
        begun.append(self)
        self.sock = None
        super().__init__(*args, **how)


class _Encrypted(smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""

    def __init__(self, begun: list[smtplib.SMTP], *args: Any, **how: Any) -> None:
        begun.append(self)
        self.sock = None
        super().__init__(*args, **how)


class _Line:
    """A connection to a mail server under an account's settings; opened with its first message.

    begun    messages it was asked for
    waits    whether its server waits for the next
    """

    def __init__(self, form: EmailForm, may_reach_inside: bool) -> None:
        self.form = form
        self.may_reach_inside = may_reach_inside
        self.begun = 0
        self.waits = False
        self._smtp: list[smtplib.SMTP] = []  # one, from before it connects
        self._wants_the_text = False

    @property
    def connection(self) -> socket.socket | None:
        return self._smtp[0].sock if self._smtp else None

    def hand_over(self, letter: bytes, to: str, patience: Patience, overdue: Overdue) -> str:
        """The whole conversation about one message, a question at a time, so that each refusal is known by what it refuses.

        Returns   what the server said when it took the message over
        Raises    _Gone; of a first message and of one whose text was wanted, what stands in the way itself: _Refused,
                  TransportError, SMTPException, OSError, ValueError
        """
        self.waits, self._wants_the_text = False, False
        if not self.begun:
            self._open(patience.left)
            overdue.look_again()  # it was too late, perhaps, before there was anything to cut off
            return self._ask(letter, to)
        try:
            if self.connection is not None:
                self.connection.settimeout(max(patience.left, 0.0))
            _must_be(*self._smtp[0].rset(), {250}, "sender")
            return self._ask(letter, to)
        except (_Refused, smtplib.SMTPException, OSError):
            if self.waits or self._wants_the_text or overdue or patience.left <= 0:
                raise
            self.drop()
            raise _Gone from None

    def _open(self, seconds: float) -> None:
        """Connect and sign in."""
        form, context = self.form, _trusting(self.form.certificates)
        us = form.sender.rpartition("@")[2]
        if not self.may_reach_inside:
            must_lead_outside(form.host, form.port)
        try:
            if form.security == "tls":
                smtp: smtplib.SMTP = _Encrypted(self._smtp, form.host, form.port, us, timeout=seconds, context=context)
            else:
                smtp = _Plain(self._smtp, form.host, form.port, us, timeout=seconds)
        except smtplib.SMTPConnectError as error:
            raise _Refused(error.smtp_code, error.smtp_error, "greeting") from None
        if not self.may_reach_inside and smtp.sock is not None:
            must_be_outside(smtp.sock)
        try:
            if form.security == "starttls":
                smtp.ehlo_or_helo_if_needed()
                # raises where it is not offered: never in the clear instead
                code, text = smtp.starttls(context=context)
                _must_be(code, text, {220}, "greeting")
            smtp.ehlo_or_helo_if_needed()
            if form.username is not None and form.password is not None:
                smtp.login(form.username, form.password.get_secret_value())
        except smtplib.SMTPAuthenticationError as error:
            raise _Refused(error.smtp_code, error.smtp_error, "signing in") from None
        except smtplib.SMTPResponseException as error:
            raise _Refused(error.smtp_code, error.smtp_error, "greeting") from None

    def _ask(self, letter: bytes, to: str) -> str:
        [smtp] = self._smtp
        self.begun += 1
        try:
            _must_be(*smtp.mail(self.form.sender), {250}, "sender")
            _must_be(*smtp.rcpt(to), {250, 251, 252}, "recipient")
            _must_be(*smtp.docmd("DATA"), {354}, "message")
            self._wants_the_text = True
            smtp.send(_as_it_travels(letter))
            code, text = smtp.getreply()
            _must_be(code, text, {250}, "message")
        except _Refused as refused:
            self.waits = refused.leaves_the_line_open
            raise
        self.waits = True
        return f"{code} {text.decode('utf-8', 'replace')}"

    def part(self) -> None:
        """Close it as one does, but within a bounded time; where no thread is to be had for that, without a word."""
        lost = (smtplib.SMTPException, OSError, RuntimeError)
        with suppress(*lost), bounded(GOOD_BYE_SECONDS, lambda: self.connection):
            self._smtp[0].quit()  # it has its messages, whatever becomes of the good-bye
        self.drop()

    def drop(self) -> None:
        """Close it without a word."""
        for smtp in self._smtp:
            with suppress(OSError):
                smtp.close()


def _as_it_travels(letter: bytes) -> bytes:
    """With the mark of its end, and so that no line of it looks like that. Source: RFC 5321, 4.5.2."""
    stuffed = LINE_WITH_A_DOT.sub(b"..", letter)
    return stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _must_be(code: int, text: bytes, wanted: set[int], asked: Asked) -> None:
    if code not in wanted:
        raise _Refused(code, text, asked)


def verdict_on(code: int, text: str, asked: Asked) -> Verdict:
    """Sort a refusal.

    1. a limit, however it is coded: slow down
    2. 4xx: again; 421 closes the door for a while
    3. 5xx by its enhanced code, where it has one that says something
    4. any other by what was asked
    """
    if TOO_MUCH.search(text) or code == 421:
        return ENOUGH
    if "mailbox unavailable or access denied" in text.lower():  # detail/122/166: this reader had too many just now
        return TRY_AGAIN
    if not 500 <= code < 600:
        return TRY_AGAIN
    if code in {521, 556} and asked == "recipient":  # the domain takes no mail
        return BAD_ADDRESS
    if code in {530, 534, 535, 538}:
        return BAD_ACCOUNT
    enhanced = ENHANCED.search(text)
    if enhanced is not None and enhanced[1] == "5":
        known = BY_ENHANCED.get((int(enhanced[2]), int(enhanced[3])))
        if known is not None:
            # 5.1.x is also said of a sender that the server does not know
            return BAD_ACCOUNT if known is BAD_ADDRESS and asked == "sender" else known
        if (enhanced[2], enhanced[3]) == ("7", "1"):
            # not allowed: to relay for us, before the message is seen; to take this one, after
            return BAD_MESSAGE if asked == "message" else BAD_ACCOUNT
    return BY_QUESTION[asked]


def _is_address(text: str) -> bool:
    """ASCII only: the few servers that know other letters before the @ are not worth a message that some hop drops."""
    return text.isascii() and ADDRESS.fullmatch(text) is not None


def _shown(text: str, form: EmailForm) -> str:
    """For the record, also where a server repeats what it was told: the password travels as base64."""
    password = "" if form.password is None else form.password.get_secret_value()
    travels = [f"\0{form.username}\0{password}", f"{form.username}\0{form.username}\0{password}", password]
    hidden = [password, *(base64.b64encode(each.encode()).decode() for each in travels if password)]
    return " ".join(scrubbed(text, hidden).split())[:SHOWN_CHARACTERS]


def _line(text: str) -> str:
    """One line of what can be shown: a subject that breaks would begin another header."""
    clean = "".join(c if c.isprintable() else " " for c in text.encode("utf-8", "replace").decode())
    return " ".join(clean.split())


def _in_html(text: str, link: str | None, locale: str) -> str:
    shown = html.escape(text)
    if link:
        address = html.escape(link)
        shown = shown.replace(address, f'<a href="{address}">{address}</a>')
    lines = "<br>\n".join(shown.split("\n"))
    language = "zh-CN" if locale == "zh" else "en"
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head><meta charset="utf-8"></head>\n'
        f'<body style="font-family: sans-serif; line-height: 1.6">\n<p>{lines}</p>\n</body>\n</html>\n'
    )
