"""A delivery in words, for every edge that shows one: how it stands, and its message as it went."""

from sqlalchemy import Connection

from api.bootstrap import Runtime
from api.problems import UnknownDelivery
from engine.errors import Text
from notifications import deliveries
from notifications.channels.inbox import InboxChannel
from notifications.message import Delivery, Status

STATUS_WORDS: dict[Status, Text] = {
    "waiting": Text("等待发送", "waiting"),
    "sending": Text("发送中", "being sent"),
    "sent": Text("已送达渠道", "taken by the channel"),
    "dead": Text("未能送达，已停止重试", "given up"),
    "held": Text("模拟环境，未外发", "held: simulated"),
    "unreachable": Text("找不到收件人或联系方式", "nobody to reach"),
    "withdrawn": Text("发送前已撤回", "withdrawn before it was sent"),
}


def message_in_words(runtime: Runtime, connection: Connection, delivery: Delivery) -> dict[str, str | None]:
    """Subject, body and link; nothing where it cannot be written: what it needs may be gone since."""
    lying = deliveries.on_desk(connection, delivery.organisation, delivery.message or delivery.id)
    if delivery.channel == InboxChannel.name and lying is not None:
        return {"subject": lying.subject, "body": lying.body, "link": lying.link}
    try:
        words = runtime.worker.written(connection, delivery).words
    except Exception:  # noqa: BLE001  whatever keeps a message from being written: the delivery is in sight all the same
        return {"subject": None, "body": None, "link": None}
    return {"subject": words.subject, "body": words.body, "link": words.link}


def unknown_delivery(name: str) -> UnknownDelivery:
    return UnknownDelivery(
        asked=Text("查看投递", "See a delivery"),
        obstacle=Text(f"没有投递 {name[:40]!r}", f"there is no delivery {name[:40]!r}"),
        remedy=Text("请查看投递列表", "Look it up in the list of deliveries"),
    )
