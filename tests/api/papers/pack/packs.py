"""Packs to look into and to spoil: a school with a key, a case that went its way, the files of a zip by name."""

import io
import zipfile
from collections.abc import Mapping

import httpx

from api.bootstrap import Runtime
from api.keys import KeyRing, SealKey
from api.papers.pack.packing import take
from engine.actor import system
from engine.store import seals
from tests.api.evidence.making import a_photo, a_sight
from tests.builders import School

Files = dict[str, bytes]


def a_key(runtime: Runtime, organisation: str = "school") -> SealKey:
    """From now on this organisation seals with it."""
    key = SealKey.drawn()
    KeyRing(runtime.folder.path / "keys").keep(organisation, key)
    with runtime.database.write(organisation) as connection:
        seals.begin_key(connection, organisation, key.key, key.public.hex(), runtime.clock.now())
    return key


def a_picture(client: httpx.Client, headers: Mapping[str, str], width: int = 64) -> str:
    sent = client.post(
        "/api/v1/files", content=a_photo(image=a_sight((width, 48))), headers={**headers, "Content-Type": "image/jpeg"}
    )
    assert sent.status_code == 201, sent.text
    return str(sent.json()["sha256"])


def a_repair(
    client: httpx.Client, school: School, title: str, place: str, done: str = "已更换", width: int = 64
) -> str:
    """A repair that was reported with a picture, assigned, fixed with another one, and verified. Gives its number."""
    teacher, staff, repairer = (school.headers(who) for who in ("teacher", "safety_staff", "repairer"))
    asked = {"title": title, "place": place, "photos": [a_picture(client, teacher, width)]}
    opened = client.post("/api/v1/repairs", json=asked, headers=teacher)
    assert opened.status_code == 201, opened.text
    number = str(opened.json()["number"])
    after = a_picture(client, repairer, width + 16)
    for trigger, said, who in (
        ("assign", {"assignee": "repairer"}, staff),
        ("fix", {"done": done, "photo": after}, repairer),
        ("verify", {}, school.headers("hqc_safety")),
    ):
        answer = client.post(f"/api/v1/repairs/{number}/{trigger}", json=said, headers=who)
        assert answer.status_code == 200, answer.text
    return number


def a_pack(runtime: Runtime, number: str, *, with_names: bool = True, organisation: str = "school") -> bytes:
    to = io.BytesIO()
    take(runtime, organisation, number, system(organisation), to, with_names=with_names)
    return to.getvalue()


def files_of(pack: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(pack)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """These files as a zip, whatever they are called."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(zipfile.ZipInfo(name, (2020, 3, 2, 9, 0, 0)), content)
    return to.getvalue()
