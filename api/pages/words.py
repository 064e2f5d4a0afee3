"""What the pages say, in Chinese and in English. One word, one thing: the README's glossary binds these too."""

from collections.abc import Mapping

from engine.errors import Text

WORDS: Mapping[str, Text] = {
    "product": Text("闭环", "Bihuan"),
    "tagline": Text("形成安全工作闭环，不留死角", "Close the loop, leave no dead corner"),
    "skip": Text("跳到正文", "Skip to the content"),
    "simulated": Text("模拟数据，此处现为", "Simulated data; here it is"),
    # signing in
    "sign_in": Text("登录", "Sign in"),
    "sign_out": Text("退出", "Sign out"),
    "account": Text("账号或工号", "Account or staff number"),
    "password": Text("密码", "Password"),
    "organisation": Text("单位", "Organisation"),
    "organisation_hint": Text(
        "单位代号；账号只在一个单位有时可不填", "Its key; may stay empty if your account is in one only"
    ),
    "forgotten": Text(
        "没有密码或忘记密码：请本单位系统管理员重置。",
        "No password, or forgotten it? The administrator can set a new one.",
    ),
    # the account
    "my_account": Text("我的账号", "My account"),
    "name": Text("姓名", "Name"),
    "key": Text("账号", "Account"),
    "staff_number": Text("工号", "Staff number"),
    "post": Text("岗位", "Post"),
    "department": Text("部门", "Department"),
    "duties": Text("职责", "Duties"),
    "no_duties": Text("目前没有授予职责。", "No duty has been granted."),
    "everywhere": Text("全单位", "everywhere"),
    "from": Text("自", "from"),
    "until": Text("至", "until"),
    "stands_in": Text("今日可代谁办理", "For whom I may act today"),
    "stands_in_for_nobody": Text("今天没有人委托我代办。", "Nobody is represented by me today."),
    "on_behalf_of": Text("代", "for"),
    # sessions
    "sessions": Text("登录", "Where I am signed in"),
    "this_one": Text("当前", "this one"),
    "since": Text("登录于", "since"),
    "last_seen": Text("最近使用", "last seen"),
    "holds_until": Text("有效至", "holds until"),
    "end": Text("注销", "End"),
    "end_others": Text("注销其他全部登录", "End all the others"),
    # the password
    "change_password": Text("更改密码", "Change the password"),
    "old_password": Text("原密码", "Present password"),
    "new_password": Text("新密码", "New password"),
    "new_again": Text("再输一次新密码", "New password once more"),
    "password_rule": Text(
        "至少 10 个字符，不含账号、工号或姓名；一句自己好记、别人难猜的话最好。",
        "At least 10 characters, without your account, staff number or name; a phrase of your own is best.",
    ),
    "must_change": Text(
        "密码由他人设定。请先改为只有自己知道的密码，然后才能使用本系统。",
        "Somebody else set your password. Choose one that only you know; everything else opens after that.",
    ),
    "not_the_same": Text("两次输入的新密码不一致", "the new password was typed in two ways"),
    # tokens
    "tokens": Text("接口令牌", "API tokens"),
    "tokens_hint": Text(
        "供脚本和其他程序使用。令牌只在新建时显示一次，请勿交给他人。",
        "For scripts and other programs. A token is shown once, when it is made; give it to nobody.",
    ),
    "no_tokens": Text("没有令牌。", "There are no tokens."),
    "label": Text("用途", "What it is for"),
    "allows": Text("权限", "It may"),
    "read": Text("只读", "read"),
    "act": Text("读取并办理", "read and act"),
    "days": Text("有效天数", "Days it holds"),
    "days_hint": Text("不填则长期有效", "for good if left empty"),
    "make_token": Text("新建令牌", "Make a token"),
    "revoke": Text("吊销", "Revoke"),
    "revoked": Text("已吊销", "revoked"),
    "expired": Text("已过期", "expired"),
    "made": Text("建于", "made"),
    "for_good": Text("长期有效", "for good"),
    "new_token": Text("新令牌", "A new token"),
    "shown_once": Text("只显示这一次，请立即保存：", "It is shown this once; keep it now:"),
    # what was done
    "done_password": Text("密码已更改，其他登录均已注销。", "The password is changed, and all other sessions ended."),
    "done_session": Text("已注销。", "It is ended."),
    "done_others": Text("其他登录均已注销。", "All other sessions are ended."),
    "done_token": Text("令牌已吊销。", "The token is revoked."),
    # a step from a message
    "workflow": Text("事项类型", "Kind"),
    "number": Text("编号", "Number"),
    "place": Text("地点", "Where"),
    "place_unknown": Text("未填", "not stated"),
    "state": Text("目前", "It stands at"),
    "due": Text("期限", "Due"),
    "due_unknown": Text("未定", "not set"),
    "sent_to": Text("发给", "Sent to"),
    "requirement": Text("整改要求", "What has to be done"),
    "one_tap": Text(
        "按下即表示您已收到并知悉，系统会记下时间；办理情况请另行填报。",
        "Pressing it says that you have it and have read it, and notes the time; what you do about it comes later.",
    ),
    "received": Text("已签收，谢谢。", "Acknowledged. Thank you."),
    "received_at": Text("签收时间", "Acknowledged at"),
    "received_before": Text(
        "这份通知已经签收，不用再办。", "This notice was acknowledged; there is nothing left to do here."
    ),
    "moved_on": Text(
        "此事项已有新进展，这个链接所说的步骤不用再办。",
        "The case has moved on; the step this link speaks of is no longer needed.",
    ),
    "open_case": Text("查看事项", "Open the case"),
    # refusals
    "back": Text("返回", "Go back"),
}
