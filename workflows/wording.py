"""What is wrong with a field, in words people use: pydantic's error types in both languages."""

from collections.abc import Mapping

from engine.errors import Text

#: `{…}` are pydantic's own context values; types that are not here are told in pydantic's English
ERROR_WORDS: Mapping[str, Text] = {
    "missing": Text("必须填写", "is required"),
    "extra_forbidden": Text("不是本表单的项目", "is not a field of this form"),
    "string_type": Text("应为文字", "has to be text"),
    "string_unicode": Text("含有无法识别的字符", "holds characters that are no text"),
    "string_too_short": Text("至少 {min_length} 个字", "needs at least {min_length} character(s)"),
    "string_too_long": Text("最多 {max_length} 个字", "takes at most {max_length} characters"),
    "string_pattern_mismatch": Text("格式不对", "is not in the expected form"),
    "int_type": Text("应为整数", "has to be a whole number"),
    "int_parsing": Text("应为整数", "has to be a whole number"),
    "int_parsing_size": Text("数字过大", "is too large a number"),
    "int_from_float": Text("应为整数", "has to be a whole number"),
    "finite_number": Text("应为有限的数字", "has to be a finite number"),
    "bool_type": Text("应为是或否", "has to be yes or no"),
    "bool_parsing": Text("应为是或否", "has to be yes or no"),
    "greater_than_equal": Text("不能小于 {ge}", "cannot be less than {ge}"),
    "less_than_equal": Text("不能大于 {le}", "cannot be more than {le}"),
    "greater_than": Text("须大于 {gt}", "has to be more than {gt}"),
    "less_than": Text("须小于 {lt}", "has to be less than {lt}"),
    "literal_error": Text("只能是 {expected} 之一", "has to be one of {expected}"),
    "enum": Text("只能是 {expected} 之一", "has to be one of {expected}"),
    "date_type": Text("应为日期，如 2026-03-14", "has to be a date such as 2026-03-14"),
    "date_parsing": Text("应为日期，如 2026-03-14", "has to be a date such as 2026-03-14"),
    "date_from_datetime_parsing": Text("应为日期，如 2026-03-14", "has to be a date such as 2026-03-14"),
    "date_from_datetime_inexact": Text("应为日期，不带时间", "has to be a date without a time"),
    "datetime_parsing": Text("应为带时区的时间", "has to be a time with its offset"),
    "datetime_from_date_parsing": Text("应为带时区的时间", "has to be a time with its offset"),
    "timezone_aware": Text("时间须带时区", "needs its offset from UTC"),
    "list_type": Text("应为列表", "has to be a list"),
    "dict_type": Text("应为键值对照", "has to be an object"),
    "model_type": Text("应为对象", "has to be an object"),
    "model_attributes_type": Text("应为对象", "has to be an object"),
    "too_short": Text("至少 {min_length} 项", "needs at least {min_length} items"),
    "too_long": Text("最多 {max_length} 项", "takes at most {max_length} items"),
    "json_invalid": Text("不是有效的 JSON", "is not valid JSON"),
}
