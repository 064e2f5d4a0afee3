"""The stage summary as a paper of its case: as it was signed, and before that as it was last compiled or written."""

from collections.abc import Sequence

from api.papers.kinds.kind import Prose
from api.papers.story import Story
from engine.errors import Text
from engine.events import Event
from workflows import stage_summary


def _as_it_stands(story: Story) -> Sequence[Event]:
    """The signature; till there is one the last step that left numbers and words, if none sent them back since."""
    signed, written = story.last("sign"), story.last("compile", "edit")
    if signed is not None:
        return [signed]
    back = story.last("send_back")
    return [] if written is None or (back is not None and back.sequence > written.sequence) else [written]


SUMMARY = Prose(
    code="stage_summary",
    workflow=stage_summary.KEY,
    moments=_as_it_stands,
    none_yet=Text("还没有汇总", "it has not been compiled yet"),
    missing=lambda _, moment: () if moment.trigger == "sign" else ("签发",),
)

PROSE = (SUMMARY,)
