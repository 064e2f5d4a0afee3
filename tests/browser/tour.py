"""A walk past every page there is, on a campus where something is going on: for pictures, and for what audits pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser.desk import Desk, a_desk
from tests.journeys.campus import PHOTO, a_campus
from tests.pictures import a_photo

PEOPLE = ("officer", "teacher", "fixer", "head", "vice", "keeper")


@dataclass(frozen=True)
class Stop:
    """A page on the walk. `who` looks at it, nobody if None; `status` is what it answers with."""

    name: str
    path: str
    who: str | None = "officer"
    status: int = 200


@contextmanager
def a_busy_desk() -> Iterator[tuple[Desk, list[Stop]]]:
    """The desk, and its pages: one of each kind, as somebody sees it who has something to do there."""
    with (
        TemporaryDirectory(prefix="bihuan-tour-") as folder,
        a_campus(Path(folder), "sqlite") as campus,
        a_desk(campus) as desk,
    ):
        campus.administrator("keeper")
        desk.let_in(*PEOPLE)
        _lay_down_the_photo(desk)
        numbers = {name: campus.hazard(name).rsplit("/", 1)[1] for name in ("assigned", "fixed", "verified")}
        major = campus.hazard("verified", major=True).rsplit("/", 1)[1]
        reported = campus.done(
            "teacher", "/api/v1/hazards", title="三楼东侧安全出口被杂物堵塞", place="教学楼三楼东侧楼梯口",
            photos=[PHOTO], category="FIRE.exit",
        )["number"]  # fmt: skip
        yield (
            desk,
            [
                Stop("sign-in", "/sign-in", None),
                Stop("mine", "/mine"),
                Stop("mine-empty", "/mine", "vice"),
                Stop("report", "/report", "teacher"),
                Stop("open-drill", "/open/drill"),
                Stop("case-reported", f"/cases/{reported}"),
                Stop("case-major", f"/cases/{major}", "head"),
                Stop("step-assign", f"/cases/{reported}/assign"),
                Stop("step-fix", f"/cases/{numbers['assigned']}/fix", "fixer"),
                Stop("step-approve", f"/cases/{numbers['verified']}/approve", "head"),
                Stop("not-mine", f"/cases/{numbers['fixed']}/verify", "fixer"),
                Stop("no-such-case", "/cases/YH-2020-9999", status=404),
                Stop("inbox", "/inbox"),
                Stop("account", "/account"),
                Stop("away", "/account/away", "fixer"),
                Stop("away-form", "/account/away/new", "fixer"),
                Stop("more", "/more"),
                Stop("help", "/help", "teacher"),
                Stop("calendar", "/calendar"),
                Stop("calendar-week", "/calendar?view=week&of=mine", "fixer"),
                Stop("school", "/school", "keeper"),
                Stop("dead-corners", "/school/dead-corners", "keeper"),
                Stop("people", "/school/people", "keeper"),
                Stop("person", "/school/people/fixer", "keeper"),
                Stop("person-form", "/school/people/fixer/change", "keeper"),
                Stop("grant-form", "/school/people/fixer/grant", "keeper"),
                Stop("people-not-mine", "/school/people", "teacher", status=403),
                Stop("groups", "/school/groups", "keeper"),
                Stop("group", "/school/groups/acceptance_group", "keeper"),
                Stop("departments", "/school/departments", "keeper"),
                Stop("channels", "/school/channels", "keeper"),
                Stop("channel-form", "/school/new-channel?kind=email", "keeper"),
                Stop("dead-letters", "/school/dead-letters", "keeper"),
                Stop("workflows", "/school/workflows"),
                Stop("workflow", "/school/workflows/hazard", "keeper"),
                Stop("workflow-numbers", "/school/workflows/hazard/policy", "keeper"),
                Stop("cycles", "/school/cycles"),
                Stop("holidays", "/school/calendars", "keeper"),
                Stop("holidays-form", "/school/calendars/new", "keeper"),
            ],
        )


def _lay_down_the_photo(desk: Desk) -> None:
    """The campus knows a photo by name alone; here somebody looks at it."""
    runtime = desk.campus.runtime
    target = runtime.files.path_of("school", PHOTO)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(a_photo())
