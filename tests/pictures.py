"""Small pictures, drawn when a test wants one."""

import io

from PIL import Image

from api.auth.forms import SentFile


def a_photo(colour: str = "green", size: tuple[int, int] = (640, 480)) -> bytes:
    """A JPEG of one colour."""
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, "JPEG")
    return content.getvalue()


def as_sent(content: bytes) -> SentFile:
    """As it comes with a form."""
    return SentFile("photo.jpg", "image/jpeg", len(content), io.BytesIO(content))
