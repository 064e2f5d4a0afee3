"""Small pictures, drawn when a test wants one."""

import io

from PIL import Image


def a_photo(colour: str = "green", size: tuple[int, int] = (640, 480)) -> bytes:
    """A JPEG of one colour."""
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, "JPEG")
    return content.getvalue()
