"""`make audit-pages`: what others think of our pages: the HTML validator, axe for accessibility, Lighthouse on a phone.

The tools come from npm, at the versions of `audit/package-lock.json`, for development only.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from playwright.sync_api import Browser, Page

from tests.browser.conftest import MISSING
from tests.browser.desk import PHONE, WIDE, Desk, chromium, found_chromium
from tests.browser.tour import Stop, a_busy_desk

TOOLS = Path(__file__).parent / "audit" / "node_modules"
VALIDATOR = TOOLS / "vnu-jar" / "build" / "dist" / "vnu.jar"
AXE = TOOLS / "axe-core" / "axe.min.js"
LIGHTHOUSE = TOOLS / "lighthouse" / "cli" / "index.js"
CATEGORIES = ("performance", "accessibility", "best-practices")
WANTED = 95  # of a hundred, in each category
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@click.command()
@click.option("--only", help="Pages whose name has this in it")
@click.option("--lighthouse/--no-lighthouse", default=True, show_default=True)
def main(only: str | None, lighthouse: bool) -> None:
    """Every page of the tour, in Chinese; each complaint on a line of its own. Ends with 1 where there was one."""
    path = found_chromium()
    if path is None:
        raise click.ClickException(MISSING)
    complaints: list[str] = []
    with a_busy_desk() as (desk, tour), chromium(path) as browser, TemporaryDirectory() as folder:
        stops = [stop for stop in tour if only is None or only in stop.name]
        complaints += _axe(desk, browser, stops)
        complaints += _validated(desk, browser, stops, Path(folder))
        if lighthouse:
            complaints += [
                said for stop in stops if stop.status == 200 for said in _lighthouse(desk, browser, stop, path)
            ]
    for complaint in complaints:
        click.echo(complaint)
    click.echo(f"{len(stops)} pages, {len(complaints)} complaints")
    raise SystemExit(bool(complaints))


def _axe(desk: Desk, browser: Browser, stops: list[Stop]) -> list[str]:
    source, said = AXE.read_text(encoding="utf-8"), []
    for size, width in ((PHONE, "phone"), (WIDE, "desk")):
        for stop, page in _walked(desk, browser, stops, size):
            page.evaluate(source)  # by the debugger, which our policy does not bind
            found = page.evaluate(
                "tags => axe.run({runOnly: {type: 'tag', values: tags}}).then(r => r.violations)", STANDARD
            )
            said += [
                f"axe: {stop.name} ({width}): {each['id']}: {each['help']}: {each['nodes'][0]['html'][:160]}"
                for each in found
            ]
    return said


def _validated(desk: Desk, browser: Browser, stops: list[Stop], folder: Path) -> list[str]:
    for stop, page in _walked(desk, browser, stops, PHONE):
        answer = page.request.get(stop.url(desk))
        (folder / f"{stop.name}.html").write_text(answer.text(), encoding="utf-8")
    checked = subprocess.run(
        ["java", "-jar", VALIDATOR, "--format", "json", *sorted(folder.glob("*.html"))],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    messages = json.loads(checked.stderr)["messages"]
    return [
        f"html: {Path(each['url']).stem}: {each['message']} ({each.get('extract', '').strip()[:120]!r})"
        for each in messages
    ]


def _walked(desk: Desk, browser: Browser, stops: list[Stop], size: dict[str, int]) -> Iterator[tuple[Stop, Page]]:
    """One after another, each page opened as whoever looks at it."""
    pages = {who: desk.of(browser, who, size=size) for who in {stop.who for stop in stops}}
    for stop in stops:
        page = pages[stop.who]
        page.goto(stop.url(desk))
        yield stop, page
    for page in pages.values():
        page.context.close()


def _lighthouse(desk: Desk, browser: Browser, stop: Stop, chromium_path: str) -> list[str]:
    page = desk.of(browser, stop.who)
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies())
    page.context.close()
    run = subprocess.run(
        ["node", LIGHTHOUSE, stop.url(desk), "--quiet", "--output=json", f"--chrome-path={chromium_path}",
         "--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage", f"--only-categories={','.join(CATEGORIES)}",
         f"--extra-headers={json.dumps({'Cookie': cookie, 'Accept-Language': 'zh-CN'})}"],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if run.returncode:
        return [f"lighthouse: {stop.name}: {run.stderr.strip()[:300]}"]
    report = json.loads(run.stdout)
    scores = {name: round(100 * (report["categories"][name]["score"] or 0)) for name in CATEGORIES}
    click.echo(f"{stop.name}: " + ", ".join(f"{name} {score}" for name, score in scores.items()))
    low = {name for name, score in scores.items() if score < WANTED}
    at_fault = [
        audit["title"]
        for name in low
        for reference in report["categories"][name]["auditRefs"]
        if (audit := report["audits"][reference["id"]])["score"] not in (None, 1) and reference["weight"]
    ]
    return [f"lighthouse: {stop.name}: {', '.join(sorted(low))} below {WANTED}: {'; '.join(at_fault)}"] if low else []


if __name__ == "__main__":
    main()
