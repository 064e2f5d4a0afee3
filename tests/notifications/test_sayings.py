"""What the program writes down itself where a service would have answered."""

import re

import pytest

from engine.errors import Text
from notifications import answers
from notifications.answers import as_kept, in_both, in_words, sayings
from notifications.channels.fence import INSIDE
from notifications.channels.posting import TOO_SLOW

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("saying", list(sayings()), ids=lambda saying: saying.en)
def test_every_saying_is_told_in_chinese_with_its_facts(saying: Text) -> None:
    facts = {name: f"{name}-1" for name in re.findall(r"{(\w+)}", saying.en)}
    alone, with_more = as_kept(saying, **facts), as_kept(saying, "errcode 93000: hook", **facts)
    assert in_words(alone).zh == saying.zh.format(**facts)
    assert in_words(with_more).zh == f"{saying.zh.format(**facts)}：errcode 93000: hook"
    assert (in_words(alone).en, in_words(with_more).en) == (alone, with_more)
    assert set(facts) == set(re.findall(r"{(\w+)}", saying.zh)), "the same facts in both"


def test_a_saying_may_be_about_another() -> None:
    assert in_words(f"gave up after 3 tries: {TOO_SLOW}").zh == "试了 3 次，不再重试：对方没有答复：超时"
    assert not re.search("does not allow", in_words(INSIDE).zh)


@pytest.mark.parametrize("said", ["200 ok", "5.1.1 no such mailbox: no answer", "errcode 93000: no answer", ""])
def test_what_a_service_said_stays_as_it_said_it(said: str) -> None:
    assert (in_words(said).zh, in_words(said).en, in_both(said)) == (said, said, said)


def test_what_was_cut_short_is_told_as_far_as_it_goes() -> None:
    assert CHINESE.search(in_words(as_kept(answers.GAVE_UP, "x" * 600, tries=3)[:500]).zh)
