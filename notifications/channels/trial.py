"""A message that speaks of no case: somebody set a channel up and wants to see it arrive."""

from engine.errors import Text
from notifications.channels import Account
from notifications.message import Addressee, Outgoing, Words

SUBJECT = Text("测试消息", "Test message")
BODY = Text(
    "这是一条测试消息：“{title}”已能收到安全工作提醒，您无须办理。",
    "This is a test: “{title}” can receive safety reminders. There is nothing for you to do.",
)


def trial(account: Account, addressee: Addressee, key: str, link: str | None = None) -> Outgoing:
    """What the test button sends, in the addressee's language. `key` is new for every press."""
    subject = SUBJECT.in_(addressee.locale)
    body = BODY.in_(addressee.locale).format(title=account.title or account.id)
    return Outgoing(key, account.organisation, addressee, "direct", Words(subject, body, link), items=())
