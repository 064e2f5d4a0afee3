"""What the pages about labels for places say, to those who keep them and to the stranger who scans one."""

from collections.abc import Mapping

from engine.errors import Text

WORDS: Mapping[str, Text] = {
    # to a stranger
    "stranger_title": Text("上报隐患", "Report a hazard"),
    "you_are_at": Text("您现在的位置", "You are at"),
    "stranger_photo": Text("拍一张照片", "Take a picture"),
    "stranger_photo_hint": Text("尽量不要拍到人脸；不拍照也可以提交。", "Best without faces. You can send none, too."),
    "stranger_photo_again": Text("照片没有保留，请重新拍摄。", "The picture was not kept; please take it again."),
    "stranger_what": Text("看到了什么？写一句话", "What did you see? One sentence"),
    "stranger_example": Text("如：消防通道被电动车堵住", "As: bicycles block the fire exit"),
    "stranger_send": Text("提交", "Send"),
    "stranger_hint": Text(
        "不用登录，不记录您是谁。照片在受理前只有安全办公室能看到。",
        "No sign-in, and nobody notes who you are. Until it is taken up only the safety office sees the picture.",
    ),
    "stranger_at_once": Text(
        "正在起火或有人受伤，请先告诉身边的老师，或拨打 119、120、110。",
        "If something burns or somebody is hurt, tell a teacher first, or call 119, 120 or 110.",
    ),
    "stranger_sign_in": Text(
        "本校师生也可以登录后上报，随时查看进展",
        "Staff and pupils can sign in to report, and follow what becomes of it",
    ),
    "stranger_leave_empty": Text("此栏请勿填写", "Leave this empty"),
    "stranger_thanks": Text("谢谢，已收到", "Thank you, it has arrived"),
    "stranger_thanks_more": Text(
        "安全办公室会查看并处理。为保护上报人，这里不显示编号和进展。",
        "The safety office looks at it and sees to it. To protect who reports, no number and no progress are shown here.",
    ),
    "stranger_again": Text("再报一处", "Report something else"),
    "pictures_held_back": Text(
        "匿名上报的照片，受理前只有安全办公室能看到；不予受理的不再显示。",
        "Pictures of an anonymous report are the safety office's alone until it is taken up; of one that was not, nobody's.",
    ),
    # to who keeps labels
    "labels": Text("部位标签", "Labels for places"),
    "labels_hint": Text(
        "贴在墙上的二维码。扫一扫就能上报，部位自动填好。",
        "Codes for the wall. Whoever scans one reports with the place filled in.",
    ),
    "label_place": Text("部位", "Place"),
    "label_place_hint": Text(
        "按大家平时的叫法写，如“教学楼三层东侧”；不要写人名。",
        "As people call it, such as “Teaching building, 3rd floor east”; no names of people.",
    ),
    "label_make": Text("制作标签", "Make a label"),
    "labels_in_use": Text("在用的标签", "Labels in use"),
    "labels_none": Text(
        "还没有标签。先给常有人经过的地方各做一张。", "None yet. Begin with the places most people pass."
    ),
    "labels_print": Text("打印勾选的标签", "Print those ticked"),
    "labels_print_hint": Text("都不勾选即打印全部。A4 纸，每页八张。", "Tick none to print all. A4, eight to a page."),
    "label_revoke": Text("停用", "Revoke"),
    "label_revoke_hint": Text(
        "墙上的这张从此扫不开，不能恢复。", "The one on the wall leads nowhere from then on, for good."
    ),
    "label_revoke_sure": Text("确认停用", "Revoke it"),
    "label_made_at": Text("制作于", "made"),
    "label_revoked_at": Text("停用于", "revoked"),
    "labels_revoked": Text("已停用", "Revoked"),
    "labels_revoked_hint": Text(
        "停用后扫码打不开；同一部位可以再做一张。",
        "Their codes lead nowhere; another one can be made for the same place.",
    ),
    "labels_inside_only": Text(
        "还没有设置对外网址，手机打不开标签上的二维码；请系统管理员设置后再打印。",
        "The service has no public address yet, so phones cannot open what a label holds; have it set before you print.",
    ),
    "label_done_made": Text("标签已制作，可以打印。", "The label is made; print it now."),
    "label_done_revoked": Text("标签已停用。", "The label is revoked."),
    "label_done_policy": Text("已保存，从现在起按此办理。", "Saved; it holds from now on."),
    # anonymous reports
    "anonymous": Text("匿名上报", "Anonymous reports"),
    "anonymous_hint": Text(
        "开放后，没有登录的人扫码也能上报，只记部位，不记姓名和网络地址。受理前照片只有安全办公室能看到。",
        "Once open, people who are not signed in report by a label too. Only the place is noted, no name and no network "
        "address. Until it is taken up, only the safety office sees the picture.",
    ),
    "anonymous_on": Text("已开放", "Open"),
    "anonymous_off": Text("未开放：扫码后要先登录", "Closed: whoever scans a label has to sign in"),
    "anonymous_reports": Text("开放匿名上报", "Take anonymous reports"),
    "anonymous_per_place": Text("每个部位每天最多（件）", "A day at one place, at most"),
    "anonymous_per_address": Text("每个网络地址每天最多（件）", "A day from one network address, at most"),
    "anonymous_per_day": Text("全校每天最多（件）", "A day in the whole school, at most"),
    "anonymous_save": Text("保存", "Save"),
    "anonymous_who": Text("由系统管理员设置。", "The administrator sets this."),
}
