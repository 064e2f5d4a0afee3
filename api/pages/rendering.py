"""How a page is made: a template, the reader's language, and headers that let nothing foreign in."""

import gzip
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api import first_visit, labels, links
from api.auth import Asker, locale_of, runtime_of
from api.bootstrap import Runtime
from api.pages.words import WORDS
from api.problems import STATUS, headers_of
from engine.errors import Locale, Refusal, Text
from engine.store import people

TEMPLATES = Path(__file__).parents[1] / "templates"
STATIC = Path(__file__).parents[1] / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}

SIGN_IN = "/sign-in"
ACCOUNT = "/account"
MINE = "/mine"
HOME = MINE  # where who is signed in begins
REPORT = "/report"
OPEN = "/open"
CASES = "/cases"
OVERVIEW = "/overview"
INBOX = "/inbox"
TRAIL = "/trail"
MORE = "/more"
CALENDAR = "/calendar"
SCHOOL = "/school"
HELP = "/help"
LABELS = "/school/labels"
PAPERS = "/school/papers"
DESK = "/desk"
SUGGEST = f"{REPORT}/suggest"
WORKER = "/service-worker.js"
MANIFEST = "/manifest.webmanifest"
LANGUAGE = "/language"

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "
    "worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # not `no-referrer`: browsers then say `Origin: null` of our own forms, as of a stranger's
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}

#: on a page that the browser may keep: in whose session it was shown, by the name that lists of sessions have
KEEP = "Bihuan-Keep"

#: an address of ours to go on to: relative, and nothing a browser would read as another host
_OWN_ADDRESS = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}", re.ASCII)


# --- static files ------------------------------------------------------------------------------------------------------


@cache
def static_files() -> Mapping[str, tuple[bytes, str]]:
    """File name → content and media type. Read once: what is not here when a process starts is never served."""
    return {
        path.name: (path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in sorted(STATIC.iterdir())
        if path.suffix in MEDIA_TYPES
    }


@cache
def compressed(name: str) -> bytes | None:
    """A static file by gzip, which every browser reads: a phone's first visit is a third of the bytes. They hold no secret that
    somebody could guess at by their length. None for a picture, which is compressed as it is.
    """
    content, media_type = static_files()[name]
    return None if media_type == MEDIA_TYPES[".png"] else gzip.compress(content, mtime=0)


def static_address(name: str) -> str:
    """Where a static file is: another address for other content, so that browsers may keep it."""
    return f"/static/{name}?v={hashlib.sha256(static_files()[name][0]).hexdigest()[:12]}"


# --- templates ---------------------------------------------------------------------------------------------------------


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.globals["static"] = static_address
    made.filters["is_day"] = _is_day
    return made


#: in a request's state: the organisation that a page is of which strangers see
PAGE_OF = "page_of"
#: in a request's state: the answer to an address that cannot be asked so, of a list that draws itself again
DRAWN_AGAIN = "drawn_again"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What was typed in a field of a list's form, each time it was said, and what is wrong with it."""

    typed: Sequence[str]
    what: Text


@dataclass(frozen=True, slots=True)
class Misasked:
    """What a list is told that is drawn without what its address could not ask: why, each field by its name, the address's query."""

    refusal: Refusal
    wrong: Mapping[str, Wrong]
    query: str


FIRST_WHOLE_YEAR = 1000  # an earlier one is a year of which not all digits were typed


def _is_day(said: str) -> bool:
    """Whether a box of days takes it: four digits, two, two, there is such a day, and its year is not half typed."""
    try:
        day = date.fromisoformat(said)
        return day.isoformat() == said and day.year >= FIRST_WHOLE_YEAR
    except ValueError:
        return False


class Wording:
    """The words of a page: `one(t.sign_in)` in the reader's language."""

    def __init__(self, locale: Locale) -> None:
        self._locale = locale

    def __getattr__(self, name: str) -> Text:
        try:
            return WORDS[name]
        except KeyError:
            raise AttributeError(name) from None

    def one(self, text: Text) -> str:
        return text.in_(self._locale)


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    because: Refusal | None = None,
    keep: bool = False,
    **values: object,
) -> HTMLResponse:
    """A page from its template. Every template knows the words, whose page it is, and whether time is simulated.

    because    why what was asked of the page was not done: it gives the status and is counted
    keep       whether the browser may keep a copy for its owner to open without a network
    """
    runtime, locale = runtime_of(request), locale_of(request)
    if because is not None:
        runtime.metrics.refused(because)
        status, headers = STATUS[type(because)], {**headers_of(because), **(headers or {})}
    asker: Asker | None = values.pop("asker", None)  # type: ignore[assignment]  # two values that the layout knows
    active = values.pop("active", "")
    misasked: Misasked | None = getattr(request.state, "misasked", None)
    if misasked is not None:
        status = STATUS[type(misasked.refusal)]
    words = Wording(locale)
    html = _templates().get_template(template).render(
        t=words, one=words.one, other_language=_other_language(request, locale, misasked), lang="zh-CN" if locale == "zh" else "en", asker=asker,
        active=active, areas=AREAS, csrf=asker.account.csrf if asker is not None and asker.account.session is not None else None,
        desk=None if asker is None else f"{asker.account.organisation}/{asker.account.person}",
        simulated=_here_it_is(request, runtime, status) if runtime.simulated else None,
        misasked=None if misasked is None else misasked.refusal, wrong={} if misasked is None else misasked.wrong, **values,
    )  # fmt: skip
    said = {**HEADERS, "Content-Language": locale, **(headers or {})}
    if keep and status == 200 and asker is not None and asker.account.session is not None:
        said[KEEP] = asker.account.session.name
    return HTMLResponse(html, status, said)


def _here_it_is(request: Request, runtime: Runtime, status: int) -> str:
    """A simulated instant as the organisation has it that the page is of: every other time on the page is told so. In UTC, and
    saying so, where several may be meant, or the database is what fails.
    """
    now = runtime.clock.now()
    asker: Asker | None = getattr(request.state, "asker", None)
    organisation: str | None = getattr(request.state, PAGE_OF, None) if asker is None else asker.actor.organisation
    if status >= 500:
        zone = None
    elif organisation is None:
        zone = runtime.shared_zone()
    else:
        with runtime.database.read(organisation) as connection:
            zone = people.time_zone(connection, organisation)
    return f"{now:%Y-%m-%d %H:%M} UTC" if zone is None else local(now, zone)


def script(template: str, **values: object) -> str:
    """A script with values put into it as JSON. In its template nothing else is put in."""
    return _templates().get_template(template).render(values)


def may_work_offline(request: Request) -> bool:
    """Whether browsers let a page of this address be opened without a network: over https, or on the server's own machine."""
    own = request.url.hostname in ("localhost", "127.0.0.1", "::1")
    return runtime_of(request).settings.secure or request.url.scheme == "https" or own


def _other_language(request: Request, locale: Locale, misasked: Misasked | None) -> str:
    """The address that shows this page in the other of our languages."""
    query = request.url.query if misasked is None else misasked.query
    here = request.url.path + (f"?{query}" if query else "")
    back = f"?next={quote(here, safe='')}" if own_address(here) else ""
    return f"{LANGUAGE}/{'en' if locale == 'zh' else 'zh'}{back}"


def local(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"


def go_to(address: str) -> RedirectResponse:
    """On to another of our pages, by GET."""
    return RedirectResponse(address, 303, {**HEADERS})


def own_address(said: str | None) -> str | None:
    """Where to go on to, if it is a page of ours: what another site would like instead is nowhere."""
    return said if said and _OWN_ADDRESS.fullmatch(said) else None


# --- what is a page ----------------------------------------------------------------------------------------------------------


#: asked by programs that watch the service, whatever they say they accept
WATCHED = frozenset({"/healthz", "/readyz", "/metrics"})


def is_page(request: Request) -> bool:
    """Whether people read the answer, and not a program."""
    path = request.url.path
    if path.startswith(("/api/", "/static/")) or path in WATCHED:
        return False
    return path in PAGES or path.startswith(FOLDERS) or "text/html" in request.headers.get("accept", "")


#: the pages there are, and what others lie under; what a browser asks for besides is refused on a page too
PAGES = frozenset(
    {
        "/", SIGN_IN, "/sign-out", MINE, REPORT, CASES, TRAIL, OVERVIEW, INBOX, ACCOUNT, MORE, CALENDAR, SCHOOL, HELP,
        LABELS, PAPERS, first_visit.PATH, links.PATH,
    }
)  # fmt: skip
FOLDERS = (
    f"{LANGUAGE}/", f"{REPORT}/", f"{DESK}/", f"{ACCOUNT}/", f"{CASES}/", f"{OPEN}/", f"{INBOX}/", f"{SCHOOL}/",
    f"{labels.PATH}/", f"{CALENDAR}/",
)  # fmt: skip

#: the areas of the desk in the order of its navigation: name, address, and what `words` calls it
AREAS = (
    ("mine", MINE, "area_mine"),
    ("report", REPORT, "area_report"),
    ("cases", CASES, "area_cases"),
    ("overview", OVERVIEW, "overview"),
    ("more", MORE, "area_more"),
)
