import re

import pytest
from click.testing import CliRunner

from tests.bench.__main__ import main


@pytest.mark.slow
def test_a_tiny_bench_measures_everything_and_ends() -> None:
    ran = CliRunner().invoke(
        main, ["--rounds", "1", "--cases", "16", "--open", "20", "--due", "5"], catch_exceptions=False
    )

    assert ran.exit_code == 0
    measured = re.findall(r"^ +(\d+ clients?|nothing due|5 due) ", ran.output, re.MULTILINE)
    assert measured == [
        "1 client",
        "16 clients",
        "nothing due",
        "5 due",
        "1 client",
        "8 clients",
        "nothing due",
        "5 due",
    ]
    assert len(re.findall(r"takes [\d.]+ statements and writes [\d.]+ rows", ran.output)) == 2
