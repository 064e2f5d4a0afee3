"""The desk's icons for a home screen, as pictures: `python -m tests.browser.icons` draws them anew from `mark.svg`.

Phones that put the desk on their home screen want PNG; some cut a circle out of it, so one keeps to the middle.
"""

from dataclasses import dataclass

from playwright.sync_api import Browser

from api.pages.rendering import STATIC
from tests.browser.desk import chromium, found_chromium

GREEN, WHITE = "#0b6b53", "#ffffff"


@dataclass(frozen=True, slots=True)
class Icon:
    """`share` of the width that the mark takes; on green it is white, on nothing green."""

    name: str
    size: int
    share: float
    on_green: bool


#: what is cut to a circle keeps 80 parts of a hundred for certain: https://www.w3.org/TR/appmanifest/#icon-masks
ICONS = (
    Icon("icon-192.png", 192, 0.92, on_green=False),
    Icon("icon-512.png", 512, 0.92, on_green=False),
    Icon("icon-maskable-512.png", 512, 0.56, on_green=True),
    Icon("apple-touch-icon.png", 180, 0.68, on_green=True),
)


def drawn(browser: Browser, icon: Icon) -> bytes:
    """As PNG."""
    mark = (STATIC / "mark.svg").read_text(encoding="utf-8")
    ground = GREEN if icon.on_green else "transparent"
    size = round(icon.size * icon.share)
    page = browser.new_page(viewport={"width": icon.size, "height": icon.size})
    page.set_content(
        f"<style>body{{margin:0;height:100vh;display:grid;place-items:center;background:{ground}}}svg{{width:{size}px;"
        f"height:{size}px}}</style>{mark.replace(GREEN, WHITE) if icon.on_green else mark}"
    )
    content = page.screenshot(omit_background=True)
    page.close()
    return content


def main() -> None:
    path = found_chromium()
    if path is None:
        raise SystemExit("no Chromium found")
    with chromium(path) as browser:
        for icon in ICONS:
            (STATIC / icon.name).write_bytes(drawn(browser, icon))


if __name__ == "__main__":
    main()
