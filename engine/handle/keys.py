"""Idempotency keys: the answer a key already has, and the one it gets."""

import hashlib
import json

from engine.case import WITHIN
from engine.commands import Asked, OpenCase
from engine.errors import KeyReused, Text
from engine.handle.outcomes import Done
from engine.handle.reading import Reading
from engine.store import answers, history


def answered(reading: Reading, asked: Asked) -> Done | None:
    """The answer this principal's key already has; raises KeyReused when it was for another request."""
    if asked.key is None:
        return None
    known = reading.answer(asked, asked.key)
    if known is None:
        return None
    if known.request_hash != _request_hash(asked):
        raise KeyReused(
            asked=Text("以同一幂等键提交另一请求", "Use an idempotency key again"),
            obstacle=Text(
                f"该键已用于 {known.number} 的另一内容的请求",
                f"the key stands for another request, the one that made event {known.sequence} of {known.number}",
            ),
            remedy=Text("请为新的请求换一个键", "Use a new key for a new request"),
        )
    case, event = history.as_of(reading.connection, asked.actor.organisation, known.number, known.sequence)
    return Done(case, event, replayed=True)


def keep_answer(reading: Reading, asked: Asked, done: Done) -> None:
    """Only what was carried out is kept: a refusal may well succeed later under the same key."""
    if asked.key is None:
        return
    answer = answers.Answer(_request_hash(asked), done.case.number, done.event.sequence)
    actor = asked.actor
    answers.keep(reading.connection, actor.organisation, actor.principal, asked.route, asked.key, answer, reading.now)


def _request_hash(asked: Asked) -> str:
    """What makes two requests under one key the same one: what they ask for, in whose name. Not the revision they expect."""
    command = asked.command
    told = {
        "what": [getattr(command, name, None) for name in ("workflow", "case", "trigger")],
        "data": getattr(command, "data", None),
        "found_at": str(getattr(command, "found_at", None)),
    }
    if asked.actor.on_behalf_of is not None:
        told["on_behalf_of"] = asked.actor.on_behalf_of
    if isinstance(command, OpenCase) and command.within is not None:
        told[WITHIN] = command.within
    return hashlib.sha256(_WRITE(told).encode()).hexdigest()


#: as ever: what was hashed is kept for thirty days, and has to be the same after an upgrade
_WRITE = json.JSONEncoder(sort_keys=True, default=str).encode
