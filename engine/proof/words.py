"""What people, roles and departments are called where something is found."""

from collections.abc import Iterable, Sequence

from engine.definition import Workflow
from engine.directory import Directory
from engine.errors import Text

LISTED = 5  # departments named before the rest are counted


def called_by_post(directory: Directory, key: str) -> str:
    """Somebody by his post; where several have one of that name, with his department."""
    person = directory.people.get(key)
    if person is None:
        return key
    called = person.post or person.name or key
    if person.department is None or sum(called == (p.post or p.name) for p in directory.people.values()) < 2:
        return called
    return f"{departments_in_words(directory, [person.department]).zh}{called}"


def roles_in_words(workflow: Workflow, names: Iterable[str]) -> Text:
    """Any of these roles and relations."""
    texts = [workflow.called(name) for name in names]
    return Text("或".join(t.zh for t in texts), " or ".join(t.en for t in texts))


def departments_in_words(directory: Directory, codes: Sequence[str]) -> Text:
    """These departments, no more than a reader takes in by name."""
    if not codes:
        return Text("尚未确定部门的事项", "cases of no department yet")
    titles = {department.code: department.name for department in directory.departments}
    named = [titles.get(code, Text(code, code)) for code in codes[:LISTED]]
    more = len(codes) - len(named)
    zh = "、".join(t.zh for t in named) + (f"等 {len(codes)} 个部门" if more else "")
    en = ", ".join(t.en for t in named) + (f" and {more} more" if more else "")
    return Text(zh, en)
