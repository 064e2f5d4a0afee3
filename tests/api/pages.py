"""What a browser makes of our pages, for tests: their words, forms and addresses."""

import re
from html.parser import HTMLParser
from typing import Any

import httpx

from tests.builders import PASSWORD


class Page(HTMLParser):
    """What a page holds, as far as a browser acts on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self._quiet = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [str(given[name]) for name in ("href", "src", "action") if given.get(name)]
        assert not any(name.startswith("on") or name == "style" for name in given), (
            "no script, and no style the policy forbids"
        )
        if tag == "form":
            self.forms.append({"action": given.get("action"), "method": given.get("method"), "fields": {}})
        if tag in {"input", "select", "textarea"} and given.get("name"):
            self.forms[-1]["fields"][given["name"]] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        self.words += data

    def form(self, action: str) -> dict[str, str]:
        [found] = [form["fields"] for form in self.forms if re.fullmatch(action, form["action"])]
        return dict(found)


def got(client: httpx.Client, path: str, status: int = 200) -> Page:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Page(answer.text)


def sign_in(client: httpx.Client, account: str = "teacher", password: str = PASSWORD, **more: str) -> httpx.Response:
    fields = got(client, "/sign-in").form("/sign-in")
    return client.post("/sign-in", data={**fields, "account": account, "password": password, **more})
