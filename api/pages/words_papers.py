"""What the pages about papers say, in Chinese and in English. The papers themselves are in Chinese."""

from collections.abc import Mapping

from engine.errors import Text

WORDS: Mapping[str, Text] = {
    # on a case
    "papers": Text("文书", "Papers"),
    "paper_none": Text("现在还没有可生成的文书。", "There is no paper to be made yet."),
    "paper_not_yet": Text("还不能生成的", "Not there yet"),
    "paper_draft": Text("草稿", "Draft"),
    # a paper
    "paper_print_hint": Text(
        "用浏览器的打印功能打印，A4 纸。Word 和 Excel 文件的导出会记入操作日志。",
        "Print it with the browser, on A4. That somebody took a Word or Excel file is noted in the logbook.",
    ),
    "paper_back": Text("返回事项", "Back to the case"),
    "paper_in_chinese": Text("文书按学校归档格式以中文生成。", "Papers are in Chinese, as schools file them."),
    "ledger_papers": Text("三张清单", "The three lists"),
    # templates
    "school_papers": Text("文书模板", "Papers"),
    "school_papers_note": Text(
        "通知书、回执等的 Word 样式；可换成本校的", "How notices and the like look in Word; use your own"
    ),
    "template_title": Text("文书模板", "Templates of papers"),
    "template_hint": Text(
        "下载模板，在 Word 中改成本校的样式，再上传。{{ 字段名 }} 处会填入记录中的内容；上传时会检查。",
        "Fetch a template, lay it out in Word, and send it back. What is on record comes where it says {{ name }}; it is checked when you send it.",
    ),
    "template_own": Text("本校模板", "Your own"),
    "template_default": Text("默认模板", "The program's"),
    "template_since": Text("更换于", "since"),
    "template_fetch": Text("下载模板", "Fetch the template"),
    "template_fetch_default": Text("下载默认模板", "Fetch the default"),
    "template_file": Text("本校的 Word 文件（.docx）", "Your Word file (.docx)"),
    "template_send": Text("检查并启用", "Check it and use it"),
    "template_replace": Text("更换", "Replace"),
    "template_reset": Text("恢复默认模板", "Back to the default"),
    "template_fields": Text("可用字段", "Fields"),
    "template_rows": Text(
        "重复的行：下面两个标记各占一行，中间的一行用", "Rows: these two stand in a row each, and between them"
    ),
    "template_done_set": Text("已启用新模板。", "The new template is in use."),
    "template_done_reset": Text("已恢复默认模板。", "The default template is in use."),
    "template_no_file": Text("请选择一个文件", "choose a file"),
}
