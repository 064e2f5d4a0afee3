"""A picture is drawn anew: what one sees in it stays, what stood beside it does not."""

import io
import math
import zlib
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageStat, PngImagePlugin

from api.evidence.pictures import MAX_PIXELS, THUMBNAIL_PIXELS, draw_anew, thumbnail_of
from engine.errors import InvalidInput
from tests.api.evidence.making import PLACE, a_photo, a_sight, encoded, exif_of

#: what our JPEGs may hold beside their pixels: the JFIF head, and nothing else that carries words
WORDLESS = {0xD8, 0xE0, 0xDB, 0xC0, 0xC4, 0xDA}


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def marks(jpeg: bytes) -> set[int]:
    """The kinds of segments of a JPEG up to its pixels."""
    at, found = 2, {0xD8}
    while jpeg[at + 1] != 0xDA:
        found.add(jpeg[at + 1])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return found | {0xDA}


def refused(content: bytes) -> str:
    with pytest.raises(InvalidInput) as refusal:
        draw_anew(content)
    assert refusal.value.fields[0].field == "body"
    assert refusal.value.remedy.zh and refusal.value.remedy.en
    return refusal.value.obstacle.en


# --- what does not stay -------------------------------------------------------------------------------------------------


def test_nothing_a_camera_wrote_beside_the_pixels_remains() -> None:
    sent = a_photo()
    assert sent.count(PLACE.encode()) >= 6, "else there would be nothing to lose"
    drawn = draw_anew(sent)
    for kept in (drawn.content, drawn.thumbnail):
        assert PLACE.encode() not in kept and b"Exif" not in kept and b"2020:03" not in kept
        assert marks(kept) <= WORDLESS
        assert kept.endswith(b"\xff\xd9")
        assert not opened(kept).getexif()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_nor_what_other_formats_carry(kind: str) -> None:
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", PLACE)
    said.add_itxt("XML:com.adobe.xmp", f"<x>{PLACE}</x>", zip=False)
    options = {"pnginfo": said, "dpi": (300, 300)} if kind == "PNG" else {"xmp": PLACE.encode(), "lossless": True}
    sent = encoded(a_sight(), kind, exif=exif_of(), **options) + f"<script>{PLACE}</script>".encode()
    assert sent.count(PLACE.encode()) >= 3
    drawn = draw_anew(sent)
    assert PLACE.encode() not in drawn.content + drawn.thumbnail and b"<script" not in drawn.content
    if kind == "PNG":
        chunks = [drawn.content[at : at + 4] for at in _chunks(drawn.content)]
        assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}


def _chunks(png: bytes) -> list[int]:
    at, found = 8, []
    while at < len(png):
        found.append(at + 4)
        at += 12 + int.from_bytes(png[at : at + 4])
    return found


def test_of_two_pictures_in_one_the_first_is_kept() -> None:
    sent = encoded(a_sight(), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")])
    drawn = draw_anew(sent)
    assert (drawn.media_type, opened(drawn.content).format, opened(drawn.content).size) == (
        "image/jpeg",
        "JPEG",
        (160, 120),
    )


@pytest.mark.parametrize(
    "exif, told",
    [
        ({}, "2020-03-01T08:30:00+08:00"), ({"offset": None}, "2020-03-01T08:30:00"),
        ({"taken_at": "2020:13:01 08:30:00"}, None), ({"taken_at": "yesterday"}, None), ({"taken_at": PLACE}, None),
    ],
)  # fmt: skip
def test_when_it_was_taken_is_read_as_the_camera_s_claim(exif: dict[str, Any], told: str | None) -> None:
    assert draw_anew(a_photo(**exif)).taken_at == told


# --- what stays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_by_its_pixels(orientation: int) -> None:
    upright = a_sight()
    back = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.ROTATE_90, Image.Transpose.FLIP_TOP_BOTTOM], 6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.ROTATE_90, Image.Transpose.FLIP_LEFT_RIGHT], 8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    lying = upright
    for turn in back.get(orientation, []):
        lying = lying.transpose(turn)
    drawn = draw_anew(a_photo(orientation, lying))
    for kept in (drawn.content, drawn.thumbnail):
        image = opened(kept)
        assert image.size == upright.size
        assert [_name(image.getpixel(at)) for at in [(20, 20), (140, 20), (20, 100), (140, 100)]] == [
            "red", "lime", "blue", "black"
        ]  # fmt: skip


def _name(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    red, green, blue = (int(value > 128) for value in pixel[:3])
    return {(1, 0, 0): "red", (0, 1, 0): "lime", (0, 0, 1): "blue", (0, 0, 0): "black"}[red, green, blue]


def test_numbers_stay_legible_within_40_decibels() -> None:
    sight = Image.effect_mandelbrot((400, 300), (-2.2, -1.2, 1.0, 1.2), 90).convert("RGB")
    sent = encoded(sight, "JPEG", quality=85)
    difference = ImageStat.Stat(ImageChops.difference(opened(sent), opened(draw_anew(sent).content))).rms
    assert 20 * math.log10(255 / max(difference)) > 40


PNGS = {
    "black and white": Image.new("1", (40, 30), 1),
    "grey": Image.linear_gradient("L"),
    "grey of 16 bits": Image.frombytes("I;16", (16, 16), bytes(range(256)) * 2),
    "colours": a_sight(),
    "see-through": Image.merge("RGBA", (*a_sight((256, 256)).split(), Image.linear_gradient("L"))),
}


@pytest.mark.parametrize("image", PNGS.values(), ids=PNGS.keys())
def test_a_png_loses_no_pixel_and_drawn_again_no_byte(image: Image.Image) -> None:
    drawn = draw_anew(encoded(image, "PNG"))
    kept = opened(drawn.content)
    assert (kept.format, kept.mode, kept.tobytes()) == ("PNG", image.mode, image.tobytes())
    assert draw_anew(drawn.content).content == drawn.content
    assert opened(drawn.thumbnail).format == "JPEG"


def test_a_palette_keeps_its_colours_and_what_shows_through() -> None:
    image = a_sight().quantize(8)
    red = image.getpixel((20, 20))
    kept = opened(draw_anew(encoded(image, "PNG", transparency=red)).content)
    assert kept.mode == "RGBA"
    assert [kept.getpixel(at) for at in [(20, 20), (140, 20)]] == [(255, 0, 0, 0), (0, 255, 0, 255)]
    assert opened(draw_anew(encoded(image, "PNG")).content).convert("RGB").tobytes() == image.convert("RGB").tobytes()


def test_grey_of_16_bits_has_a_thumbnail_as_bright_as_it_is() -> None:
    thumbnail = opened(draw_anew(encoded(Image.new("I;16", (40, 30), 128 << 8), "PNG")).thumbnail)
    assert thumbnail.convert("L").getpixel((5, 5)) in range(126, 131)


def test_printers_colours_become_a_screen_s() -> None:
    kept = opened(draw_anew(encoded(a_sight().convert("CMYK"), "JPEG")).content)
    assert (kept.mode, _name(kept.getpixel((20, 20))), _name(kept.getpixel((20, 100)))) == ("RGB", "red", "blue")


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _of_a_screen_that_swaps_red_and_green() -> bytes:
    """sRGB's own profile, its first two colours exchanged and its name no longer sRGB's."""
    swapped = SRGB.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")
    named = "sRGB".encode("utf-16-be")
    assert named in swapped and swapped != SRGB
    return swapped.replace(named, "xRGB".encode("utf-16-be"))


@pytest.mark.parametrize(
    "profile, shown",
    [(_of_a_screen_that_swaps_red_and_green(), "lime"), (SRGB, "red"), (b"broken" * 30, "red"), (SRGB[:200], "red")],
    ids=["another screen's", "sRGB", "broken", "broken off"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_the_colours_of_another_screen_become_srgb_and_its_profile_goes(
    profile: bytes, shown: str, kind: str, mode: str
) -> None:
    if (kind, mode) in {("JPEG", "P"), ("JPEG", "RGBA"), ("WEBP", "P")}:
        mode = "RGB"  # these hold no other
    kept = opened(draw_anew(encoded(a_sight().convert(mode), kind, icc_profile=profile)).content)
    assert "icc_profile" not in kept.info
    assert _name(kept.getpixel((20, 20))) == shown


def test_a_webp_becomes_a_jpeg_on_white() -> None:
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    drawn = draw_anew(encoded(clear, "WEBP", lossless=True))
    kept = opened(drawn.content)
    assert (drawn.media_type, kept.format, kept.getpixel((3, 3))) == ("image/jpeg", "JPEG", (255, 255, 255))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_same_bytes_make_the_same_picture(kind: str) -> None:
    sent = encoded(Image.effect_noise((200, 100), 60), kind)
    assert draw_anew(sent) == draw_anew(sent)


@pytest.mark.parametrize(
    "size, small", [((1000, 500), (320, 160)), ((1, 1), (1, 1)), ((4000, 2), (320, 1)), ((90, 60), (90, 60))]
)
def test_a_thumbnail_is_a_small_jpeg_of_the_same_shape(size: tuple[int, int], small: tuple[int, int]) -> None:
    drawn = draw_anew(encoded(Image.new("RGB", size, "green"), "PNG"))
    assert (opened(drawn.thumbnail).format, opened(drawn.thumbnail).size) == ("JPEG", small)
    assert max(small) <= THUMBNAIL_PIXELS
    assert thumbnail_of(drawn.content) == drawn.thumbnail


# --- what is not taken ---------------------------------------------------------------------------------------------------


def _png_of(width: int, height: int) -> bytes:
    """The head of a PNG of any size, and no pixels."""
    image = encoded(Image.new("1", (8, 8)), "PNG")
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + image[24:29]
    return image[:12] + head + zlib.crc32(head).to_bytes(4, "big") + image[33:]


def moving(kind: str, frames: int) -> bytes:
    first, *rest = [Image.new("L", (2, 2), n * 80) for n in range(frames)]
    return encoded(first, kind, save_all=True, append_images=rest, duration=10)


def _of_many_scans(scans: int) -> bytes:
    whole = encoded(a_sight(), "JPEG", progressive=True)
    start = whole.index(b"\xff\xda")
    end = whole.index(b"\xff\xc4", start)
    return whole[:start] + whole[start:end] * scans + whole[end:]


REFUSED = {
    "ten thousand million pixels": (_png_of(100_000, 100_000), "pixels"),
    "a few too many": (_png_of(8_000, 8_000), "8000×8000"),
    "one long line": (_png_of(1, MAX_PIXELS + 1), "pixels"),
    "said to be large, and empty": (_png_of(4_000, 4_000), "no sound"),
    "a moving PNG": (moving("PNG", 3), "moving"),
    "a moving WebP": (moving("WEBP", 3), "moving"),
    "a GIF": (moving("GIF", 3), "GIF"),
    "thousands of scans": (_of_many_scans(5_000), "scans"),
    "HEIC": (b"\x00\x00\x00\x18ftypheic" + bytes(40), "HEIC"),
    "SVG": (b"<svg onload='alert(1)'/>", "SVG"),
    "a page": (b"  <!DOCTYPE html><script>", "web page"),
    "a page before a photo": (b"<html>" + a_photo(), "web page"),
    "a program": (b"MZ" + bytes(200), "no sound"),
    "a script": (b"#!/bin/sh\n", "no sound"),
    "nothing": (b"", "no sound"),
    "the beginning of a JPEG": (b"\xff\xd8\xff", "no sound"),
    "a photo that broke off": (a_photo()[:900], "no sound"),
}


@pytest.mark.parametrize("content, why", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_still_sound_picture_is_refused_with_the_reason(content: bytes, why: str) -> None:
    assert why in refused(content)


def test_an_animation_of_many_thousand_pictures_is_refused_at_once() -> None:
    still = encoded(Image.new("L", (2, 2)), "PNG")
    control = b"acTL" + (100_000).to_bytes(4, "big") + bytes(4)
    chunk = (8).to_bytes(4, "big") + control + zlib.crc32(control).to_bytes(4, "big")
    assert "moving" in refused(still[:33] + chunk + still[33:])
