"""What happened, in the past tense and plain values; and what is to be told about it.

The envelope of an event is fixed from the first one on, because its bytes are chained (`engine.audit`). Everything a
person typed, and every change to the case that may name somebody, lies beside it under a salt of its own; the envelope
carries commitments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from engine.errors import Text

FORMAT = 1  # of the envelope; a reader that does not know the number must say so instead of guessing

EventType = Literal["opened", "stepped", "signed", "reminded", "linked", "recomputed", "noted"]
#: opened      the case came into being
#: stepped     a person (or the system) took a step of the loop
#: signed      one of several required signatures was given; the case has not moved yet
#: reminded    rungs of a ladder fell due and were told, or skipped for a higher one
#: linked      another case was bound to this one
#: recomputed  a deadline moved because the calendar was corrected, or where it stays, its reminders did
#: noted       something was done with the records themselves; stands in the logbook, which is the history of no case

Noteworthy = Literal[
    "exported",
    "imported",
    "proved",
    "restored",
    "erased",
    "key_began",
    "channel_changed",
    "text_changed",
    "label_changed",
    "template_changed",
    "feed_changed",
    "policy_changed",
    "calendar_changed",
]
#: exported     somebody took a list or a ledger away
#: imported     somebody took an older ledger over
#: proved       somebody took an evidence pack of a case
#: restored     the records were brought back from a backup; what came after it is lost
#: erased       personal data was cleared
#: key_began    from here on checkpoints are signed with another key
#: channel_changed   a way to reach people was set up, changed, switched on or off, or removed
#: text_changed      a school worded a message itself, or went back to the program's words
#: label_changed     a label for a place was made or revoked
#: template_changed  a school laid out a paper itself, or went back to the program's layout
#: feed_changed      somebody made a secret link to a calendar, or revoked one of his
#: policy_changed    a school set numbers of a loop
#: calendar_changed  somebody took a holiday notice in, or had deadlines worked out again under it, on a page

#: the `case` of what is noted: no case is called so. It has a chain of its own, beside those of the cases
LOGBOOK = "logbook"

How = Literal["digest", "direct"]


def in_the_name_of(acting: Text, represented: Text | None) -> Text:
    """Who acted, as it is shown everywhere: `A 代 B`, *A on behalf of B*; A alone who acted for himself."""
    if represented is None:
        return acting
    return Text(f"{acting.zh} 代 {represented.zh}", f"{acting.en} on behalf of {represented.en}")


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one case. `sequence` starts at 1 and has no gaps; `recorded_at` is the server's time."""

    organisation: str
    case: str
    sequence: int
    type: EventType
    trigger: str
    from_state: str | None
    to_state: str
    recorded_at: datetime
    actor: str
    on_behalf_of: str | None
    found_at: datetime | None
    policy_version: int
    calendar_version: int
    data: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell: written to the outbox in the command's own transaction, sent by the delivery worker.

    id         unique in the organisation and stable: `{case}:{sequence}:{reason}`
    audience   roles and relations, resolved to people at the moment of sending, never before; nobody where it is for the
               organisation's own channels alone; `person:KEY` and `looks_after:…` also where there is no case
    about      what a text may say: number, title, place, state, deadline, step; plain JSON
    """

    id: str
    organisation: str
    case: str
    sequence: int
    reason: str
    audience: tuple[str, ...]
    how: How
    written_at: datetime
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person to be told, with the addresses the directory knows and the language he reads.

    away   he is, and somebody stands in for him, who is there and told instead
    """

    person: str
    name: str
    locale: Literal["zh", "en"] = "zh"
    addresses: Mapping[str, str] = field(default_factory=dict)
    department: str | None = None
    away: bool = False


REASONS: Mapping[str, Text] = {
    "waiting": Text("待办", "Waiting for you"),
    "reminder": Text("到期提醒", "Reminder"),
    "escalation": Text("逾期提级", "Escalation"),
    "receipt": Text("签收提醒", "Receipt not acknowledged"),
    "returned": Text("复查退回", "Returned"),
    "informed": Text("办理结果", "For your information"),
    "recomputed": Text("时限调整", "Deadline moved"),
    "sealed": Text("检查点", "Checkpoint"),
}

#: reasons of what is told about no case
WITHOUT_CASE: Mapping[str, Text] = {
    "unreached": Text("联系不上", "Cannot be reached"),
    "back": Text("外出期间", "While you were away"),
    "daily_list": Text("部门清单", "List of the day"),
}

#: in a notice's audience, with or without a case: this person, and whoever looks after him (`looking_after`)
PERSON = "person:"
LOOKS_AFTER = "looks_after:"


def looking_after(person: str, *roles: str) -> str:
    """Who looks after somebody: whoever holds the first of these roles that anybody but himself holds for his department."""
    return f"{LOOKS_AFTER}{person}:{','.join(roles)}"
