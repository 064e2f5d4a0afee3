"""More: the pages that have no place in the navigation, each with a line about what it is for."""

from fastapi import Request, Response

from api.auth import SignedIn
from api.pages.addresses import Pages
from api.pages.rendering import ACCOUNT, CALENDAR, HELP, INBOX, MORE, SCHOOL, TRAIL, page
from api.pages.school.away import MINE as AWAY
from api.pages.words import WORDS

router = Pages()

#: address, and what `words` calls it; its line is called so with `_note` behind it
ENTRIES = (
    (INBOX, "area_inbox"),
    (CALENDAR, "area_calendar"),
    (AWAY, "be_away"),
    (TRAIL, "trail_title"),
    (SCHOOL, "school"),
    (ACCOUNT, "area_account"),
    (HELP, "help"),
)


@router.get(MORE)
def more(request: Request, asker: SignedIn) -> Response:
    entries = [(address, WORDS[name], WORDS[f"{name}_note"]) for address, name in ENTRIES]
    return page(request, "more.html", asker=asker, active="more", entries=entries)
