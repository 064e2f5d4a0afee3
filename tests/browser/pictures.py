"""`make pictures`: every page at both widths in both languages, as a picture, to be looked at by people."""

from pathlib import Path

import click

from tests.browser.conftest import MISSING
from tests.browser.desk import PHONE, WIDE, Language, chromium, found_chromium
from tests.browser.tour import a_busy_desk

LANGUAGES: tuple[Language, ...] = ("zh", "en")


@click.command()
@click.option("--to", "folder", type=click.Path(path_type=Path), default="build/pictures", show_default=True)
@click.option("--only", help="Pages whose name has this in it")
def main(folder: Path, only: str | None) -> None:
    """Take them, and say which of them are wider than their window."""
    path = found_chromium()
    if path is None:
        raise click.ClickException(MISSING)
    folder.mkdir(parents=True, exist_ok=True)
    too_wide = 0
    with a_busy_desk() as (desk, stops), chromium(path) as browser:
        for size, width in ((PHONE, "phone"), (WIDE, "desk")):
            for language in LANGUAGES:
                pages = {who: desk.of(browser, who, size=size, language=language) for who in {s.who for s in stops}}
                for stop in stops:
                    if only is not None and only not in stop.name:
                        continue
                    page = pages[stop.who]
                    page.goto(stop.url(desk))
                    page.evaluate("document.querySelectorAll('img').forEach(each => each.loading = 'eager')")
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=folder / f"{stop.name}-{width}-{language}.png", full_page=True)
                    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    if over > 0:
                        too_wide += 1
                        click.echo(f"{stop.name} is {over} px too wide at {width} width in {language}")
                for page in pages.values():
                    page.context.close()
    click.echo(f"pictures in {folder}" + (f"; {too_wide} are too wide" if too_wide else ""))
    raise SystemExit(bool(too_wide))


if __name__ == "__main__":
    main()
