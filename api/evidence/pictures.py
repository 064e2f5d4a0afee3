"""Draws an uploaded picture anew: upright, in sRGB, with none of what the camera or an editor wrote beside the pixels.

The same bytes give the same picture, whoever sends them. `decisions/0001-evidence-is-drawn-anew.md` says why it is so.
"""

import io
import re
import threading
import warnings
from dataclasses import dataclass
from datetime import datetime

from PIL import ExifTags, Image, ImageCms

from api.evidence.refusing import not_taken
from engine.errors import InvalidInput, Text

FORMATS = ("JPEG", "PNG", "WEBP")
KEPT_AS = {  # by what the decoder calls it: MPO is a JPEG that carries a second picture, as many phones make them
    "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/jpeg",
}  # fmt: skip
MAX_PIXELS = 60_000_000  # a good phone takes 50 million; a small file that unfolds into more is meant to hurt
MAX_WEBP_PIXELS = 24_000_000  # its decoder holds the picture three times over; phones that make WebP make it small
SMALL_PIXELS = 4_000_000  # a screenshot; a larger PNG is packed less tightly, or it would take half a minute
MAX_SCANS = 64  # a progressive JPEG has about ten passes over its pixels; one of thousands would decode for hours
MAX_KEPT_BYTES = 48_000_000  # what was sent as ten million and grows beyond this when drawn anew is meant to hurt
QUALITY = 90  # 40 dB and more from what was sent: numbers on a gauge stay as they were, at about the camera's own size
THUMBNAIL_PIXELS = 320  # the longer side: a list on a phone shows two beside each other
THUMBNAIL_QUALITY = 80
WHITE = (255, 255, 255)

ASKED = Text("上传图片", "Upload a picture")
REMEDY = Text("请重新拍照或换一种格式上传", "Take it again, or send it in another format")
UNSOUND = Text("不是完好的 JPEG、PNG 或 WebP 图片", "it is no sound JPEG, PNG or WebP picture")
NOT_READ = {  # how formats begin that a phone or a screen may well produce → what to do about it
    re.compile(rb"....ftyp(hei[cx]|hev[cx]|mif1|msf1)", re.DOTALL): (
        Text("是 HEIC 图片", "it is a HEIC picture"),
        Text("请在相机设置中选“兼容性最佳”（JPEG）后重拍", "Set the camera to “most compatible” (JPEG) and take it again"),
    ),
    re.compile(rb"GIF8[79]a"): (
        Text("是 GIF 图片", "it is a GIF picture"),
        Text("请存为 PNG 或 JPEG 后上传", "Save it as PNG or JPEG and send that"),
    ),
    re.compile(rb"\s*(<\?xml|<svg|<!DOCTYPE|<html)", re.IGNORECASE): (
        Text("是 SVG 或网页，不是图片", "it is SVG or a web page, and no picture"),
        Text("请存为 PNG 或 JPEG 后上传", "Save it as PNG or JPEG and send that"),
    ),
}  # fmt: skip
UPRIGHT = {  # EXIF's orientation → what puts the pixels so (CIPA DC-008, 4.6.4)
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
TAKEN_AT = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)
DEEP = [value >> 8 for value in range(65536)]  # 16 bits of grey to 8

_decoding = threading.Lock()  # a picture unfolds into half a gigabyte at worst: one after another, however many come


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is kept, and its thumbnail, a JPEG.

    taken_at   what the camera says, in its own time, as 2020-03-02T09:00:00 with the offset if it says one; a claim
    """

    content: bytes
    media_type: str
    thumbnail: bytes
    taken_at: str | None


def draw_anew(content: bytes) -> Picture:
    """The picture in these bytes, whatever they were called. Raises InvalidInput unless they are one we take."""
    _must_be_readable(content)
    try:
        kind = _looked_at(content)
        with _decoding, warnings.catch_warnings(action="ignore"):
            image, taken_at = _unfolded(content)
            image = _plain(_in_srgb(image), keeps_alpha=kind == "image/png")
            kept = _bounded(image, kind)
            return Picture(kept, kind, _thumbnail(image), taken_at)
    except InvalidInput:
        raise
    except Exception as error:  # a broken file can fail in any decoder, with any exception
        raise not_taken(ASKED, UNSOUND, REMEDY) from error


def thumbnail_of(content: bytes) -> bytes:
    """The thumbnail of a picture that is kept already."""
    with _decoding, warnings.catch_warnings(action="ignore"):
        image, _ = _unfolded(content)
        return _thumbnail(_plain(_in_srgb(image), keeps_alpha=True))


def _must_be_readable(content: bytes) -> None:
    for sign, (obstacle, remedy) in NOT_READ.items():
        if sign.match(content[:64]):
            raise not_taken(ASKED, obstacle, remedy)


def _looked_at(content: bytes) -> str:
    """What it would be kept as, found without unfolding it. Raises what makes it unfit."""
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        obstacle = Text(f"图片超过 {MAX_PIXELS} 像素", f"it has more than {MAX_PIXELS} pixels")
        raise not_taken(ASKED, obstacle, REMEDY) from error
    kind, (width, height) = str(image.format), image.size
    most = MAX_WEBP_PIXELS if kind == "WEBP" else MAX_PIXELS
    if width * height > most:
        obstacle = Text(
            f"图片为 {width}×{height} 像素，超过 {most} 像素", f"it has {width}×{height} pixels, more than {most}"
        )
        raise not_taken(ASKED, obstacle, REMEDY)
    if kind in {"PNG", "WEBP"} and getattr(image, "is_animated", False):
        # one of its pictures would be kept as if it were what was sent
        raise not_taken(
            ASKED, Text("是动画", "it is a moving picture"), Text("请上传静止的照片", "Send a photo that stands still")
        )
    if KEPT_AS[kind] == "image/jpeg" and kind != "WEBP" and _scans(content) > MAX_SCANS:
        raise not_taken(ASKED, Text("JPEG 的扫描次数异常", "its JPEG has too many scans"), REMEDY)
    image.verify()  # of a PNG it compares each chunk with its checksum, which reading the pixels does not
    return KEPT_AS[kind]


def _scans(content: bytes) -> int:
    """How many passes over its pixels a JPEG makes, up to where it says it ends: what phones append is not looked at."""
    at, scans = 2, 0
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in {0x00, 0x01} or 0xD0 <= marker <= 0xD8:  # a byte of the pixels, or a mark without a length
            at += 2
        elif marker == 0xD9:
            break
        else:
            scans += marker == 0xDA
            at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return scans


def _unfolded(content: bytes) -> tuple[Image.Image, str | None]:
    """Its pixels upright, read to their end: an upload that broke off must not become evidence. And when it was taken."""
    image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    image.load()
    turned, taken_at = _written_beside(image)
    if turned is not None:
        profile = image.info
        image = image.transpose(turned)
        image.info = profile
    return image, taken_at


def _written_beside(image: Image.Image) -> tuple[Image.Transpose | None, str | None]:
    """How to turn it and when it was taken: all that is read of what the camera wrote."""
    try:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        said = TAKEN_AT.match(str(details.get(ExifTags.Base.DateTimeOriginal, "")))
        offset = OFFSET.match(str(details.get(ExifTags.Base.OffsetTimeOriginal, "")))
        taken_at = f"{said[1]}-{said[2]}-{said[3]}T{said[4]}{offset[0] if offset else ''}" if said else None
        if taken_at:
            datetime.fromisoformat(taken_at)
        return UPRIGHT.get(exif.get(ExifTags.Base.Orientation, 1)), taken_at
    except Exception:  # noqa: BLE001  # a broken note beside sound pixels is no reason to lose evidence
        return None, None


def _in_srgb(image: Image.Image) -> Image.Image:
    """The colours as every screen shows them without the profile, which is not kept."""
    profile = image.info.get("icc_profile")
    if image.mode == "P" and profile:
        info, image = image.info, image.convert("RGBA" if "transparency" in image.info else "RGB")
        image.info = {"icc_profile": info["icc_profile"]}
    if not profile or image.mode not in {"RGB", "RGBA", "CMYK"}:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        target = "RGBA" if image.mode == "RGBA" else "RGB"
        drawn = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=target)
    except (ImageCms.PyCMSError, OSError, ValueError):  # a broken profile: the numbers are taken for sRGB
        return image
    assert drawn is not None  # only `inPlace` gives None
    if image.mode == "RGB" and "transparency" in image.info:
        drawn.info = {"transparency": image.info["transparency"]}
    return drawn


def _plain(image: Image.Image, *, keeps_alpha: bool) -> Image.Image:
    """Pixels and nothing beside them, in a mode that the kept format holds without loss."""
    if "transparency" in image.info and image.mode in {"1", "L", "P", "RGB"}:
        image = image.convert("RGBA")
    elif image.mode in {"P", "CMYK"}:
        image = image.convert("RGB")
    if not keeps_alpha:
        image = _on_white(image)
    image.info = {}
    return image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in {"RGBA", "LA"}:
        return image if image.mode in {"L", "RGB"} else image.convert("RGB")
    image = image.convert("RGBA")
    sheet = Image.new("RGB", image.size, WHITE)
    sheet.paste(image, mask=image.getchannel("A"))
    return sheet


def _bounded(image: Image.Image, kind: str) -> bytes:
    """The picture as a file. Raises InvalidInput when that would be too large."""
    kept = _Bounded()
    try:
        if kind == "image/png":
            image.save(kept, "PNG", compress_level=6 if image.width * image.height <= SMALL_PIXELS else 2)
        else:
            image.save(kept, "JPEG", quality=QUALITY)
    except _TooLarge as error:
        obstacle = Text(f"重新编码后超过 {MAX_KEPT_BYTES} 字节", f"drawn anew it has more than {MAX_KEPT_BYTES} bytes")
        raise not_taken(ASKED, obstacle, Text("请以 JPEG 格式上传", "Send it as JPEG")) from error
    return kept.getvalue()


def _thumbnail(image: Image.Image) -> bytes:
    """Made of the picture itself, which is small afterwards: a copy of it would take as much memory again."""
    if image.mode == "I;16":
        image = image.convert("I").point(DEEP, "L")
    elif image.mode == "1":
        image = image.convert("L")  # else black and white would not melt into grey
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS), Image.Resampling.LANCZOS, reducing_gap=3.0)
    small = _on_white(image)
    small.info = {}
    kept = io.BytesIO()
    small.save(kept, "JPEG", quality=THUMBNAIL_QUALITY)
    return kept.getvalue()


class _TooLarge(Exception):
    pass


class _Bounded(io.BytesIO):
    """A file in memory that holds MAX_KEPT_BYTES at most. Raises _TooLarge."""

    def write(self, part: bytes, /) -> int:  # type: ignore[override]  # Pillow writes bytes
        if self.tell() + len(part) > MAX_KEPT_BYTES:
            raise _TooLarge
        return super().write(part)
