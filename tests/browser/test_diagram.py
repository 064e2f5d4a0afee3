"""The loops drawn, as a browser draws them: no word sticks out of its box or lies over another."""

import pytest
from playwright.sync_api import Browser

from tests.browser.desk import PHONE, WIDE, Desk, Language
from tests.browser.test_core_journey import shows_no_overflow
from workflows import CATALOG

#: of every state the words that stick out of its frame; of all words the pairs that lie over each other
LOOKED_AT = """() => {
  const box = (each) => each.getBBox();
  const over = (a, b) => Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) > 1
    && Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y) > 4;
  const outside = [];
  for (const state of document.querySelectorAll("#the-loop .state")) {
    const frame = box(state.querySelector(".frame"));
    for (const text of state.querySelectorAll("text")) {
      const said = box(text);
      if (said.x < frame.x || said.x + said.width > frame.x + frame.width || said.y + said.height > frame.y + frame.height) outside.push(text.textContent);
    }
  }
  const texts = [...document.querySelectorAll("#the-loop text")].map((each) => [each.textContent, box(each)]);
  const frames = [...document.querySelectorAll("#the-loop .frame:not(.inner)")].map(box);
  const pairs = texts.flatMap(([a, one], n) => texts.slice(n + 1).filter(([, other]) => over(one, other)).map(([b]) => a + " / " + b));
  return { outside, pairs, texts: texts.length, frames: frames.length };
}"""


@pytest.mark.parametrize("size, language", [(PHONE, "zh"), (WIDE, "en")], ids=["phone, Chinese", "desk, English"])
def test_no_word_of_a_drawn_loop_sticks_out_or_lies_over_another(
    desk: Desk, browser: Browser, size: dict[str, int], language: Language
) -> None:
    desk.let_in("teacher")
    page = desk.of(browser, "teacher", size=size, language=language)
    for loop in CATALOG.newest():
        page.goto(f"/school/workflows/{loop.key}")
        found = page.evaluate(LOOKED_AT)
        assert (found["outside"], found["pairs"]) == ([], []), loop.key
        assert found["texts"] > len(loop.transitions) and found["frames"] == len(loop.states)
        shows_no_overflow(page)
        begins, ends = page.evaluate(
            "(() => { const dot = document.querySelector('#the-loop .entry').getBoundingClientRect(); "
            "const room = document.querySelector('.drawing .scrolls').getBoundingClientRect(); "
            "return [dot.left - room.left, room.right - dot.right] })()"
        )
        assert begins > 0 and ends > 0, "where cases come in is in sight, however wide the drawing is"
