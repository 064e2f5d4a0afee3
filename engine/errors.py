"""Every way a command can be refused: one class per reason, a stable code, and a sentence that says what to do.

BihuanError
├── Refusal                 the command was understood and not carried out; nothing changed
│   ├── NotSignedIn         nobody is known to be asking
│   ├── NotAllowed          this person may not take this step on this case
│   ├── UnknownCase         no such case, or not one this person may see: the two look alike on purpose
│   ├── NotPossibleNow      the case stands somewhere else on its loop
│   ├── GuardRefused        a named condition of the step does not hold
│   ├── LoopUnknown         the case goes by a definition that this program does not know
│   ├── StaleCase           the case has moved on since the asker looked at it
│   ├── InvalidInput        what was sent cannot be read, field by field
│   ├── KeyReused           the idempotency key already stands for another request
│   └── Busy                the write could not be made durable; trying again helps
├── WorkflowError           a definition is built wrong; raised while it is imported
├── OutsideRefused          a workflow from outside that is installed here cannot be used
├── DefinitionGone          a case needs a definition this program no longer has
└── FolderError             the data folder cannot be used the way it was asked for
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Locale = Literal["zh", "en"]
DEFAULT_LOCALE: Locale = "zh"


@dataclass(frozen=True, slots=True)
class Text:
    """The same words in Chinese and English."""

    zh: str
    en: str

    def in_(self, locale: Locale) -> str:
        return self.zh if locale == "zh" else self.en

    def to_json(self) -> dict[str, str]:
        return {"zh": self.zh, "en": self.en}


class BihuanError(Exception):
    """Whatever Bihuan itself has to say; anything else that is raised is a defect."""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field that could not be read: `field` is its dotted path, as the form spells it.

    among   of an answer that is none of these, what it could have been: a page calls them by their words
    """

    field: str
    what: Text
    among: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who could take a step: by his post, and by name for readers who may see names."""

    person: str
    name: str
    post: Text
    department: str | None


class Refusal(BihuanError):
    """A command that was understood and not carried out.

    asked      what was asked
    obstacle   what stands in the way
    remedy     what to do next
    """

    code: ClassVar[str] = "refused"
    title: ClassVar[Text] = Text("未办理", "Refused")

    def __init__(self, *, asked: Text, obstacle: Text, remedy: Text, fields: Sequence[FieldFault] = ()) -> None:
        self.asked = asked
        self.obstacle = obstacle
        self.remedy = remedy
        self.fields = tuple(fields)
        super().__init__()

    def __str__(self) -> str:  # put together when somebody reads it: most refusals are only counted, or tried out
        return self.sentence("en")

    def sentence(self, locale: Locale = DEFAULT_LOCALE) -> str:
        """The whole refusal in one line."""
        asked, obstacle, remedy = (t.in_(locale).rstrip("。.；;") for t in (self.asked, self.obstacle, self.remedy))
        return f"{asked}：{obstacle}。{remedy}。" if locale == "zh" else f"{asked}: {obstacle}. {remedy}."

    def on_record(self) -> str:
        """What a log that is never erased keeps of it: what is wrong with a field quotes what was typed into it."""
        return f"{self.asked.zh}：{self.title.zh}。" if self.fields else self.sentence("zh")


class NotSignedIn(Refusal):
    code = "not_signed_in"
    title = Text("尚未登录", "Not signed in")


class NotAllowed(Refusal):
    """This person may not.

    reason      which rule denied it: role, separation, quorum, …; stable, for the refusal log and the figures
    who         the roles and relations that could, as the loop names them
    could       who could today, once the directory was asked; None before
    """

    code = "not_allowed"
    title = Text("无权办理", "Not allowed")

    def __init__(
        self,
        *,
        asked: Text,
        obstacle: Text,
        remedy: Text,
        reason: str = "role",
        who: Sequence[str] = (),
    ) -> None:
        super().__init__(asked=asked, obstacle=obstacle, remedy=remedy)
        self.reason = reason
        self.who = tuple(who)
        self.could: tuple[Holder, ...] | None = None


class UnknownCase(Refusal):
    code = "unknown_case"
    title = Text("查无此项", "Not found")


class NotPossibleNow(Refusal):
    code = "not_possible_now"
    title = Text("当前状态不能办理", "Not possible now")


class GuardRefused(Refusal):
    """`guard` is the registered name of the condition that does not hold."""

    code = "guard_refused"
    title = Text("条件不满足", "A condition does not hold")

    def __init__(self, guard: str, *, asked: Text, obstacle: Text, remedy: Text) -> None:
        super().__init__(asked=asked, obstacle=obstacle, remedy=remedy)
        self.guard = guard


class LoopUnknown(Refusal):
    """The case goes by a definition that this program does not carry: a newer version's, or a removed module's."""

    code = "loop_unknown"
    title = Text("流程未知", "Loop unknown")


class StaleCase(Refusal):
    """`revision` is the one the case stands at now."""

    code = "stale_case"
    title = Text("内容已更新", "The case has moved on")

    def __init__(self, revision: int, *, asked: Text, obstacle: Text, remedy: Text) -> None:
        super().__init__(asked=asked, obstacle=obstacle, remedy=remedy)
        self.revision = revision


class InvalidInput(Refusal):
    code = "invalid_input"
    title = Text("填写有误", "Invalid input")


class KeyReused(Refusal):
    code = "key_reused"
    title = Text("幂等键已用于其他请求", "Idempotency key already used")


class Busy(Refusal):
    code = "busy"
    title = Text("暂时无法写入", "Cannot write just now")


class WorkflowError(BihuanError):
    """A workflow definition is built wrong; the sentence names the workflow and the part of it."""

    def __init__(self, workflow: str, sentence: str) -> None:
        self.workflow = workflow
        super().__init__(f"workflow {workflow!r}: {sentence}")


class OutsideRefused(BihuanError):
    """A workflow from outside cannot be used: which distribution brings it, what is wrong with it, what to do."""

    def __init__(self, text: Text) -> None:
        self.text = text
        super().__init__(f"{text.zh} / {text.en}")

    def __reduce__(self) -> tuple[type["OutsideRefused"], tuple[Text]]:
        """As another process hands it on: made anew from its one sentence it would break whoever waits for it."""
        return OutsideRefused, (self.text,)


class DefinitionGone(BihuanError):
    """A case was opened with a definition this program does not carry any more."""


class FolderError(BihuanError):
    """The data folder cannot be used as asked: served twice, simulated where real is wanted, or not set up."""

    def __init__(self, text: Text) -> None:
        self.text = text
        super().__init__(text.en)

    def __reduce__(self) -> tuple[type["FolderError"], tuple[Text]]:
        """As another process hands it on: made anew from its English alone it would break whoever waits for it."""
        return FolderError, (self.text,)
