"""Reading where there are very many cases: how soon a process is ready, how long lists take, how much memory it comes to.

The whole product serves, in a process of its own, over HTTP with tokens and connections that are kept; whoever asks is in
this process, one after another. Each question is asked in several schools, so that what one of them warmed does not help
the next.
"""

import gzip
import http.client
import json
import os
import random
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from api.folder import Folder
from api.requests import cursor_of
from engine.store.database import Database
from tests.bench import many
from tests.bench.grounds import Ground
from tests.builders import School
from tests.journeys.serving import Started

READY_WITHIN_SECONDS = 3.0
LIST_MILLISECONDS = 150
WORK_MILLISECONDS = 50  # a worklist, a case
MEMORY_MEGABYTES = 250
FIRST_VISIT_BYTES = 60_000  # as they travel, pictures aside
ASKERS = 16  # at once, where memory is looked at
GIVE_UP_SECONDS = 120


@dataclass(frozen=True)
class Question:
    """What is asked, by whom, and in how many milliseconds it is to be answered nineteen times of twenty."""

    name: str
    person: str
    path: str
    allowed: int


def questions(cases: int) -> list[Question]:
    asked = [
        Question(f"{person}: worklist", person, "/api/v1/worklist", WORK_MILLISECONDS)
        for person in ("teacher", "hqc_head", "safety_staff", "safety_head", "principal")
    ]
    asked += [
        Question(f"{person}: start page", person, "/mine", WORK_MILLISECONDS)
        for person in ("teacher", "hqc_head", "safety_staff", "safety_head", "repairer")
    ]
    asked.append(Question("safety_head: a case's page", "safety_head", f"/cases/{CASE}", WORK_MILLISECONDS))
    for person in ("safety_head", "hqc_head"):
        asked += [
            Question(
                f"{person}: {name}{page}", person, f"/api/v1/cases?{urlencode({**wanted, **after})}", LIST_MILLISECONDS
            )
            for name, wanted in _filters().items()
            for page, after in (("", {}), (", deep", {"cursor": _middle(cases)}))
        ]
    asked += [
        Question(f"safety_head: page of {name}", "safety_head", f"/cases?{urlencode(wanted)}", LIST_MILLISECONDS)
        for name, wanted in _filters().items()
    ]
    asked.append(Question("teacher: everything", "teacher", "/api/v1/cases", LIST_MILLISECONDS))
    asked.append(Question("safety_head: a case", "safety_head", f"/api/v1/hazards/{CASE}", WORK_MILLISECONDS))
    return asked


LINKED = re.compile(r"""["'](/static/[^"'#]+|/manifest\.webmanifest)["'#]""")
CASE = "{case}"  # stands for a number of the school that is asked in


def _filters() -> Mapping[str, Mapping[str, str]]:
    """Every filter there is, by itself; of those that may leave many or few, both."""
    now = many.NOW
    return {
        "everything": {},
        "workflow": {"workflow": "hazard"},
        "workflow, none": {"workflow": "drill"},
        "state closed": {"state": "closed"},
        "state fixed": {"state": "fixed"},
        "counts as closed": {"counts_as": "closed"},
        "counts as verified": {"counts_as": "verified"},
        "level general": {"level": "general"},
        "level major": {"level": "major"},
        "category": {"category": "ELEC.use"},
        "categories": {"category": "ELEC"},
        "category, none": {"category": "OTHER"},
        "department": {"department": "HQC"},
        "department, none": {"department": "NONE"},
        "assignee": {"assignee": "repairer"},
        "assignee, none": {"assignee": "nobody"},
        "overdue": {"overdue": "true"},
        "not overdue": {"overdue": "false"},
        "due before": {"due_before": (now - timedelta(days=15)).isoformat()},
        "opened after": {"opened_after": (now - timedelta(days=3)).isoformat()},
        "text, common": {"q": "插座"},
        "text, rare": {"q": many.RARE},
        "text, none": {"q": "无此词语"},
        "text, two words": {"q": f"锅炉房 {many.RARE}"},
        "text, a number": {"q": many.number_of(7)},
        "text, one sign": {"q": "雀"},
    }


def _middle(cases: int) -> str:
    return cursor_of((many.middle(), many.number_of(cases // 2)))


@dataclass(frozen=True)
class Read:
    """
    p95            name → milliseconds of nineteen in twenty, and what is allowed
    first_visit    bytes that travel when the start page is opened for the first time, with everything it makes a browser fetch
    """

    ready_seconds: float
    p95: Mapping[str, tuple[float, int]]
    megabytes: Sequence[float | None]
    first_visit: int

    @property
    def slow(self) -> list[str]:
        return [name for name, (took, allowed) in self.p95.items() if took > allowed]


class Reader:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)
        self.travelled = 0  # bytes of answers, with their headers

    def get(self, school: str, person: str, path: str) -> bytes:
        """Raises RuntimeError for whatever is not 200."""
        return self._asked("GET", path, School(school).token(person), None)

    def report(self, school: str, what: str) -> None:
        told = {"title": what, "place": "操场", "category": "ELEC.use"}
        self._asked("POST", "/api/v1/hazards", School(school).token("teacher"), json.dumps(told).encode())

    def _asked(self, method: str, path: str, token: str, body: bytes | None) -> bytes:
        headers = {
            "Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept-Encoding": "gzip",
        }  # fmt: skip
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()  # kept too long; whoever asks seldom begins anew
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
        self.travelled += len(content) + sum(len(name) + len(value) + 4 for name, value in answer.getheaders())
        return gzip.decompress(content) if answer.headers["Content-Encoding"] == "gzip" else content

    def close(self) -> None:
        self._connection.close()


def read(ground: Ground, *, cases: int, times: int, mixed: int) -> Read:
    """times    each question is asked so often
    mixed    requests before memory is looked at, and as many again
    """
    database = ground.fresh()
    many.fill(ground, database, cases)
    try:
        with TemporaryDirectory(prefix="bihuan-reads-") as place:
            return _read(Path(place), database, cases=cases, times=times, mixed=mixed)
    finally:
        ground.remove(database)


def _read(folder: Path, database: Database, *, cases: int, times: int, mixed: int) -> Read:
    began = time.perf_counter()
    with serving(folder, database, at=many.NOW) as server:
        port = ready_at(server)
        ready = time.perf_counter() - began
        asked = questions(cases)
        with closing(Reader(port)) as reader:
            found = {question.name: (_p95(reader, question, cases, times), question.allowed) for question in asked}
        first_visit = _first_visit(port)
        megabytes = [_resident(server)]
        for turn in range(2):
            _mix(port, asked, cases, mixed, turn)
            megabytes.append(_resident(server))
    return Read(ready, found, megabytes, first_visit)


def _first_visit(port: int) -> int:
    """The start page, what it names, and what the worker keeps for when there is no network; each once, no picture."""
    with closing(Reader(port)) as reader:
        school = many.school_of(0)
        page, worker = (reader.get(school, "safety_staff", path).decode() for path in ("/mine", "/service-worker.js"))
        named = {address for text in (page, worker) for address in LINKED.findall(text)}
        for address in sorted(each for each in named if not each.partition("?")[0].endswith(".png")):
            reader.get(school, "safety_staff", address)
        return reader.travelled


@contextmanager
def serving(folder: Path, database: Database, *, at: datetime) -> Iterator[Started]:
    """`bihuan serve` as a school has it, and nothing of ours that measures in the same process."""
    data = folder / "school"
    Folder(data).make(simulated=True, at=at)
    with Started(data, BIHUAN_DATABASE_URL=database.url, BIHUAN_LOG_LEVEL="info") as server:
        try:
            yield server
        except BaseException:
            sys.stderr.writelines(server.log.read_text(encoding="utf-8").splitlines(keepends=True)[-40:])
            raise
        server.stop()


def ready_at(server: Started) -> int:
    """The port, once it says that it is ready."""
    port = int(server.url.rpartition(":")[2])
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)) as connection:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    return port


def _p95(reader: Reader, question: Question, cases: int, times: int) -> float:
    taken = []
    for turn in range(times):
        case = (turn * 7 * len(many.SCHOOLS) + turn) % cases
        path = question.path.replace(CASE, many.number_of(case))
        began = time.perf_counter()
        reader.get(many.school_of(case), question.person, path)
        taken.append(1000 * (time.perf_counter() - began))
    return nineteen_in_twenty(taken)


def nineteen_in_twenty(taken: Sequence[float]) -> float:
    return quantiles(taken, n=20, method="inclusive")[-1] if len(taken) > 1 else taken[0]


def _mix(port: int, asked: Sequence[Question], cases: int, requests: int, turn: int) -> None:
    """All questions in any order in all schools, and one report among twenty of them."""

    def ask(number: int) -> None:
        drawn = random.Random(f"{turn} {number}")  # the same every time
        with closing(Reader(port)) as reader:
            for n in range(requests // ASKERS):
                case = drawn.randrange(cases)
                if n % 20 == 19:
                    reader.report(many.school_of(case), f"松动 {turn} {number} {n}")
                    continue
                question = drawn.choice(asked)
                path = question.path.replace(CASE, many.number_of(case))
                reader.get(many.school_of(case), question.person, path)

    with ThreadPoolExecutor(ASKERS) as askers:
        list(askers.map(ask, range(ASKERS)))


def _resident(server: Started) -> float | None:
    """Megabytes the process has in memory; None where the system does not say it this way."""
    try:
        pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
