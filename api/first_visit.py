"""The first visit: a folder that holds no school yet lets whoever has its one-time code set one up in a browser.

The code is drawn in the data folder and shown where the service is started. Where a request comes from proves nothing: behind
a proxy on the same machine all of them come from there.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from api.bootstrap import Runtime
from api.folder import Folder
from engine.errors import FieldFault, InvalidInput, Text
from engine.store import people

KEY = "setup"  # what the code is made of lies among the folder's keys under this name
CLAIMED = "setup.claimed"  # while somebody sets a school up with it
PATH = "/setup"
PARAMETER = "code"
ASKED = Text("首次设置", "Set the school up")
WRONG = Text("设置码不对，或已用过", "the setup code is wrong, or was used")


def is_open(runtime: Runtime) -> bool:
    """Whether the folder holds no organisation yet."""
    with runtime.database.read_across() as connection:
        return not people.organisations(connection)


def code_of(folder: Folder) -> str:
    """The folder's code, drawn when first asked for: 128 bits in four groups."""
    drawn = folder.key(KEY).hex()[:32]
    return "-".join(drawn[at : at + 8] for at in range(0, 32, 8))


def is_code(folder: Folder, said: str) -> bool:
    return bool(said) and hmac.compare_digest(said.strip().lower().encode(), code_of(folder).encode())


@contextmanager
def claimed(folder: Folder, said: str) -> Iterator[None]:
    """Take the code, so that of two who have it only one goes on. It is good again where that came to nothing.

    Raises    InvalidInput for another one, and for one that somebody else has taken
    """
    key, taken = folder.keys / KEY, folder.keys / CLAIMED
    if not is_code(folder, said):
        raise wrong_code()
    try:
        key.rename(taken)
    except FileNotFoundError:
        raise wrong_code() from None
    try:
        yield
    except BaseException:
        taken.rename(key)
        raise
    taken.unlink()


def wrong_code() -> InvalidInput:
    return InvalidInput(
        asked=ASKED,
        obstacle=WRONG,
        remedy=Text("请使用启动服务时控制台显示的设置码", "Take the one shown where the service was started"),
        fields=(FieldFault(PARAMETER, WRONG),),
    )
