import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Cluster, places, programs, the_cluster


def test_a_database_made_from_a_template_has_its_rows_and_its_own_life() -> None:
    cluster = the_cluster()
    cluster.create("pattern")
    with cluster.connect("pattern") as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('闭环')")
    cluster.create("copied", template="pattern")
    with cluster.connect("copied") as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("闭环",)]
        connection.execute("DELETE FROM kept")
    with cluster.connect("pattern") as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)
    cluster.drop("copied")
    cluster.drop("pattern")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        cluster.connect("copied")


@pytest.fixture
def durable() -> Iterator[Cluster]:
    with Cluster(durable=True) as cluster:
        yield cluster


def test_a_killed_server_finds_what_was_committed_and_nothing_else(durable: Cluster) -> None:
    with durable.connect() as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('committed')")
    unfinished = durable.connect()
    unfinished.execute("BEGIN")
    unfinished.execute("INSERT INTO kept VALUES ('not committed')")
    durable.kill()
    unfinished.close()
    with pytest.raises(psycopg.OperationalError):
        durable.connect()
    durable.start()
    with durable.connect() as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("committed",)]


DIES = """
import os, signal
from tests.postgres import Cluster
cluster = Cluster()
cluster.start()
print(cluster.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_of_a_cluster_whose_test_run_was_killed() -> None:
    said = subprocess.run([sys.executable, "-c", DIES], capture_output=True, text=True, check=False, timeout=50)
    folder = Path(said.stdout.strip())
    assert folder.is_absolute(), said.stderr
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)  # the cleaner is nobody's child any more: there is nothing to wait for but the folder
    assert not folder.exists()


def test_without_programs_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="make venv"):
        programs([tmp_path / "bin"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's programs can be where the server may not go")
def test_programs_in_a_closed_folder_are_copied_to_where_the_server_may_read_them(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    here = programs(places())
    package = here.parent.parent
    for part in package.parent.glob(f"{package.name}*"):
        (closed / part.name).symlink_to(part)
    with Cluster(installed=closed / here.relative_to(package.parent)) as cluster, cluster.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
