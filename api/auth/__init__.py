"""Who asks: by a token or a session's cookie, where and in whose name; and how people sign in and out."""

from api.auth.asking import (
    ON_BEHALF_OF,
    ORGANISATION,
    Asker,
    SignedIn,
    TheRuntime,
    as_he_would,
    asker_of,
    before_password_change,
    locale_of,
    runtime_of,
    signed_in,
    who,
)

__all__ = [
    "ON_BEHALF_OF",
    "ORGANISATION",
    "Asker",
    "SignedIn",
    "TheRuntime",
    "as_he_would",
    "asker_of",
    "before_password_change",
    "locale_of",
    "runtime_of",
    "signed_in",
    "who",
]
