"""The one path of every command. Alone writes cases, events, timers and periods.

    handle          groups.py       a group of commands under one commit, by the quickest way that holds
    └── Turn        turn.py         their turn in one transaction: one refusal or one defect undoes itself and nothing else
        ├── opening.py              opens a case: one that is asked for, or one that a period owes
        ├── stepping.py             takes a case one step further
        ├── timekeeping.py          reminders, and deadlines under a newer calendar
        ├── Writing writing.py      writes a decision down: cases, event, timers, outbox
        │   └── notices.py          whom it is told, and what a message may say
        ├── Reading reading.py      what the turn has read, and what was asked for ahead
        │   ├── referring.py        what a command refers to
        │   └── keys.py             idempotency keys: the answer that a key already has
        └── offering.py             the steps that somebody may take, and who could take the others
    note            logbook.py      what is done with an organisation's records
    Done, Refused…  outcomes.py     what comes of a command
    unknown_case…   refusing.py     refusals in words, and what is kept of them

When `handle` returns, everything it says happened is durable.
"""

from engine.handle.groups import handle, handle_one
from engine.handle.logbook import note, note_in
from engine.handle.notices import as_it_stands
from engine.handle.offering import Offer, offers
from engine.handle.outcomes import Done, Engine, Failed, FiguresOf, Idle, Outcome, Refused, settled
from engine.handle.refusing import refusal_record, unknown_case
from engine.handle.timekeeping import recompute_preview

__all__ = [
    "Done",
    "Engine",
    "Failed",
    "FiguresOf",
    "Idle",
    "Offer",
    "Outcome",
    "Refused",
    "as_it_stands",
    "handle",
    "handle_one",
    "note",
    "note_in",
    "offers",
    "recompute_preview",
    "refusal_record",
    "settled",
    "unknown_case",
]
