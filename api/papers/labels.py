"""Labels for places as they are printed: a sheet of A4, eight to a page, each with its code drawn here."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.labels import Printed
from engine.errors import Locale, Text

HERE = Path(__file__).parents[1]
CSS = HERE / "static" / "labels.css"
QUIET = 4  # modules of white around a code, as ISO/IEC 18004 wants them
SHEET = 8  # labels to a page

TITLE = Text("部位标签", "Labels for places")
HOW = Text(
    "请用 A4 纸按 100% 比例打印，沿虚线裁开，贴在标签所写的部位。",
    "Print on A4 at 100 %, cut along the dashed lines, and put each up at the place it names.",
)
#: on each label, in the language of who prints it
SEEN = Text("发现安全隐患？", "Seen something unsafe?")
SCAN = Text("请扫码拍照上报", "Scan and report it")
AT_ONCE = Text(
    "正在起火或有人受伤：先告诉老师，拨打 119、120、110",
    "Fire, or somebody hurt: tell a teacher, call 119, 120 or 110",
)
NOT_PUBLIC = Text(
    "这些二维码只在本机能打开：请系统管理员先设置对外网址，再打印。",
    "These codes open on this machine alone: have the service's public address set before you print.",
)
INSIDE_ONLY = Text(
    "网址 {address} 只在本机能打开：请先设置 BIHUAN_PUBLIC_URL，再打印。",
    "The address {address} opens on this machine alone: set BIHUAN_PUBLIC_URL before you print.",
)


def qr_of(address: str) -> Markup:
    """A QR code as SVG to stand in a page: no script, no style, as large as what is around it."""
    code = segno.make(address, error="m", micro=False)
    # segno draws modules alone: nothing of the address itself comes into the markup
    return Markup(code.svg_inline(border=QUIET, omitsize=True, svgclass=None, lineclass=None))  # noqa: S704


def sheet(
    printed: Sequence[Printed], organisation: str, locale: Locale, *, stylesheet: str | None, public: bool
) -> str:
    """The sheet as a page of its own.

    stylesheet   where a browser finds how it looks; None for a file that has to bring it along
    public       whether phones reach the address
    """
    pages = [printed[at : at + SHEET] for at in range(0, len(printed), SHEET)]
    return (
        _templates()
        .get_template("label_sheet.html")
        .render(
            pages=[[(each, qr_of(each.address)) for each in page] for page in pages], organisation=organisation,
            lang="zh-CN" if locale == "zh" else "en", title=TITLE.in_(locale), how=HOW.in_(locale), seen=SEEN.in_(locale), scan=SCAN.in_(locale), at_once=AT_ONCE.in_(locale),
            warning=None if public else NOT_PUBLIC.in_(locale), stylesheet=stylesheet,
            css=None if stylesheet else Markup(CSS.read_text(encoding="utf-8")),  # noqa: S704  a file of ours
        )
    )  # fmt: skip


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
