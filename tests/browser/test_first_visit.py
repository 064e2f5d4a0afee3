"""From an empty folder to a school whose administrator is signed in, in a browser alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from api.first_visit import code_of
from tests.browser.desk import PHONE, WIDE, Desk, Language, an_empty_desk
from tests.builders import PASSWORD


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Desk]:
    with an_empty_desk(tmp_path / "empty") as desk:
        yield desk


def fill(page: Page, password: str = PASSWORD) -> None:
    page.locator("[name=name]").fill("第一职业学校")
    page.locator("[name=organisation]").fill("no1")
    page.locator("[name=administrator_name]").fill("信息员")
    page.locator("[name=administrator]").fill("admin")
    page.locator("[name=password]").fill(password)
    page.locator("[name=again]").fill(password)


@pytest.mark.parametrize(
    "size, language, script", [(PHONE, "zh", False), (WIDE, "en", True)], ids=["phone, without script", "desk, English"]
)
@pytest.mark.slow
def test_a_school_is_set_up_from_an_empty_folder_by_who_has_the_code(
    empty: Desk, browser: Browser, size: dict[str, int], language: Language, script: bool
) -> None:
    page = empty.of(browser, None, size=size, language=language, script=script)
    page.wait_for_url("**/setup")  # there is nobody yet who could sign in
    page.locator("[name=code]").fill("0000")
    page.locator("main form button").click()
    expect(page.locator("[name=organisation]")).to_have_count(0)
    expect(page.get_by_role("alert")).to_be_visible()

    code = code_of(empty.campus.runtime.folder)
    page.goto(f"/setup?code={code}")
    fill(page, "short")
    page.locator("main form button").click()
    expect(page.locator(".at-fault [name=password]")).to_be_visible()
    expect(page.locator("[name=name]")).to_have_value("第一职业学校")
    fill(page)
    page.locator("main form button").click()
    expect(page.locator(".secret")).to_be_visible()  # the fingerprint of the key it seals with

    page.locator("main a.button").click()
    empty.sign_in(page, "admin")
    page.goto("/school/dead-corners")
    expect(page.locator(".card.late").first).to_be_visible()  # nobody is there yet who could take a step
    page.goto("/school/departments")
    expect(page.locator(".lines li")).to_have_count(22)

    # the code opens nothing any more
    answer = page.goto(f"/setup?code={code}")
    assert answer is not None and answer.status == 404
