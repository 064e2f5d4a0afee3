"""The network between a client and the API cuts, stutters and closes one way only, or breaks as the answer comes. Whoever heard
nothing asks again under the same key, and gets to the byte what he would have heard.
"""

import itertools
import random
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import uvicorn

from api.app import create_app
from api.bootstrap import open_runtime
from api.folder import Folder
from engine.commands import Asked, FireTrigger, OpenCase
from engine.store import accounts
from tests.builders import the_settings
from tests.databases import KINDS, Kind
from tests.engine.fakes import HERE
from tests.faults.faults import Counted, Fault, Ground, Plain, at_a_school
from tests.faults.invariants import Answer, Broken
from tests.faults.places import CATALOG, TAKEN, Place, opening, taking
from tests.faults.proxying import Harm, Proxy

BYTES = {"questions": 900, "answers": 1500}  # what one request and its answer take, some keys included
STUTTER_SECONDS = 0.001
TRIES = 4  # of one request at most, in the last of which the network is whole
STARTS_WITHIN_SECONDS = 30

#: cycle number n does the n-th of these, over and over
HARMS: tuple[Harm, ...] = (
    Harm("swallow", on=b"POST "),
    Harm("cut", "answers"),
    Harm("half-close", "questions"),
    Harm("cut", "questions"),
    Harm("half-close", "answers"),
    Harm("delay", "answers", delay_seconds=STUTTER_SECONDS),
)


_numbers = itertools.count()


@dataclass
class Wire(Plain):
    """wire    a folder for sockets"""

    wire: Path


@contextmanager
def _ground(kind: Kind, folder: Path, *, short: bool) -> Iterator[Wire]:
    # short, since a socket's path has to fit into 107 bytes
    with tempfile.TemporaryDirectory(prefix="bh", dir="/tmp") as wire:
        yield Wire(kind, folder, Path(wire))


def _cycle(ground: Ground, place: Place, chance: random.Random, number: int) -> Counted:
    assert isinstance(ground, Wire)
    counted = Counted()
    commands = [asked for ask in (opening, *map(taking, TAKEN)) for asked in ask(place)]
    chance.shuffle(commands)
    near, far = (ground.wire / str(next(_numbers)) for _ in range(2))
    with _answering(place, near), Proxy(upstream=near, listen=far) as proxy:
        answers = [_asked(proxy, far, asked, HARMS[number % len(HARMS)], chance, counted) for asked in commands]
        for asked, answer in zip(commands, answers, strict=True):
            again = _sent(far, asked)
            if again.content != answer.content or again.headers.get("Idempotency-Replayed") != "true":
                raise Broken(f"asked again under {asked.key!r}, {answer.text} became {again.text}")
            _enter(place, asked, answer)
    return counted


def _asked(
    proxy: Proxy, far: Path, asked: Asked, harm: Harm, chance: random.Random, counted: Counted
) -> httpx.Response:
    unheard = 0
    for tries_left in reversed(range(chance.randint(2, TRIES))):
        if tries_left:
            proxy.do(replace(harm, after_bytes=chance.randint(0, BYTES[harm.way])))
        try:
            answer = _sent(far, asked)
        except httpx.TransportError:
            unheard += 1
            continue
        finally:
            proxy.heal()
        if answer.status_code not in (200, 201):
            raise Broken(f"{asked.command} was answered by {answer.status_code}: {answer.text}")
        done_before = unheard and answer.headers.get("Idempotency-Replayed") == "true"
        counted.unheard += bool(done_before)
        counted.undone += unheard - bool(done_before)
        return answer
    raise Broken("the network is whole again, and the server is not reached")


def _sent(far: Path, asked: Asked) -> httpx.Response:
    """Each over a connection of its own, as from a phone."""
    command = asked.command
    assert isinstance(command, OpenCase | FireTrigger)
    workflow = CATALOG.newest()
    plural = next(w.plural for w in workflow if _is_of(w.key, w.prefix, command))
    path = f"/{plural}" if isinstance(command, OpenCase) else f"/{plural}/{command.case}/{command.trigger}"
    transport = httpx.HTTPTransport(uds=str(far), verify=False)  # no certificates to be read for a file
    headers = {"Authorization": f"Bearer {_token(str(asked.actor.person))}", "Idempotency-Key": str(asked.key)}
    with httpx.Client(transport=transport, base_url="http://api/api/v1", timeout=30) as client:
        return client.post(path, json=dict(command.data), headers=headers)


def _is_of(workflow: str, prefix: str, command: OpenCase | FireTrigger) -> bool:
    return command.workflow == workflow if isinstance(command, OpenCase) else command.case.startswith(f"{prefix}-")


def _enter(place: Place, asked: Asked, answer: httpx.Response) -> None:
    """Without its key, which is the one of the API's route and was asked again there."""
    said = answer.json()
    event = said["event"]
    place.ledger.enter(replace(asked, key=None), Answer("done", said["number"], event["sequence"], event["hash"]))


def _token(person: str) -> str:
    return f"bh_{person}_token"


# --- the server ----------------------------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """Says when it listens."""

    once_listening: Callable[[], None]

    async def startup(self, sockets: Sequence[object] | None = None) -> None:
        await super().startup(None)
        self.once_listening()


@contextmanager
def _answering(place: Place, at: Path) -> Iterator[None]:
    """Our API on the place's database, in a thread, at this socket."""
    with place.engine.database.write_across() as connection:
        for person in {"charlie", *(who for who, _, _ in TAKEN.values())}:
            accounts.add_token(connection, HERE, person, _token(person), "test", place.school.clock.now())
    data = place.post.file.parent / "data"
    Folder(data).make(simulated=True, at=place.school.clock.now())
    settings = the_settings(data, database_url=place.url)
    with closing(open_runtime(settings, clock=place.school.clock, catalog=CATALOG)) as runtime:
        config = uvicorn.Config(
            create_app(runtime), uds=str(at), log_config=None, access_log=False, lifespan="off", server_header=False
        )
        server, listens = _Server(config), threading.Event()
        server.once_listening = listens.set
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        assert listens.wait(STARTS_WITHIN_SECONDS)
        yield
        server.should_exit = True
        thread.join(STARTS_WITHIN_SECONDS)


REQUESTS = Fault(
    "requests",
    "the network to the API cuts, stutters, half-closes, and breaks as the answer comes",
    KINDS,
    _ground,
    at_a_school(_cycle),
)
