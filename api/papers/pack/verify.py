"""核对一份闭环证据包，不需要闭环软件，也不需要网络。Checks an evidence pack of Bihuan, without Bihuan and without a network.

    python -I verify.py --key FINGERPRINT PACK.zip

FINGERPRINT 是学校密钥的指纹，请从证据包以外的途径取得（公告栏、公文、电话）。it is the fingerprint of the school's key:
take it from anywhere but the pack itself (a notice board, a letter, the telephone).

This file needs Python 3.8 or newer and nothing else. It trusts nothing in the pack, unpacks nothing and writes nothing.
Read it from top to bottom:

    1  signatures: Ed25519 as RFC 8032 has it
    2  hashes: canonical JSON (RFC 8785), commitments, the tree of RFC 6962
    3  what lies in a pack, read with care
    4  what is checked, in order
    5  the command

它的结束码 · it ends with   0 all of it holds, by the key that was given
                          1 something does not hold, or is no pack
                          2 called the wrong way
                          3 it agrees with itself; no key was given, so nobody knows yet whose it is
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Dict, Tuple

# --- 1 signatures: Ed25519 (RFC 8032 §5.1) ----------------------------------------------------------------------------
# A point is (X, Y, Z, T) with x = X/Z, y = Y/Z, x·y = T/Z (§5.1.4).

Point = Tuple[int, int, int, int]
Object = Dict[str, Any]  # of JSON

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def add(p: Point, q: Point) -> Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    found = NEUTRAL
    while number:
        if number & 1:
            found = add(found, point)
        point = add(point, point)
        number >>= 1
    return found


def same(p: Point, q: Point) -> bool:
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def point_of(written: bytes) -> Point | None:
    """The point these 32 bytes stand for (§5.1.3); None where they stand for none, or are not the one way to write it."""
    if len(written) != 32:
        return None
    y = int.from_bytes(written, "little")
    odd, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and odd):
        return None
    if x & 1 != odd:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the signature of this message by the owner of this public key (§5.1.7)."""
    if len(signature) != 64:
        return False
    key, r = point_of(public), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or r is None or BASE is None or s >= L:  # S + L would be a second signature of the same message
        return False
    if same(times(8, key), NEUTRAL):  # of small order: it would sign everything
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    return same(times(8, times(s, BASE)), times(8, add(r, times(k, key))))


# --- 2 hashes ---------------------------------------------------------------------------------------------------------

LARGEST = 2**53 - 1


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def canonical(value: object) -> str:
    """The one way to write this value (RFC 8785). Raises ValueError for what has none, as any number with a fraction."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: str(name).encode("utf-16-be"))
        return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > LARGEST):
        raise ValueError("a number without a canonical form")
    return json.dumps(value, ensure_ascii=False)


def read_json(written: bytes) -> Object:
    """A JSON object written in the one way there is: no byte of it could be otherwise. Raises ValueError."""
    try:
        value = json.loads(written.decode("utf-8"))
        if isinstance(value, dict) and canonical(value).encode("utf-8") == written:
            return value
    except RecursionError:
        pass
    raise ValueError("not canonical JSON")


def commitment(salt: str, value: object) -> str:
    """What an event holds instead of the value itself."""
    return sha256(bytes.fromhex(salt) + canonical(value).encode("utf-8"))


def is_in_tree(leaf_data: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Whether this is leaf `index` of the `size` leaves under `root` (RFC 6962 §2.1, checked as RFC 9162 §2.1.3.2 has it)."""
    if not 0 <= index < size:
        return False
    found = hashlib.sha256(b"\x00" + leaf_data).digest()
    place, last = index, size - 1
    for beside in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = hashlib.sha256(b"\x01" + beside + found).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + beside).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


# --- 3 what lies in a pack --------------------------------------------------------------------------------------------

MANIFEST, SIGNATURE, CHECKPOINT, EVENTS = "manifest.json", "signature.json", "checkpoint.json", "events.jsonl"
NEEDED = (CHECKPOINT, EVENTS, "index.html", "README.txt", "verify.py")
NAME = re.compile(r"(?:files/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # nothing that leads out of a folder
FILE = re.compile(r"files/([0-9a-f]{64})\.[a-z0-9]{1,8}")
HASH = re.compile(r"[0-9a-f]{64}")
FOLDERS = ("files/",)

MOST_NAMES = 20_000
MOST_READ_BYTES = 512 << 20  # of what is read as a whole; files are looked through piece by piece
MOST_MANIFEST_BYTES = 16 << 20
MOST_FILE_BYTES = 4 << 30
CHUNK_BYTES = 1 << 20
SHOWN = 20  # faults told one by one


class Fault(Exception):
    """What does not hold, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


class Pack:
    """The files of a zip, or of a folder it was unpacked into. Nothing is unpacked: they are read where they are."""

    def __init__(self, path: Path | IO[bytes]) -> None:
        self._zip: zipfile.ZipFile | None = None
        self._entries: dict[str, zipfile.ZipInfo | Path] = {}
        if isinstance(path, Path) and path.is_dir():
            self._look_through(path)
            return
        try:
            self._zip = zipfile.ZipFile(path)
            entries = self._zip.infolist()
        except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
            raise Fault(
                f"{path} 不是完整的证据包：不是 zip 文件，或已损坏、被截断。",
                f"{path} is no whole pack: no zip file, or damaged, or cut off.",
            ) from error
        for entry in entries:
            if entry.filename not in FOLDERS:
                self._add(entry.filename, entry)

    def _look_through(self, folder: Path) -> None:
        for full in sorted(folder.rglob("*")):  # links to folders are not followed
            shown = full.relative_to(folder).as_posix()
            if full.is_symlink():
                raise Fault(f"{shown} 是链接，不是文件。", f"{shown} is a link and no file.")
            if not full.is_dir():
                self._add(shown, full)

    def _add(self, name: str, entry: zipfile.ZipInfo | Path) -> None:
        if not NAME.fullmatch(name):
            raise Fault(
                f"包中有不该有的名称 {name!r}；没有解开任何文件。",
                f"the pack holds the name {name!r}, which no pack has; nothing was unpacked.",
            )
        if name in self._entries:
            raise Fault(f"包中有两个 {name}。", f"the pack holds {name} twice.")
        if len(self._entries) >= MOST_NAMES:
            raise Fault("包中文件过多。", "the pack holds more files than any pack has.")
        self._entries[name] = entry

    @property
    def names(self) -> set[str]:
        return set(self._entries)

    def read(self, name: str, most: int) -> bytes:
        """The whole file, if it is no longer than this."""
        pieces = list(self.pieces(name, most))
        return b"".join(pieces)

    def pieces(self, name: str, most: int) -> Iterator[bytes]:
        """The file piece by piece. Raises Fault where it is not there, damaged, or longer than `most` bytes."""
        entry = self._entries.get(name)
        if entry is None:
            raise Fault(f"缺少 {name}。", f"{name} is missing.")
        read = 0
        try:
            if isinstance(entry, Path):
                opened: IO[bytes] = entry.open("rb")
            else:
                assert self._zip is not None
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
                    raise Fault(f"{name} 的压缩方式不对。", f"{name} is packed as no pack is.")
                opened = self._zip.open(entry)
            with opened:
                while True:
                    piece = opened.read(CHUNK_BYTES)
                    read += len(piece)
                    if read > most:
                        raise Fault(
                            f"{name} 比应有的长。", f"{name} is longer than it should be; reading on was stopped."
                        )
                    if not piece:
                        return
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise Fault(f"{name} 已损坏，无法读取。", f"{name} is damaged and cannot be read.") from error


# --- 4 what is checked, in order --------------------------------------------------------------------------------------


class Checked:
    """What came out: what does not hold, and what the pack is about."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.key = self.case = self.organisation = self.until = self.sealed_at = ""
        self.events = self.files = self.absent = self.cleared = self.size = 0


def check(pack: Pack, wanted: str | None) -> Checked:
    """Everything, in order; what can be told apart is told apart.

    wanted    the fingerprint that was given, None if none was
    """
    checked = Checked()
    try:
        manifest, public = signed_manifest(pack, wanted, checked)
        checked.faults += files_that_differ(pack, manifest)
        if checked.faults:
            return checked
        size, root = signed_checkpoint(pack, manifest, public, checked)
        named = events(pack, manifest, size, root, checked)
        evidence(manifest, named, checked)
    except Fault as fault:
        checked.faults.append(fault)
    return checked


def signed_manifest(pack: Pack, wanted: str | None, checked: Checked) -> tuple[Object, bytes]:
    """The list of what belongs to the pack, signed as a whole; and the public key of who signed it."""
    written = pack.read(MANIFEST, MOST_MANIFEST_BYTES)
    try:
        signature = read_json(pack.read(SIGNATURE, CHUNK_BYTES))
        public, signed = bytes.fromhex(signature["public"]), bytes.fromhex(signature["signature"])
        known = set(signature) == {"format", "public", "signature"} and signature["format"] == 1
        if not known or (public.hex(), signed.hex()) != (signature["public"], signature["signature"]):
            raise ValueError("not as a signature is written")
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"{SIGNATURE} 无法读取或已被改动。", f"{SIGNATURE} cannot be read, or was changed.") from error
    checked.key = sha256(public)
    if wanted is not None and checked.key != wanted:
        raise Fault(
            f"签名用的是另一把密钥：指纹是 {checked.key}，不是给定的 {wanted}。这不是该校出具的证据包，或已被改动。",
            f"It is signed by another key: its fingerprint is {checked.key}, not {wanted} as given. "
            "This pack is not from whom you think, or was changed.",
        )
    if not is_signed(public, written, signed):
        raise Fault(
            f"{MANIFEST} 的签名不符：清单或签名被改动过。",
            f"The signature of {MANIFEST} does not fit: the list of files or its signature was changed.",
        )
    try:
        manifest = read_json(written)
        checked.case, checked.organisation = manifest["case"], manifest["organisation"]
        plain = manifest["format"] == 1 and manifest["kind"] == "bihuan evidence pack"
        if not plain or manifest["key"] != checked.key:
            raise ValueError("of another format, or another's")
        for name, said in manifest["files"].items():
            if not (NAME.fullmatch(name) and HASH.fullmatch(said["sha256"]) and 0 <= said["bytes"] <= MOST_FILE_BYTES):
                raise ValueError("not as a file is listed")
        if not all(HASH.fullmatch(each) for each in manifest["absent"]):
            raise ValueError("not as a file is listed")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fault(
            f"{MANIFEST} 的格式本程序不认识。", f"{MANIFEST} is of a format that this program does not know."
        ) from error
    return manifest, public


def files_that_differ(pack: Pack, manifest: Object) -> list[Fault]:
    """Each file against the signed list: none changed, none missing, none added."""
    faults = []
    listed = manifest["files"]
    for name in sorted(set(NEEDED) | set(listed)):
        if name not in listed:
            faults.append(Fault(f"清单没有列出 {name}。", f"The signed list does not name {name}."))
        elif name not in pack.names:
            faults.append(Fault(f"缺少 {name}。", f"{name} is missing."))
        else:
            said = listed[name]
            try:
                digest, length = hashlib.sha256(), 0
                for piece in pack.pieces(name, said["bytes"]):
                    digest.update(piece)
                    length += len(piece)
                if digest.hexdigest() != said["sha256"] or length != said["bytes"]:
                    faults.append(
                        Fault(
                            f"{name} 被改动过：与签名的清单不符。",
                            f"{name} was changed: it is not what the signed list says.",
                        )
                    )
            except Fault as fault:
                faults.append(fault)
    faults += [
        Fault(f"多出 {name}：不属于这份证据包。", f"{name} was added: it does not belong to this pack.")
        for name in sorted(pack.names - set(listed) - {MANIFEST, SIGNATURE})
    ]
    return faults


def signed_checkpoint(pack: Pack, manifest: Object, public: bytes, checked: Checked) -> tuple[int, bytes]:
    """How many records the organisation had and the root of the tree over them, as it signed that."""
    try:
        written = read_json(pack.read(CHECKPOINT, CHUNK_BYTES))
        body = read_json(written["body"].encode("utf-8"))
        size, root = body["size"], bytes.fromhex(body["root"])
        known = body["format"] == 1 and body["kind"] == "bihuan checkpoint"
        fits = (
            known
            and body["organisation"] == manifest["organisation"]
            and body["key"] == checked.key
            and written["public"] == public.hex()
            and isinstance(size, int)
            and not isinstance(size, bool)
        )
        signature = bytes.fromhex(written["signature"])
        checked.sealed_at, checked.size = body["at"], size
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fault(f"{CHECKPOINT} 无法读取。", f"{CHECKPOINT} cannot be read.") from error
    if not fits or not is_signed(public, written["body"].encode("utf-8"), signature):
        raise Fault(
            f"{CHECKPOINT} 不是同一把密钥为同一单位签署的。",
            f"{CHECKPOINT} was not signed by the same key for the same organisation.",
        )
    return size, root


def events(pack: Pack, manifest: Object, size: int, root: bytes, checked: Checked) -> set[str]:
    """Every event: its chain, its place in the tree, and that what stands beside it is what it was recorded with.

    Returns   what they say that could be the name of a file
    """
    case, organisation = manifest["case"], manifest["organisation"]
    previous = sha256(canonical(["bihuan-genesis-1", organisation, case]).encode("utf-8"))
    named: set[str] = set()
    position, recorded_at = -1, ""
    for number, line in enumerate(pack.read(EVENTS, MOST_READ_BYTES).splitlines(), 1):
        try:
            said = read_json(line)
            envelope = said["envelope"].encode("utf-8")
            fields = read_json(envelope)
            follows = (
                fields["format"] == 1
                and fields["sequence"] == number
                and (fields["organisation"], fields["case"]) == (organisation, case)
                and fields["previous"] == previous
                and fields["recorded_at"] >= recorded_at
                and said["position"] > position
            )
            previous, position, recorded_at = sha256(envelope), said["position"], fields["recorded_at"]
            proof = [bytes.fromhex(each) for each in said["proof"]]
            held = is_in_tree(bytes.fromhex(previous), position, size, proof, root)
            commitments, beside = fields["commitments"], said["disclosures"]
            opened = set(commitments) == set(beside) and all(
                opens(commitments[name], entry, checked) for name, entry in beside.items()
            )
            for entry in beside.values():
                named |= hashes_in(entry["value"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Fault(f"第 {number} 条记录无法读取。", f"Event {number} cannot be read.") from error
        if not follows:
            raise Fault(
                f"第 {number} 条记录与前一条不相衔接：记录被改动、删去或调换过。",
                f"Event {number} does not follow the one before it: an event was changed, taken out or moved.",
            )
        if not held:
            raise Fault(
                f"第 {number} 条记录不在签署的检查点之内。",
                f"Event {number} is not among what the checkpoint was signed over.",
            )
        if not opened:
            raise Fault(
                f"第 {number} 条记录的内容与记录时不符。", f"What event {number} says is not what was recorded."
            )
        checked.events = number
    if not checked.events:
        raise Fault(f"{EVENTS} 中没有记录。", f"{EVENTS} holds no event.")
    checked.until = recorded_at
    return named


def opens(committed: str, entry: Object, checked: Checked) -> bool:
    """Whether the value is what was recorded. One that was cleared cannot show that any more; the event itself still stands."""
    if "erased" in entry and "salt" not in entry:
        checked.cleared += 1
        return True
    return set(entry) == {"salt", "value"} and commitment(entry["salt"], entry["value"]) == committed


def hashes_in(value: object) -> set[str]:
    """Everything in a value that is written as the names of files are."""
    if isinstance(value, str):
        return {value} if HASH.fullmatch(value) else set()
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found: set[str] = set()
    for each in inside:
        found |= hashes_in(each)
    return found


def evidence(manifest: Object, named: set[str], checked: Checked) -> None:
    """Each picture and document is one that an event names, by its own hash; and none that is named is passed over."""
    there = set()
    for name in sorted(manifest["files"]):
        if name.startswith("files/"):
            file = FILE.fullmatch(name)
            if file is None or file.group(1) != manifest["files"][name]["sha256"] or file.group(1) not in named:
                raise Fault(f"{name} 不是记录所说的文件。", f"{name} is not a file that the events speak of.")
            there.add(file.group(1))
    absent = set(manifest["absent"])
    if there & absent or there | absent != named:
        raise Fault("记录提到的文件没有都列出。", "Not every file that the events name is accounted for.")
    checked.files, checked.absent = len(there), len(absent)


# --- 5 the command ----------------------------------------------------------------------------------------------------


def tell(zh: str, en: str) -> None:
    sys.stdout.write(f"{zh}\n  {en}\n")


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="verify.py",
        description="核对闭环证据包 · Checks an evidence pack of Bihuan. No network, nothing is written.",
    )
    parser.add_argument(
        "--key", help="学校密钥的指纹，从别的途径取得 · the fingerprint of the school's key, taken from elsewhere"
    )
    parser.add_argument(
        "pack",
        nargs="?",
        type=Path,
        default=Path(__file__).resolve().parent,
        help="证据包或解开后的目录；默认为本程序所在目录 · PACK.zip or its folder; by default where this file lies",
    )
    asked = parser.parse_args(given)
    wanted = None if asked.key is None else re.sub(r"[\s:-]", "", asked.key).lower()
    if wanted is not None and not HASH.fullmatch(wanted):
        parser.error("--key 应为 64 位十六进制的指纹 · --key has to be a fingerprint of 64 hexadecimal digits")
    try:
        checked = check(Pack(asked.pack), wanted)
    except Fault as unreadable:
        checked = Checked()
        checked.faults.append(unreadable)
    except OSError as error:
        parser.error(f"打不开 {asked.pack} · cannot open {asked.pack}: {error.strerror}")
    if checked.faults:
        tell("不通过。这份证据包不能采信。", "It does NOT hold. This pack proves nothing.")
        for fault in checked.faults[:SHOWN]:
            tell(f"- {fault.zh}", f"- {fault.en}")
        if len(checked.faults) > SHOWN:
            tell(f"…… 共 {len(checked.faults)} 处。", f"… {len(checked.faults)} faults in all.")
        return 1
    tell(
        f"事项 {checked.case}（{checked.organisation}）：{checked.events} 条记录，至 {checked.until}；{checked.files} 个文件。",
        f"Case {checked.case} ({checked.organisation}): {checked.events} events until {checked.until}; {checked.files} files.",
    )
    tell(
        f"检查点签署于 {checked.sealed_at}，当时全单位共有 {checked.size} 条记录，以上记录都在其中。",
        f"The checkpoint was signed at {checked.sealed_at} over {checked.size} events of the organisation; these are among them.",
    )
    if checked.cleared:
        tell(
            f"有 {checked.cleared} 处内容因保护个人信息已被清除，只能证明当时有记录，不能再证明写的是什么。",
            f"{checked.cleared} entries were cleared to protect a person: that something was recorded holds, what it was cannot be shown.",
        )
    if checked.absent:
        tell(
            f"记录提到的 {checked.absent} 个文件不在包中，清单写明了缘由。",
            f"{checked.absent} files that the events name are not in the pack; the signed list says why.",
        )
    if wanted is None:
        tell(
            "只核对了前后一致：没有给定密钥指纹，不能说明是谁出具的。",
            "Only its consistency was checked: no key was given, so this does not show whose pack it is.",
        )
        tell(f"它自称由此密钥签署：{checked.key}", f"It claims to be signed by the key {checked.key}")
        tell(
            "请从别的途径取得学校的密钥指纹，再用 --key 核对一次。",
            "Take the school's fingerprint from elsewhere and check it again with --key.",
        )
        return 3
    tell(
        f"通过。由给定的密钥签署，签署后没有一个字节被改动。密钥：{checked.key}",
        f"It holds. Signed by the key that was given, and not a byte was changed since. Key: {checked.key}",
    )
    return 0


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console may know no Chinese
    sys.exit(main(sys.argv[1:]))
