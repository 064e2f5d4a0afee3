"""A refusal as a page tells it: each fault under the label its reader sees, in the words of the choices, never by a field's name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.pages.forms import Control, what_of
from api.pages.words import WORDS
from api.requests import FOUND_AT, IN_CAMPAIGN, READING
from engine.errors import InvalidInput, Refusal, Text
from workflows.asking import Choice

#: what goes along with a form and has no control of its own
_BESIDE: Mapping[str, Text] = {FOUND_AT: WORDS["filled_at"], IN_CAMPAIGN: Text("专项行动", "campaign")}


@dataclass(frozen=True, slots=True)
class Named:
    """What a field is called on the page, and what could be chosen there."""

    label: Text
    choices: Sequence[Choice] = ()


def under_labels(refusal: Refusal | None, controls: Iterable[Control], asked: Text | None = None) -> Refusal | None:
    """The same refusal for who fills in this form: he does not know the fields' names.

    asked    what the form is for, where the refusal knows only that something was sent
    """
    return under_words(refusal, {name: named for control in controls for name, named in _named(control)}, asked)


def under_words(
    refusal: Refusal | None, known: Mapping[str, Named | Text], asked: Text | None = None
) -> Refusal | None:
    """As `under_labels`, of a form that is not drawn of controls."""
    if not isinstance(refusal, InvalidInput) or not refusal.fields:
        return refusal
    told = []
    for fault in refusal.fields:
        found = _called(fault.field, {**_BESIDE, **known})
        named = Named(found) if isinstance(found, Text) else found
        what = what_of(fault, named.choices if named is not None else ())
        told.append((f"{named.label.zh}：{what.zh}", f"{named.label.en}: {what.en}") if named else (what.zh, what.en))
    zh, en = zip(*dict.fromkeys(told), strict=True)
    return InvalidInput(
        asked=asked if asked is not None and refusal.asked == READING else refusal.asked,
        obstacle=Text("；".join(zh), "; ".join(en)), remedy=refusal.remedy, fields=refusal.fields,
    )  # fmt: skip


def _called(path: str, known: Mapping[str, Named | Text]) -> Named | Text | None:
    """By the control itself, or by the nearest one that it is a part of."""
    while path not in known:
        path, dot, _ = path.rpartition(".")
        if not dot:
            return None
    return known[path]


def _named(control: Control, above: Text | None = None) -> Iterator[tuple[str, Named]]:
    label = (
        control.label if above is None else Text(f"{above.zh} · {control.label.zh}", f"{above.en} · {control.label.en}")
    )
    yield control.name, Named(label, control.choices)
    for number, (heading, inside) in enumerate(control.rows, start=1):
        row = Text(f"{label.zh}第 {number} 行", f"{label.en} {number}") if control.kind == "rows" else None
        for each in inside:
            yield from _named(each, heading or row)
