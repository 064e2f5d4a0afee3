import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.bench import messages
from tests.bench.__main__ import main
from tests.bench.grounds import grounds
from tests.bench.reading import FIRST_VISIT_BYTES


@pytest.mark.slow
def test_a_tiny_bench_measures_everything_and_ends() -> None:
    ran = CliRunner().invoke(
        main,
        ["commands", "sweeps", "--rounds", "1", "--cases", "16", "--open", "20", "--due", "5"],
        catch_exceptions=False,
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


@pytest.mark.slow
def test_a_tiny_bench_over_http_plays_every_case_on_both_servers_and_gives_one_json_object() -> None:
    ran = CliRunner().invoke(
        main, ["http", "--on", "sqlite", "--rounds", "1", "--cases", "16", "--json"], catch_exceptions=False
    )

    assert ran.exit_code == 0
    told = json.loads(ran.stdout)["http"]
    assert told["sqlite"]["ratio"]["median"] > 0


@pytest.mark.slow
def test_a_tiny_backlog_and_a_tiny_cycle_are_worked_off_with_nobody_forgotten() -> None:
    ran = CliRunner().invoke(
        main, ["backlog", "cycles", "--behind", "10", "--schools", "2", "--json"], catch_exceptions=False
    )

    assert ran.exit_code == 0
    told = json.loads(ran.stdout)
    assert told["flush_ms"]["median"] > 0
    for kind, nodes in (("sqlite", 1), ("postgresql", 4)):
        assert told["backlog"][kind]["due"] == 10 and told["backlog"][kind]["asked"] > 0
        assert (told["cycles"][kind]["cases"], len(told["cycles"][kind]["by_node"])) == (40, nodes)
        assert told["cycles"][kind]["beside_raw"]["raw_ms"] > 0


@pytest.mark.slow
def test_a_tiny_bench_of_reading_asks_every_question_and_looks_at_the_memory() -> None:
    ran = CliRunner().invoke(
        main,
        ["reads", "--on", "sqlite", "--rounds", "1", "--size", "1000", "--mixed", "16", "--json"],
        catch_exceptions=False,
    )

    assert ran.exit_code == 0
    told = json.loads(ran.stdout)["reads"]["sqlite"]
    assert {f"safety_head: {name}" for name in ("a case", "overdue", "text, rare, deep", "worklist")} <= set(
        told["p95"]
    )
    assert len(told["megabytes"]) == 3
    assert 10_000 < told["first_visit"] < FIRST_VISIT_BYTES


@pytest.mark.slow
def test_a_tiny_bench_of_the_trail_asks_twelve_families_of_questions_lists_of_then_overviews_and_counts() -> None:
    ran = CliRunner().invoke(
        main, ["trail", "--on", "sqlite", "--rounds", "1", "--size", "1000", "--json"], catch_exceptions=False
    )

    assert ran.exit_code == 0
    told = json.loads(ran.stdout)["trail"]["sqlite"]
    families = {name.partition(":")[0] for name in told["p95"] if not name.startswith("book of ")}
    assert len(families - {"counts", "overview", *_AS_OF}) == 12
    assert told["events"] > 9_000
    assert {"person: never", "as of midway: overdue", "counts: day and actor", "overview: of a teacher"} <= set(
        told["p95"]
    )


_AS_OF = [f"as of {when}" for when in ("lately", "midway", "early")]


@pytest.mark.slow
def test_a_tiny_history_is_verified_at_two_sizes_and_a_tiny_rush_is_sealed_meanwhile() -> None:
    ran = CliRunner().invoke(
        main,
        ["verify", "sealing", "--on", "sqlite", "--rounds", "1", "--size", "1000", "--cases", "16", "--json"],
        catch_exceptions=False,
    )

    assert ran.exit_code == 0
    told = json.loads(ran.stdout)
    assert told["verify"]["sqlite"]["small"]["events"] < told["verify"]["sqlite"]["large"]["events"] <= 1001
    assert told["sealing"]["sqlite"]["ratio"]["median"] > 0


@pytest.mark.slow
def test_a_tiny_morning_of_messages_arrives_whole(tmp_path: Path) -> None:
    with grounds(tmp_path, ["sqlite"]) as there:
        assert messages.send(there["sqlite"], 30, factor=60).messages == 30
