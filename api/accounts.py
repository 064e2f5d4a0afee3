"""What people and administrators do with accounts: sessions ended, tokens made and revoked, passwords set; others' on record."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from api.directory import Editor, NotInDirectory, beyond_the_delegation, not_in_his_place, within_the_delegation
from api.passwords import Hashing, drawn
from engine.directory import AT, Person
from engine.errors import NotPossibleNow, Text
from engine.store import accounts, feeds, people
from engine.store.accounts import Allows, Unopened
from engine.store.database import Database

TOKEN_BYTES = 32
MARK = "bihuan_"  # so that a token found in a file is recognised for what it is
LONGEST_LABEL = 100
MOST_DAYS = 3650

RESETTING = Text("重置密码", "Reset a password")
HANDING_OUT = Text("生成首次密码", "Draw first passwords")
REVOKING = Text("吊销令牌", "Revoke a token")
ENDING = Text("注销登录", "End a session")
MAKING_TOKEN = Text("新建令牌", "Make a token")


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token, to be shown this once."""

    token: str
    label: str
    allows: Allows
    expires_at: datetime | None

    @property
    def prefix(self) -> str:
        return self.token[:12]


def make_token(
    database: Database, organisation: str, person: str, label: str, allows: Allows, days: int | None, now: datetime
) -> MadeToken:
    """A token of this person's; for good where no days are said."""
    expires_at = now + timedelta(days=days) if days else None
    made = MadeToken(MARK + secrets.token_urlsafe(TOKEN_BYTES), label, allows, expires_at)
    with database.write(organisation) as connection:
        accounts.add_token(connection, organisation, person, made.token, label, now, expires_at, allows)
    return made


def revoke_own_token(database: Database, organisation: str, person: str, prefix: str, now: datetime) -> None:
    with database.write(organisation) as connection:
        if not accounts.revoke_token(connection, organisation, prefix, now, person=person):
            raise _no_token(prefix)


def revoke_token(editor: Editor, person: str | None, prefix: str) -> int:
    """Revoke somebody's token, or whoever's it is; gives how many begin so."""

    def apply(connection: Connection) -> int:
        if person is not None:
            must_be_here(connection, editor.organisation, person, REVOKING)
            within_the_delegation(connection, editor, REVOKING, person)
        revoked = accounts.revoke_token(connection, editor.organisation, prefix, editor.at, person=person)
        if not revoked:
            raise _no_token(prefix)
        return revoked

    about = {"prefix": prefix} if person is None else {"person": person, "prefix": prefix}
    return editor.does(REVOKING, "token_revoked", about, apply)


def set_first_password(editor: Editor, hashing: Hashing, person: str, chosen: str | None = None) -> str:
    """Set somebody's password, drawn where none is chosen; he has to change it first of all, is signed out everywhere, and his
    links to calendars lead nowhere any more, also those he made at a school that granted him something. His tokens go on: they
    are scripts', and shown in a list of their own. Another account of the same human being has a password of its own, and
    somebody who answers for it.

    Returns    the password, to be shown this once
    """
    password = drawn() if chosen is None else chosen
    with editor.reading() as connection:
        must_be_here(connection, editor.organisation, person, RESETTING)
        within_the_delegation(connection, editor, RESETTING, person)
    with hashing.turn() as hasher:
        hashed = hasher.hashed(password)

    def apply(connection: Connection) -> None:
        must_be_here(connection, editor.organisation, person, RESETTING)
        within_the_delegation(connection, editor, RESETTING, person)
        accounts.set_password(connection, editor.organisation, person, hashed, editor.at, must_change=True)
        accounts.end_sessions(connection, editor.organisation, person, editor.at)
        feeds.revoke_all(connection, editor.organisation, person, editor.at)

    editor.does(RESETTING, "password_reset", {"person": person}, apply, following=True)
    return password


def hand_out(editor: Editor, hashing: Hashing, slips: Sequence[tuple[Unopened, str]]) -> None:
    """Let each of these people in by a first password that was `drawn` for him: all of them, or nobody. Whoever had one before is
    let in by that no more, and is signed out.

    slips    who, as he stood when the paper was made that now exists, and what it says he signs in with
    Raises   NotPossibleNow where anybody stands otherwise by now; NotAllowed for what a delegate does not do
    """
    hashes = list(hashing.each_as_drawn([password for _, password in slips]))

    def apply(connection: Connection) -> None:
        beyond = beyond_the_delegation(connection, editor)
        standing = {each.person: each for each in accounts.unopened(connection, editor.organisation)}
        for (each, _), hashed in zip(slips, hashes, strict=True):
            if standing.get(each.person) != each:
                raise handed_out_meanwhile()
            if (obstacle := beyond(each.person)) is not None:
                raise not_in_his_place(HANDING_OUT, obstacle)
            # he may be choosing his own at this very moment, which no lock of the directory's keeps him from
            if not accounts.replace_password(
                connection, editor.organisation, each.person, each.kept, hashed, editor.at, must_change=True
            ):
                raise handed_out_meanwhile()
            if each.kept is not None:
                accounts.end_sessions(connection, editor.organisation, each.person, editor.at)
                feeds.revoke_all(connection, editor.organisation, each.person, editor.at)

    about = {
        "persons": [each.person for each, _ in slips], "instead": sum(each.kept is not None for each, _ in slips),
    }  # fmt: skip
    editor.does(HANDING_OUT, "first_passwords_drawn", about, apply)


def handed_out_meanwhile() -> NotPossibleNow:
    """For who pressed twice, or came second: what the first answer gave he may never have seen."""
    return NotPossibleNow(
        asked=HANDING_OUT,
        obstacle=Text(
            "打开这个页面以后情况有了变化：其中有人的首次密码刚生成过，已自己设了密码，或在名册中有了变动",
            "this changed since the page was shown: for some of them one was drawn just now, they chose their own, or the directory has them otherwise",
        ),
        remedy=Text(
            "没有改动任何密码。请先看浏览器的下载；没有收到的，在“已生成”下重新生成",
            "No password was changed. Look among what your browser took down first; without it, draw them again below",
        ),
    )


def end_session(editor: Editor, person: str, name: str | None) -> int:
    """End one of somebody's sessions, or all of them with his links to calendars; gives how many sessions."""

    def apply(connection: Connection) -> int:
        must_be_here(connection, editor.organisation, person, ENDING)
        if name is None:
            feeds.revoke_all(connection, editor.organisation, person, editor.at)
            return accounts.end_sessions(connection, editor.organisation, person, editor.at)
        if not accounts.end_session(connection, editor.organisation, person, name, editor.at):
            raise no_session(name)
        return 1

    return editor.does(ENDING, "signed_out", {"person": person}, apply, following=name is None)


def must_be_here(connection: Connection, organisation: str, person: str, asked: Text) -> Person:
    """Raises NotInDirectory; somebody of another organisation is as unknown as nobody."""
    found = None if AT in person else people.person(connection, organisation, person)
    if found is None or found.person != person:
        raise NotInDirectory(
            asked=asked,
            obstacle=Text(f"名册中没有 {person[:130]!r}", f"there is nobody called {person[:130]!r} in the directory"),
            remedy=Text("请核对名册", "Look it up in the directory"),
        )
    return found


def no_session(name: str) -> NotInDirectory:
    return NotInDirectory(
        asked=ENDING,
        obstacle=Text(f"没有登录 {name[:64]!r}，或已结束", f"there is no session {name[:64]!r}, or it is over"),
        remedy=Text("请核对登录列表", "Look it up in the list of sessions"),
    )


def _no_token(prefix: str) -> NotInDirectory:
    return NotInDirectory(
        asked=REVOKING,
        obstacle=Text(
            f"没有以 {prefix[:64]!r} 开头的有效令牌", f"there is no living token that begins with {prefix[:64]!r}"
        ),
        remedy=Text("请核对令牌列表", "Look it up in the list of tokens"),
    )
