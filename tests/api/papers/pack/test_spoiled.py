"""Whatever is changed in a pack, it no longer holds, and a plain sentence says what is wrong."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.keys import SealKey
from api.papers.pack import verify
from engine.audit import canonical
from tests.api.papers.pack.conftest import Made
from tests.api.papers.pack.packs import Files, packed

NAMES = ("README.txt", "index.html", "events.jsonl", "checkpoint.json", "verify.py", "manifest.json", "signature.json")


def faults(pack: bytes, key: str | None) -> list[verify.Fault]:
    try:
        return verify.check(verify.Pack(io.BytesIO(pack)), key).faults
    except verify.Fault as fault:
        return [fault]


def told(pack: bytes, key: str | None) -> str:
    """Everything that is said of it; there has to be something, in both languages."""
    found = faults(pack, key)
    assert found
    assert all(fault.zh and fault.en and fault.zh != fault.en for fault in found)
    return " ".join(fault.en for fault in found)


@pytest.mark.parametrize("name", [*NAMES, "a picture"])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_byte_changed_in_any_file_is_found(name: str, where: str, made: Made) -> None:
    name = next(each for each in made.files if each.startswith("files/")) if name == "a picture" else name
    content = made.files[name]
    at = {"first": 0, "middle": len(content) // 2, "last": len(content) - 1}[where]
    spoiled = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    for key in (made.key, None):
        said = told(packed({**made.files, name: spoiled}), key)
        assert name in said or "signed by another key" in said or "The signature of manifest.json does not fit" in said


@pytest.mark.slow
@given(st.data())
@settings(max_examples=300)
def test_no_byte_of_a_pack_can_be_otherwise(made: Made, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(made.files)))
    content = made.files[name]
    at, other = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(1, 255))
    spoiled = content[:at] + bytes([content[at] ^ other]) + content[at + 1 :]
    assert faults(packed({**made.files, name: spoiled}), made.key)


@pytest.mark.parametrize("name, step", [("signature.json", 1), ("manifest.json", 31)])
def test_no_bit_of_what_is_signed_or_signs_can_be_otherwise(name: str, step: int, made: Made) -> None:
    """One byte after another; what stands for the same number in capitals is another byte, too."""
    content = made.files[name]
    for at in range(0, len(content), step):
        for spoilt in {content[at] ^ 1, content[at] ^ 0x20, content[at] ^ 0x80}:
            spoiled = content[:at] + bytes([spoilt]) + content[at + 1 :]
            assert faults(packed({**made.files, name: spoiled}), made.key), (name, at)


@pytest.mark.parametrize("name", [*NAMES, "a picture"])
def test_a_file_taken_out_is_missed(name: str, made: Made) -> None:
    name = next(each for each in made.files if each.startswith("files/")) if name == "a picture" else name
    left = {each: content for each, content in made.files.items() if each != name}
    assert f"{name} is missing" in told(packed(left), made.key)


@pytest.mark.parametrize("name", ["note.txt", f"files/{'a' * 64}.jpg", "Index.html"])
def test_a_file_put_in_is_found(name: str, made: Made) -> None:
    assert f"{name} was added" in told(packed({**made.files, name: b"one more"}), made.key)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.txt",
        "/etc/passwd",
        "files/../../x",
        "C:\\x",
        "a\\..\\b",
        "files/",
        "x/y",
        ".hidden",
        "名",
        "a" * 200,
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, made: Made) -> None:
    spoiled = packed({**made.files, name: b"x"})
    if name == "files/":
        assert faults(spoiled, made.key) == [], "a folder holds nothing; unpacking and packing again makes one"
    else:
        assert "which no pack has" in told(spoiled, made.key)


def test_a_file_given_twice_is_refused(made: Made) -> None:
    to = io.BytesIO(made.pack)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(to, "a") as twice:
        twice.writestr("index.html", "another")
    assert "holds index.html twice" in told(to.getvalue(), made.key)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_pack_cut_off_is_told(kept: float, made: Made) -> None:
    assert "no whole pack" in told(made.pack[: int(kept * len(made.pack))], made.key)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=150)
def test_a_damaged_zip_never_shows_another_content(made: Made, data: st.DataObject) -> None:
    """A byte of the zip itself: it is told, or it was one that holds no content (a time, a system), and everything still is
    what was signed. It never ends in a traceback."""
    at = data.draw(st.integers(0, len(made.pack) - 1))
    spoiled = made.pack[:at] + bytes([made.pack[at] ^ data.draw(st.integers(1, 255))]) + made.pack[at + 1 :]
    if not faults(spoiled, made.key):
        with zipfile.ZipFile(io.BytesIO(spoiled)) as opened:
            assert {name: opened.read(name) for name in opened.namelist()} == made.files


@pytest.mark.parametrize("name", ["events.jsonl", "index.html", "signature.json", "manifest.json"])
def test_a_file_that_unfolds_without_end_is_not_read_to_its_end(name: str, made: Made) -> None:
    bomb = packed({**made.files, name: b"\0" * (verify.MOST_MANIFEST_BYTES + verify.CHUNK_BYTES)})
    assert "longer than it should be" in told(bomb, made.key) or "cannot be read" in told(bomb, made.key)


def test_too_many_files_are_not_gone_through(made: Made) -> None:
    many = {**made.files, **{f"n{number}": b"" for number in range(verify.MOST_NAMES)}}
    assert "more files than any pack has" in told(packed(many), made.key)


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_packed_in_another_way_is_refused(how: int, made: Made) -> None:
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", how) as other:
        for name, content in made.files.items():
            other.writestr(name, content)
    assert "is packed as no pack is" in told(to.getvalue(), made.key)


# --- a forger with a key of his own ------------------------------------------------------------------------------------------


def signed_again(files: Files, key: SealKey, *, whole: bool = True) -> bytes:
    """The pack with the list of its files made anew and signed with this key; with `whole` the checkpoint is signed anew as
    well."""
    files = dict(files)
    if whole:
        body = canonical({**json.loads(json.loads(files["checkpoint.json"])["body"]), "key": key.key})
        checkpoint = {"body": body.decode(), "public": key.public.hex(), "signature": key.sign(body).hex()}
        files["checkpoint.json"] = canonical(checkpoint)
    content = {name: files[name] for name in files if name not in {"manifest.json", "signature.json"}}
    listed = {name: {"sha256": hashlib.sha256(each).hexdigest(), "bytes": len(each)} for name, each in content.items()}
    manifest = canonical({**json.loads(files["manifest.json"]), "key": key.key, "files": listed})
    signature = {"format": 1, "public": key.public.hex(), "signature": key.sign(manifest).hex()}
    return packed({**content, "manifest.json": manifest, "signature.json": canonical(signature)})


def test_a_forger_who_signs_everything_again_fails_against_the_fingerprint(made: Made) -> None:
    forger = SealKey.drawn()
    page = made.files["index.html"].replace("插座松动".encode(), "一切正常".encode())
    forged = signed_again({**made.files, "index.html": page}, forger)
    assert "signed by another key" in told(forged, made.key)
    assert faults(forged, None) == [], "it agrees with itself: without the fingerprint nobody can know"
    assert verify.check(verify.Pack(io.BytesIO(forged)), None).key == forger.key


def test_a_checkpoint_of_one_key_in_a_pack_of_another_is_told(made: Made) -> None:
    forger = SealKey.drawn()
    assert "checkpoint.json was not signed by the same key" in told(
        signed_again(made.files, forger, whole=False), forger.key
    )


def _of_line(files: Files, index: int, change: Callable[[dict[str, object]], None]) -> Files:
    lines = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    change(lines[index])
    return {**files, "events.jsonl": b"".join(canonical(line) + b"\n" for line in lines)}


def _without(files: Files, index: int) -> Files:
    lines = files["events.jsonl"].splitlines(keepends=True)
    del lines[index]
    return {**files, "events.jsonl": b"".join(lines)}


def _swapped(files: Files) -> Files:
    lines = files["events.jsonl"].splitlines(keepends=True)
    return {**files, "events.jsonl": b"".join([lines[0], lines[2], lines[1], lines[3]])}


def _title(line: dict[str, object]) -> None:
    line["disclosures"]["kept.title"]["value"] = "一切正常"  # type: ignore[index]


def _hidden(line: dict[str, object]) -> None:
    del line["disclosures"]["kept.title"]  # type: ignore[attr-defined]


def _actor(line: dict[str, object]) -> None:
    line["envelope"] = str(line["envelope"]).replace("person:teacher", "person:teacher2")


def _moved(line: dict[str, object]) -> None:
    line["position"] = int(str(line["position"])) + 1


def _other_salt(line: dict[str, object]) -> None:
    line["disclosures"]["kept.title"]["salt"] = "00" * 16  # type: ignore[index]


_NOT_RECORDED, _NOT_SEALED = "says is not what was recorded", "is not among what the checkpoint was signed over"
#: what is done → how, and what is said of it
FORGED: dict[str, tuple[Callable[[Files], Files], str]] = {
    "another title": (lambda files: _of_line(files, 0, _title), f"What event 1 {_NOT_RECORDED}"),
    "another salt": (lambda files: _of_line(files, 0, _other_salt), f"What event 1 {_NOT_RECORDED}"),
    "a title left out": (lambda files: _of_line(files, 0, _hidden), f"What event 1 {_NOT_RECORDED}"),
    "another person": (lambda files: _of_line(files, 0, _actor), f"Event 1 {_NOT_SEALED}"),
    "the last one's place": (lambda files: _of_line(files, 3, _moved), f"Event 4 {_NOT_SEALED}"),
    "another's place": (lambda files: _of_line(files, 1, _moved), f"Event 2 {_NOT_SEALED}"),
    "one taken out": (lambda files: _without(files, 1), "Event 2 does not follow the one before it"),
    "the first taken out": (lambda files: _without(files, 0), "Event 1 does not follow the one before it"),
    "two swapped": (_swapped, "Event 2 does not follow the one before it"),
    "no events": (lambda files: {**files, "events.jsonl": b""}, "events.jsonl holds no event"),
    "none that can be read": (lambda files: {**files, "events.jsonl": b"{}\n"}, "Event 1 cannot be read"),
    "no checkpoint": (lambda files: {**files, "checkpoint.json": b"{}"}, "checkpoint.json"),
    "a picture put in": (
        lambda files: {**files, f"files/{'b' * 64}.jpg": b"x"}, "is not a file that the events speak of",
    ),
    "pictures left out": (
        lambda files: {name: each for name, each in files.items() if not name.startswith("files/")}, "Not every file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_whoever_has_the_key_cannot_make_records_say_something_else(what: str, made: Made) -> None:
    """Signed again as a whole by a key that is trusted, the checkpoint too; the tree's root stands for what was recorded."""
    key = SealKey.drawn()
    change, said = FORGED[what]
    changed = change(dict(made.files))
    whole = changed["checkpoint.json"] == made.files["checkpoint.json"]
    assert said in told(signed_again(changed, key, whole=whole), key.key)


def test_a_pack_of_another_case_s_events_is_none_of_this_case(made: Made) -> None:
    key = SealKey.drawn()
    files = {
        **made.files,
        "manifest.json": canonical({**json.loads(made.files["manifest.json"]), "case": "WX-2020-0001"}),
    }
    assert "Event 1 does not follow" in told(signed_again(files, key), key.key)
