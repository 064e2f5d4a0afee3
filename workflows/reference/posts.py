"""What a list of staff calls posts: the words of posts.yaml, each with the roles it brings."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from types import MappingProxyType

from engine.actor import WHOLE_ORGANISATION, Grant
from workflows.reference.organisation import Organisation
from workflows.reference.reading import Titled, read_file

FILE = "posts.yaml"
_APART = re.compile(r"[、，,；;/|+&\n\r\t]+")  # after NFKC, which makes ； ／ ＋ their narrow selves
_ALSO = re.compile(r"兼任|兼")  # 安稳办主任兼保卫处长
_MUTE = re.compile(r"[\s()\[\]【】〔〕·.\-_]+")


class Post(Titled):
    """also         other words for it
    everywhere   roles it brings in the whole organisation
    department   roles it brings in the person's own department
    """

    also: tuple[str, ...] = ()
    everywhere: tuple[str, ...] = ()
    department: tuple[str, ...] = ()

    def grants_in(self, department: str | None) -> frozenset[Grant]:
        """What somebody of this department holds by it; without one nothing of what it brings there."""
        own = () if department is None else tuple(Grant(role, department) for role in self.department)
        return frozenset((*(Grant(role, WHOLE_ORGANISATION) for role in self.everywhere), *own))


@dataclass(frozen=True)
class Posts:
    by_code: Mapping[str, Post]
    by_word: Mapping[str, Post]
    no_department: frozenset[str]  # words as `alike` gives them

    def named_in(self, said: str, department: str = "") -> tuple[list[Post], list[str]]:
        """The posts a cell names, several in a row or joined by 兼, and the words that name none of them.

        department   what the person's department is called: 机电工程系主任 is the head of 机电工程系
        """
        found: dict[str, Post] = {}
        unknown: list[str] = []
        whole = self._of(said, department)
        words = (
            [said] if whole else [word for word in _APART.split(unicodedata.normalize("NFKC", said)) if word.strip()]
        )
        for word in words:
            known = self._of(word, department)
            parts = [word] if known else [part for part in _ALSO.split(word) if part.strip()]
            for part in parts:
                posts = self._posts_of(part, department)
                if not posts:
                    unknown.append(part.strip())
                found |= {post.code: post for post in posts}
        return list(found.values()), unknown

    def _posts_of(self, word: str, department: str) -> list[Post]:
        """The post this is, or those it names with nothing but blanks between them, if every one is known."""
        whole = self._of(word, department)
        if whole is not None:
            return [whole]
        apart = [self._of(piece, department) for piece in word.split()]
        return [post for post in apart if post is not None] if None not in apart else []

    def _of(self, word: str, department: str) -> Post | None:
        bare = alike(word)
        return self.by_word.get(bare) or (
            self.by_word.get(bare.removeprefix(alike(department))) if department and bare != alike(department) else None
        )


def alike(word: str) -> str:
    """The same for words that differ in blanks, brackets, width or capitals only."""
    return _MUTE.sub("", unicodedata.normalize("NFKC", word)).casefold()


def read_posts(folder: Traversable, organisation: Organisation) -> Posts:
    file = read_file(folder, FILE, {"posts", "no_department"})
    posts = file.coded("posts", Post)
    by_word: dict[str, Post] = {}
    for post in posts.values():
        file.must_be_known("posts", post.code, (*post.everywhere, *post.department), organisation.roles, "role")
        for word in dict.fromkeys((alike(post.title.zh), alike(post.title.en), *map(alike, post.also))):
            if word in by_word:
                file.refuse(
                    "posts", post.code, f"{word!r} names {by_word[word].code!r} already", "Let it name one post"
                )
            by_word[word] = post
    return Posts(posts, MappingProxyType(by_word), frozenset(alike(str(word)) for word in file.rows("no_department")))
