"""Cookies, and what shows that a request comes from our own pages and not from another site's."""

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from fastapi import Request, Response

from api.problems import not_from_here
from api.settings import Settings
from engine.errors import Text

SESSION = "bihuan"  # whoever shows its value is signed in
FORM = "bihuan_form"  # ties a form of who is not signed in to the browser that fetched it
DEVICE = "bihuan_device"  # somebody signed in here before; opens nothing
LANGUAGE = "bihuan_language"  # in which of ours somebody chose to read, whatever his browser says
DEVICE_SECONDS = 400 * 24 * 3600  # browsers keep none for longer
SECRET_BYTES = 32
LONGEST = 200  # characters of a cookie of ours; a longer value is none
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def drawn() -> str:
    """A value nobody can guess."""
    return secrets.token_urlsafe(SECRET_BYTES)


def named(cookie: str, settings: Settings) -> str:
    """`__Host-` makes browsers refuse it from a neighbouring host, and over plain http; so it is for https only."""
    return f"__Host-{cookie}" if settings.secure else cookie


def shown(request: Request, cookie: str, settings: Settings) -> str | None:
    """What the request shows of this cookie, if it can be one of ours."""
    value = request.cookies.get(named(cookie, settings))
    return value if value and len(value) <= LONGEST and value.isascii() else None


def give(response: Response, cookie: str, value: str, settings: Settings, *, seconds: int | None = None) -> None:
    """`seconds`: how long the browser keeps it; until it is closed if None."""
    response.set_cookie(
        named(cookie, settings), value, max_age=seconds, path="/", secure=settings.secure, httponly=True, samesite="lax"
    )


def take_away(response: Response, cookie: str, settings: Settings) -> None:
    response.delete_cookie(named(cookie, settings), path="/", secure=settings.secure, httponly=True, samesite="lax")


def csrf_of(secret: str) -> str:
    """The token that forms carry: who cannot read the cookie cannot make it, and it dies with the cookie."""
    return hmac.digest(secret.encode(), b"csrf", "sha256").hex()


def must_be_from_here(request: Request, settings: Settings) -> None:
    """Raises NotAllowed when the browser says that another site made it send this."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site == "same-origin":
        return
    if site not in (None, "none") or (origin is not None and origin.lower() not in _ours(request, settings)):
        raise not_from_here(
            Text(
                "请求来自别的网站；若经反向代理访问，须将 BIHUAN_PUBLIC_URL 设为人们使用的网址",
                "it comes from another site; behind a proxy, BIHUAN_PUBLIC_URL has to be the address people use",
            )
        )


def _ours(request: Request, settings: Settings) -> set[str]:
    if settings.public_url:
        address = urlsplit(settings.public_url)
        return {f"{address.scheme}://{address.netloc}".lower()}
    host = request.headers.get("host", "").lower()
    return {f"http://{host}", f"https://{host}"}


def must_carry(token: str | None, secret: str) -> None:
    """Raises NotAllowed unless the form's token is the one of this cookie."""
    if token is None or not hmac.compare_digest(token.encode(), csrf_of(secret).encode()):
        raise not_from_here(
            Text(
                "没有出示表单令牌，或它属于另一次登录",
                f"it carries no form token ({CSRF_HEADER}), or one of another session",
            )
        )


def must_be_of_this_browser(request: Request, settings: Settings, token: str | None) -> None:
    """Raises NotAllowed for a stranger's form that this browser did not fetch: somebody else would act by it."""
    secret = shown(request, FORM, settings)
    if secret is None:
        raise not_from_here(Text("浏览器没有接受本页的 Cookie", "your browser did not keep this page's cookie"))
    must_carry(token, secret)


def keyed(key: bytes, *parts: str) -> str:
    """A name for these words that nobody can trace back without the key."""
    said = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(key, said, hashlib.sha256).hexdigest()
