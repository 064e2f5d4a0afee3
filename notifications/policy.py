"""What a school decides about its messages, and what a person decides within that. Checked at the edge; kept as plain JSON.

Source    the school's own decisions lie beside those about its loops, under the name `messages`
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import time
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from notifications.channels.forms import described, said
from notifications.routing import ORDER, SchoolSettings

NAME = "messages"  # among an organisation's policies

Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}$")]


class MessagePolicy(BaseModel):
    """When messages go out, by what, and what people may choose. Local times, as HH:MM."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    digest_at: Clock = Field("07:40", description=described("每日汇总的时间", "When the day's one message goes out"))
    window_from: Clock = Field(
        "07:30", description=described("最早何时发送", "Nothing is sent before; a major hazard at any hour")
    )
    window_until: Clock = Field(
        "21:00", description=described("最晚何时发送", "Nothing is sent after; a major hazard at any hour")
    )
    channels: tuple[Kind, ...] = Field(
        ORDER, description=described("依次用哪些渠道找人", "By which channels people are reached, in this order")
    )
    people_choose: tuple[Kind, ...] = Field(
        ORDER,
        description=described(
            "个人可以选哪些渠道（inbox 为只看站内消息）",
            "Which of them people may choose; `inbox` for none but the desk",
        ),
    )
    quiet_hours: bool = Field(True, description=described("个人可否设免打扰时段", "Whether people may set quiet hours"))

    link_days: Annotated[int, Field(ge=1, le=30)] = Field(
        3,
        description=described(
            "消息里的签收链接几天有效", "How many days a link that acknowledges from a message holds"
        ),
    )

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.window_from >= self.window_until:
            raise said(
                "最早发送时间（window_from）应早于最晚发送时间（window_until）",
                "window_from has to be earlier than window_until",
            )
        if not self.window_from <= self.digest_at < self.window_until:
            raise said(
                "每日汇总的时间（digest_at）应在最早发送时间（window_from）与最晚发送时间（window_until）之间",
                "digest_at has to lie between window_from and window_until",
            )
        return self


def settings_of(whole: SchoolSettings, decided: Mapping[str, Any]) -> SchoolSettings:
    """A school's settings: those of the whole installation, with what it decided itself."""
    if not decided:
        return whole
    policy = MessagePolicy.model_validate(decided)
    known: dict[str, Any] = {
        "digest_at": time.fromisoformat(policy.digest_at),
        "window_from": time.fromisoformat(policy.window_from),
        "window_until": time.fromisoformat(policy.window_until),
        "channels": policy.channels,
        "people_choose": policy.people_choose,
        "quiet_hours": policy.quiet_hours,
        "link_days": policy.link_days,
    }
    decided_here = {name: known[name] for name in policy.model_fields_set}
    order = decided_here.pop("channels", whole.order)
    return replace(whole, order=order, **decided_here)


def checked(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What a school set, and only that. Raises ValueError with every fault."""
    return MessagePolicy.model_validate(dict(wanted)).model_dump(mode="json", exclude_unset=True)
