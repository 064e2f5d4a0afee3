"""Refusals as RFC 9457 problems: the one place where a reason becomes an HTTP status.

Refusal
├── (engine.errors)      what the engine refuses
├── (api.directory)      NotInDirectory: whom or what a change names is not there
├── (api.checking)       OpensDeadCorner: after the change some loop could not be closed
├── UnknownAddress       no such address
├── UnknownOrganisation  no such organisation, or none that granted the asker anything
├── UnknownChannel       no such channel of this organisation
├── UnknownDelivery      no such delivery, or not one the asker may see: the two look alike on purpose
├── MethodRefused        the address is there, the method is not
├── UnknownText          no message has a text of this name, language and workflow
├── LinkNotGood          a link from a message is cut, made up, or of another folder
├── LinkOver             a link from a message is older than it holds
├── UnknownLabel         a place's label is not there, or no longer in use: the two look alike on purpose
├── LabelKeyGone         a label cannot be printed again: the key it was made with lies elsewhere
├── UnknownFeed          a link to a calendar is not there, revoked, or of somebody who left: they look alike on purpose
├── TooManyReports       strangers reported as much today as the school takes; says when it takes more
├── FileGone             an uploaded file's bytes are no longer there
├── TooLarge             more was sent than is taken
├── UnsupportedType      the body is of a kind that is not taken here
├── SignInFailed         name and password do not belong together, or nobody is called so: the two look alike on purpose
├── TooManyTries         it went wrong too often; says when the next try is taken
└── Defect               something broke; the answer says so and nothing else
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse

from api.checking import OpensDeadCorner
from api.directory import NotInDirectory
from engine.errors import (
    Busy,
    GuardRefused,
    Holder,
    InvalidInput,
    KeyReused,
    Locale,
    LoopUnknown,
    NotAllowed,
    NotPossibleNow,
    NotSignedIn,
    Refusal,
    StaleCase,
    Text,
    UnknownCase,
)
from engine.store.database import why

MEDIA_TYPE = "application/problem+json"


class UnknownAddress(Refusal):
    code = "unknown_address"
    title = Text("地址不存在", "No such address")


class UnknownOrganisation(Refusal):
    code = "unknown_organisation"
    title = Text("单位不存在", "No such organisation")


class UnknownChannel(Refusal):
    code = "unknown_channel"
    title = Text("查无此渠道", "No such channel")


class UnknownDelivery(Refusal):
    code = "unknown_delivery"
    title = Text("查无此投递", "No such delivery")


class MethodRefused(Refusal):
    code = "method_not_allowed"
    title = Text("不支持该方法", "Method not allowed")


class UnknownText(Refusal):
    code = "unknown_text"
    title = Text("查无此文字", "No such text")


class LinkNotGood(Refusal):
    code = "link_not_good"
    title = Text("链接无效", "The link is not good")


class LinkOver(Refusal):
    code = "link_over"
    title = Text("链接已过期", "The link is over")


class UnknownLabel(Refusal):
    code = "unknown_label"
    title = Text("查无此标签", "No such label")


class LabelKeyGone(Refusal):
    code = "label_key_gone"
    title = Text("标签不能重印", "The label cannot be printed again")


class UnknownFeed(Refusal):
    code = "unknown_feed"
    title = Text("查无此日历订阅", "No such calendar")


class FileGone(Refusal):
    code = "file_gone"
    title = Text("文件内容缺失", "The file's bytes are missing")


class TooLarge(Refusal):
    code = "too_large"
    title = Text("内容过大", "Too large")


class UnsupportedType(Refusal):
    code = "unsupported_type"
    title = Text("不支持的内容类型", "Unsupported media type")


class SignInFailed(Refusal):
    code = "sign_in_failed"
    title = Text("登录未成功", "Not signed in")


class TooManyTries(Refusal):
    """`retry_after_seconds`: until the next try is taken."""

    code = "too_many_tries"
    title = Text("尝试过于频繁", "Too many tries")

    def __init__(self, retry_after_seconds: int, *, asked: Text, obstacle: Text, remedy: Text) -> None:
        super().__init__(asked=asked, obstacle=obstacle, remedy=remedy)
        self.retry_after_seconds = retry_after_seconds


class TooManyReports(TooManyTries):
    code = "too_many_reports"
    title = Text("今日上报已满", "No more reports today")


class Overloaded(Busy):
    """More is asked than can be written: better told at once than after a minute of waiting."""

    code = "overloaded"
    title = Text("请求过多", "Too many requests")


class Defect(Refusal):
    code = "unexpected"
    title = Text("程序出错", "Something broke")


STATUS: Mapping[type[Refusal], int] = {
    NotSignedIn: 401,
    SignInFailed: 401,
    NotAllowed: 403,
    UnknownCase: 404,
    UnknownAddress: 404,
    UnknownOrganisation: 404,
    UnknownChannel: 404,
    UnknownDelivery: 404,
    NotInDirectory: 404,
    MethodRefused: 405,
    NotPossibleNow: 409,
    LoopUnknown: 409,
    GuardRefused: 409,
    OpensDeadCorner: 409,
    LinkNotGood: 404,
    UnknownLabel: 404,
    LabelKeyGone: 409,
    UnknownFeed: 404,
    UnknownText: 404,
    LinkOver: 410,
    FileGone: 410,
    StaleCase: 412,
    TooLarge: 413,
    UnsupportedType: 415,
    InvalidInput: 422,
    KeyReused: 422,
    TooManyTries: 429,
    TooManyReports: 429,
    Overloaded: 429,
    Defect: 500,
    Busy: 503,
}
RETRY_AFTER_SECONDS = 1  # a group commits in milliseconds; a second is polite
HEADERS: Mapping[type[Refusal], dict[str, str]] = {
    NotSignedIn: {"WWW-Authenticate": 'Bearer realm="bihuan"'},
    SignInFailed: {"WWW-Authenticate": 'Bearer realm="bihuan"'},
    Busy: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    Overloaded: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}


def problem(
    refusal: Refusal,
    locale: Locale,
    instance: str,
    headers: Mapping[str, str] | None = None,
    *,
    names: bool = False,
) -> JSONResponse:
    """The refusal as the reader's problem: what was asked, what stands in the way, what to do.

    names    whether the reader may see who it is that could do it, and not only their posts
    """
    content = problem_content(refusal, locale, instance, names=names)
    said = {"Content-Language": locale, "Vary": "Accept-Language", **headers_of(refusal), **(headers or {})}
    return JSONResponse(content, status_code=STATUS[type(refusal)], media_type=MEDIA_TYPE, headers=said)


def headers_of(refusal: Refusal) -> dict[str, str]:
    """What the answer's headers say of it."""
    if isinstance(refusal, TooManyTries):
        return {"Retry-After": str(refusal.retry_after_seconds)}
    return HEADERS.get(type(refusal), {})


def problem_content(refusal: Refusal, locale: Locale, instance: str, *, names: bool) -> dict[str, Any]:
    """The members of a problem, as `problem` answers them."""
    content: dict[str, Any] = {
        "type": f"urn:bihuan:problem:{refusal.code}",
        "title": refusal.title.in_(locale),
        "status": STATUS[type(refusal)],
        "detail": refusal.sentence(locale),
        "instance": instance,
        "code": refusal.code,
        "asked": refusal.asked.in_(locale),
        "obstacle": refusal.obstacle.in_(locale),
        "remedy": refusal.remedy.in_(locale),
    }
    if refusal.fields:
        content["fields"] = [{"field": fault.field, "what": fault.what.in_(locale)} for fault in refusal.fields]
    for name in ("reason", "guard", "revision"):
        if (value := getattr(refusal, name, None)) is not None:
            content[name] = value
    if isinstance(refusal, NotAllowed) and refusal.could is not None:
        content["could"] = holders(refusal.could, locale, names=names)
    if isinstance(refusal, OpensDeadCorner):
        content["findings"] = [finding.in_(locale) for finding in refusal.findings]
    return content


def holders(could: Sequence[Holder], locale: Locale, *, names: bool) -> list[dict[str, str | None]]:
    """Who could take the step: by name for who may see names, by post and each post once for everybody else."""
    told = [
        {"post": holder.post.in_(locale), "department": holder.department}
        | ({"person": holder.person, "name": holder.name} if names else {})
        for holder in could
    ]
    return [holder for at, holder in enumerate(told) if holder not in told[:at]]


# --- refusals of the edge ----------------------------------------------------------------------------------------------


def cannot_write(error: BaseException) -> Busy:
    """Writing failed in the system's own words: told in ours, since those are English and often name paths."""
    return Busy(
        asked=Text("写入数据", "Write it down"),
        obstacle=why(error),
        remedy=Text(
            "没有任何内容被改动，请稍后用同一幂等键重试，或联系管理员",
            "Nothing changed; try again in a moment with the same idempotency key, or tell the administrator",
        ),
    )


def not_signed_in(*, given: bool) -> NotSignedIn:
    return NotSignedIn(
        asked=Text("访问本系统", "Use this service"),
        obstacle=Text("令牌无效、已过期或已吊销", "the token is not known, has expired or was revoked")
        if given
        else Text("没有出示令牌", "no token was shown"),
        remedy=Text(
            "请在请求头中写 Authorization: Bearer <令牌>，或在 /sign-in 登录",
            "Send the header `Authorization: Bearer <token>` with a valid one, or sign in at /sign-in",
        ),
    )


def not_watching(*, given: bool) -> NotSignedIn:
    return NotSignedIn(
        asked=_READ_METRICS,
        obstacle=Text("令牌不对", "the token is not the one that was set")
        if given
        else Text("没有出示令牌", "no token was shown"),
        remedy=Text(
            "请在请求头中写 Authorization: Bearer <BIHUAN_METRICS_TOKEN 的值>",
            "Send the header `Authorization: Bearer <the value of BIHUAN_METRICS_TOKEN>`",
        ),
    )


def not_watched() -> NotAllowed:
    return NotAllowed(
        asked=_READ_METRICS,
        obstacle=Text("本服务没有开放运行指标", "this service tells them to nobody"),
        remedy=Text(
            "请设置 BIHUAN_METRICS_TOKEN（至少 16 个字符）后重新启动",
            "Set BIHUAN_METRICS_TOKEN, 16 characters or more, and start it again",
        ),
        reason="metrics",
    )


_READ_METRICS = Text("读取运行指标", "Read the metrics")


def session_over() -> NotSignedIn:
    return NotSignedIn(
        asked=Text("访问本系统", "Use this service"),
        obstacle=Text(
            "登录已失效：超时、已退出或被注销", "you are no longer signed in: too long idle, signed out or revoked"
        ),
        remedy=Text("请在 /sign-in 重新登录", "Sign in again at /sign-in"),
    )


def sign_in_failed() -> SignInFailed:
    """The same for whatever was wrong, so that nobody learns who works here."""
    return SignInFailed(
        asked=Text("登录", "Sign in"),
        obstacle=Text("账号或密码不对", "account and password do not belong together"),
        remedy=Text(
            "请核对账号（或工号）、密码和单位；忘记密码请找本单位系统管理员重置",
            "Check the account or staff number, the password and the organisation; the administrator can reset a password",
        ),
    )


def too_many_tries(seconds: int) -> TooManyTries:
    minutes = -(-seconds // 60)
    return TooManyTries(
        seconds,
        asked=Text("登录", "Sign in"),
        obstacle=Text(
            "连续多次未成功，须稍等片刻", "it went wrong several times in a row, and has to rest for a while"
        ),
        remedy=Text(f"请 {seconds} 秒后再试", f"Try again in {seconds} seconds")
        if seconds <= 90
        else Text(f"请 {minutes} 分钟后再试", f"Try again in {minutes} minutes"),
    )


def too_many_reports(seconds: int) -> TooManyReports:
    return TooManyReports(
        seconds,
        asked=Text("上报隐患", "Report a hazard"),
        obstacle=Text("今天收到的匿名上报已经够多", "enough anonymous reports came in today"),
        remedy=Text(
            "请明天再报；要紧的事请直接告诉老师或安全办公室",
            "Report it tomorrow; what cannot wait, tell a teacher or the safety office",
        ),
    )


def token_only_reads() -> NotAllowed:
    return NotAllowed(
        asked=Text("改动数据", "Change something"),
        obstacle=Text("该令牌只能读取", "this token may only read"),
        remedy=Text("请使用可办理（act）的令牌", "Use a token that may act"),
        reason="token",
    )


def not_from_a_token(asked: Text) -> NotAllowed:
    return NotAllowed(
        asked=asked,
        obstacle=Text("令牌不能办理此事", "a token may not do this"),
        remedy=Text("请用密码登录后办理", "Sign in with your password and do it there"),
        reason="token",
    )


MUST_CHANGE = "must_change"


def password_first() -> NotAllowed:
    return NotAllowed(
        asked=Text("使用本系统", "Use this service"),
        obstacle=Text(
            "密码由他人设定，须先改为自己的密码", "somebody else set your password: you have to choose your own first"
        ),
        remedy=Text(
            "请在 /account 或用 POST /api/v1/people/me/password 更改密码",
            "Change it at /account or by POST /api/v1/people/me/password",
        ),
        reason=MUST_CHANGE,
    )


def not_from_here(obstacle: Text) -> NotAllowed:
    """A request that another site may have made somebody's browser send."""
    return NotAllowed(
        asked=Text("提交内容", "Send a form"),
        obstacle=obstacle,
        remedy=Text(
            "没有任何内容被改动。请回到本系统的页面，刷新后重新提交",
            "Nothing changed. Go back to a page of this service, reload it and send it again",
        ),
        reason="csrf",
    )


def unknown_organisation(key: str) -> UnknownOrganisation:
    said = key[:64]
    return UnknownOrganisation(
        asked=Text(f"在单位 {said!r} 办理", f"Ask in the organisation {said!r}"),
        obstacle=Text("没有这个单位，或它未授予您任何职责", "there is no such organisation, or it granted you nothing"),
        remedy=Text(
            "请核对 Bihuan-Organisation 请求头，或请该单位的系统管理员授权",
            "Check the header Bihuan-Organisation, or ask its administrator for a role",
        ),
    )


def not_standing_in(represented: str, others: Sequence[str]) -> NotAllowed:
    said = represented[:130]
    listed = Text("、".join(others), ", ".join(others))
    return NotAllowed(
        asked=Text(f"代 {said!r} 办理", f"Act on behalf of {said!r}"),
        obstacle=Text("您今天不是此人的代办人", "you do not stand in for this person today"),
        remedy=Text(f"您今天可代：{listed.zh}", f"Today you stand in for {listed.en}")
        if others
        else Text(
            "请去掉 Bihuan-On-Behalf-Of 请求头，以本人名义办理",
            "Leave the header Bihuan-On-Behalf-Of out and act as yourself",
        ),
        reason="delegation",
    )


def not_for_you(posts: Text) -> NotAllowed:
    return NotAllowed(
        asked=Text("访问该地址", "Reach this address"),
        obstacle=Text(f"只对{posts.zh}开放", f"it is open to {posts.en} only"),
        remedy=Text("请由上述岗位办理", "Leave it to one of these posts"),
    )


def unknown_address() -> UnknownAddress:
    return UnknownAddress(
        asked=Text("访问该地址", "Reach this address"),
        obstacle=Text("没有这个地址", "there is no such address"),
        remedy=Text("可用的地址见 /api/v1/openapi.json", "The addresses there are stand in /api/v1/openapi.json"),
    )


def method_refused(method: str) -> MethodRefused:
    return MethodRefused(
        asked=Text(f"以 {method} 访问该地址", f"Reach this address by {method}"),
        obstacle=Text("该地址不支持这种方法", "it does not take that method"),
        remedy=Text("可用的方法见 Allow 响应头", "The methods it takes stand in the Allow header"),
    )


def too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(
        asked=Text("提交内容", "Send a body"),
        obstacle=Text(f"超过上限 {limit_bytes} 字节", f"it has more than {limit_bytes} bytes"),
        remedy=Text("请压缩或拆分后再提交", "Send less, or a smaller file"),
    )


def unsupported_type(taken: str) -> UnsupportedType:
    return UnsupportedType(
        asked=Text("提交内容", "Send a body"),
        obstacle=Text("内容类型不受支持", "its Content-Type is not taken here"),
        remedy=Text(f"请使用 {taken}", f"Send {taken}"),
    )


def defect() -> Defect:
    return Defect(
        asked=Text("办理请求", "Carry out the request"),
        obstacle=Text("程序出错，已记入日志", "the program failed; its log says where"),
        remedy=Text("请重试；如仍出错，请联系管理员", "Try again; if it fails again, tell the administrator"),
    )
