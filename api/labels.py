"""Labels for places: made, printed as often as one likes, revoked once and for good. Each change stands in the logbook.

What a label's code holds is drawn from a key of the data folder and the label's own number, so that it can be printed again
without being kept; the database has a hash of it. So labels on the walls go on where a backup came back without the key, and
only cannot be printed again.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from api.auth import cookies
from api.bootstrap import Runtime
from api.problems import LabelKeyGone, UnknownLabel
from engine.actor import Actor
from engine.definition import Line, asks
from engine.errors import FieldFault, InvalidInput, Text
from engine.handle import note_in
from engine.store import accounts, labels, people
from engine.store.accounts import secret_hash
from engine.store.database import naming
from engine.store.labels import Label
from workflows.roles import ADMINISTRATOR, SAFETY_OFFICE

PATH = "/q"
KEEPERS = frozenset({ADMINISTRATOR, *SAFETY_OFFICE})
READERS = KEEPERS | {"auditor"}
MOST = 2000  # in use at once in one organisation
LONGEST_PLACE = 60  # characters; it is part of what events name
TOKEN_BYTES = 15  # 120 bits, in 20 characters: few enough for a small code, and nobody guesses them

MAKING = Text("制作部位标签", "Make a label for a place")
SEEING = Text("查看部位标签", "See a label")
REVOKING = Text("停用部位标签", "Revoke a label")


class MakeLabel(BaseModel):
    """The place as people call it: it stands on the label and in every report that comes by it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    place: Annotated[Line, Field(max_length=LONGEST_PLACE)] = asks("部位", "Place")


@dataclass(frozen=True, slots=True)
class Printed:
    """A label with what its code leads to."""

    label: Label
    address: str = field(repr=False)


def all_of(connection: Connection, organisation: str) -> list[Label]:
    return labels.all_of(connection, organisation)


def find(connection: Connection, organisation: str, label: str) -> Label:
    """Raises UnknownLabel."""
    found = labels.find(connection, organisation, label[:LONGEST_PLACE])
    if found is None:
        raise _unknown(SEEING)
    return found


def make(runtime: Runtime, actor: Actor, place: str) -> Label:
    """Raises InvalidInput for a place that has one in use, or one label too many."""
    here, now = actor.organisation, runtime.clock.now()
    with runtime.database.write(here) as connection:
        people.change_alone(connection, here)
        in_use = [label for label in labels.all_of(connection, here) if label.revoked_at is None]
        if any(label.place == place for label in in_use):
            _refuse(Text("该部位已有一张在用的标签", "this place has a label in use"))
        if len(in_use) >= MOST:
            _refuse(Text(f"最多 {MOST} 张在用的标签", f"an organisation has {MOST} labels in use at most"))
        drawn = secrets.token_hex(4)
        while labels.find(connection, here, drawn) is not None:
            drawn = secrets.token_hex(4)
        label = Label(here, drawn, place, secret_hash(_token(runtime, here, drawn)), now, actor.principal)
        labels.add(connection, label)
        _note(runtime, connection, actor, label, "made")
    return label


def revoke(runtime: Runtime, actor: Actor, name: str) -> Label:
    """From now on its code leads nowhere. Once more changes nothing. Raises UnknownLabel."""
    here, now = actor.organisation, runtime.clock.now()
    with runtime.database.write(here) as connection:
        people.change_alone(connection, here)
        label = labels.find(connection, here, name[:LONGEST_PLACE])
        if label is None:
            raise _unknown(REVOKING)
        if label.revoked_at is None:
            labels.revoke(connection, here, label.id, actor.principal, now)
            _note(runtime, connection, actor, label, "revoked")
        return find(connection, here, label.id)


def printed(runtime: Runtime, label: Label) -> Printed:
    """The label as it is printed, also once more. Raises UnknownLabel for a revoked one, LabelKeyGone where it was made under another key."""
    if label.revoked_at is not None:
        raise _unknown(SEEING)
    token = _token(runtime, label.organisation, label.id)
    if not hmac.compare_digest(secret_hash(token), label.token_hash):
        raise LabelKeyGone(
            asked=Text(f"打印“{label.place}”的标签", f"Print the label of {label.place!r}"),
            obstacle=Text(
                "制作它的密钥不在此数据目录中；墙上的旧标签仍可使用",
                "the key it was made with is not in this data folder; the one on the wall still works",
            ),
            remedy=Text("需要重印的，请停用后另做一张", "To print it again, revoke it and make another one"),
        )
    return Printed(label, f"{runtime.settings.reached_at}{PATH}/{token}")


def scanned(runtime: Runtime, token: str) -> Label:
    """The label whose code this is. Raises UnknownLabel, the same for what was revoked, made up or never there."""
    if len(token) <= cookies.LONGEST and token.isascii():
        hashed = secret_hash(token)
        with runtime.database.read(accounts.NOWHERE) as connection:
            naming(connection, hashed)
            label = labels.scanned(connection, hashed)
        if label is not None:
            return label
    runtime.strangers.count("no_label")
    raise _unknown(Text("打开标签的页面", "Open the page of a label"))


def _token(runtime: Runtime, organisation: str, label: str) -> str:
    said = f"label {len(organisation)} {organisation} {label}".encode()
    return urlsafe_b64encode(hmac.digest(runtime.labels_key, said, "sha256")[:TOKEN_BYTES]).decode()


def _note(runtime: Runtime, connection: Connection, actor: Actor, label: Label, what: str) -> None:
    about = {"label": label.id, "place": label.place, "what": what}
    note_in(runtime.engine, connection, actor, "label_changed", about)


def _unknown(asked: Text) -> UnknownLabel:
    return UnknownLabel(
        asked=asked,
        obstacle=Text("没有这张标签，或它已停用", "there is no such label, or it is no longer in use"),
        remedy=Text("发现隐患请直接告诉老师或安全办公室", "Tell a teacher or the safety office what you found"),
    )


def _refuse(what: Text) -> None:
    raise InvalidInput(
        asked=MAKING,
        obstacle=what,
        remedy=Text("请改写部位，或先停用原来的标签", "Name the place otherwise, or revoke the other label first"),
        fields=(FieldFault("place", what),),
    )
