"""A message that speaks of no case: somebody set a channel up and wants to see it arrive."""

from datetime import datetime

from engine.errors import Text
from notifications.channels import Account
from notifications.message import Addressee, Outgoing, Words

SUBJECT = Text("测试消息：{title}", "Test message: {title}")
BODY = Text(
    "{name}，您好：\n这是{school}于 {at} 从“{title}”发出的测试消息。收到即说明能收到安全工作提醒，您无须办理。",
    "Dear {name},\n{school} sent this test by {title} on {at}. It can receive safety reminders, since you read it; there is nothing for you "
    "to do.",
)
COLLEAGUES = Text("各位同事", "colleagues")


def trial(account: Account, addressee: Addressee, key: str, school: Text, at: datetime) -> Outgoing:
    """What the test button sends, in the addressee's language: who sent it, by what and when.

    key   new for every press
    at    local
    """
    locale = addressee.locale
    facts = {
        "title": account.title or account.id, "name": addressee.name or COLLEAGUES.in_(locale),
        "school": school.in_(locale), "at": f"{at:%Y-%m-%d %H:%M}",
    }  # fmt: skip
    words = Words(SUBJECT.in_(locale).format(**facts), BODY.in_(locale).format(**facts), None)
    return Outgoing(key, account.organisation, addressee, "direct", words, items=())
