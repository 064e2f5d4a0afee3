"""Surveys 调查: one set of questions, one answer a department, by a day. *None* is an answer, and empty is not.

A late answer stays late. It is corrected by a new version until its day has passed, and afterwards only where the safety office
sends it back; every version stays on record.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.case import Case
from engine.commands import OpenCase
from engine.definition import (
    Day,
    DepartmentRef,
    Effect,
    Form,
    FromFact,
    Line,
    Policy,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.campaign import departments_once
from workflows.joint import day_is_ahead
from workflows.ladders import HOLDER_LADDER, OFFICE_LADDER
from workflows.reference import department_called
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

MOST_DEPARTMENTS = 60
MOST_QUESTIONS = 50
MOST_OPTIONS = 20
OFFICE = (*SAFETY_OFFICE, "vp_safety")
#: who answers for a department; of a contractor, its lead
ANSWERS = ("dept_head", "dept_safety", "property_lead")
YES_NO = ("yes", "no")
NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,4})?", re.ASCII)


# --- forms -----------------------------------------------------------------------------------------------------------


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    text: Line = asks("问题", "Question")
    kind: Literal["text", "yes_no", "number", "choice"] = asks("答案类型", "Answered by", default="text")
    options: Line | None = asks("选项（选择题，用分号隔开）", "Options of a choice, with semicolons", default=None)


Questions = Annotated[list[Question], Field(min_length=1, max_length=MOST_QUESTIONS)]
#: by the number of the question
Answers = Annotated[dict[str, Words], Field(min_length=1, max_length=MOST_QUESTIONS)]


class OpenSurvey(Form):
    title: Line = asks("调查名称", "Survey")
    departments: Annotated[list[DepartmentRef], Field(min_length=1, max_length=MOST_DEPARTMENTS)] = asks(
        "填报部门", "Departments that answer"
    )
    questions: Questions = asks("问题", "Questions")
    due_on: Day = asks("填报截止日期", "Answered by")
    purpose: Words | None = asks("调查说明", "What it is for", default=None)


class CloseSurvey(Form):
    conclusion: Words = asks("调查结论", "What it came to")


class CallOffSurvey(Form):
    reason: Words = asks("取消理由", "Why it is called off")


class OpenSurveyAnswer(Form):
    title: Line = asks("调查", "Survey")
    department: DepartmentRef = asks("填报部门", "Department that answers")
    # told by the survey, so that no page offers to open one by hand
    questions: Questions = asks("问题", "Questions", typed=False)
    due_on: Day = asks("填报截止日期", "Answered by")


class AnswerSurvey(Form):
    answers: Answers = asks("逐题回答（没有的填“没有”或 0）", "Answers, one by one; where there is none, say so")


class CorrectAnswer(Form):
    answers: Answers = asks("更正后的全部答案", "All answers as they are now")
    reason: Words = asks("更正理由", "Why")


class ReturnAnswer(Form):
    reason: Words = asks("退回理由", "What has to be corrected")


class ExcuseDepartment(Form):
    reason: Words = asks("免予填报的理由", "Why it need not answer")


class SurveyPolicy(Policy):
    close_workdays: Annotated[int, Field(ge=1, le=365)] = 5


class AnswerPolicy(Policy):
    accept_workdays: Annotated[int, Field(ge=1, le=365)] = 5
    correct_workdays: Annotated[int, Field(ge=1, le=365)] = 2


# --- questions and answers -------------------------------------------------------------------------------------------


def options_of(question: Mapping[str, Any]) -> tuple[str, ...]:
    """What may be answered to it; nothing where it is answered in words or by a number."""
    if question["kind"] == "yes_no":
        return YES_NO
    said = question.get("options") or ""
    return tuple(option.strip() for option in re.split("[;；]", said) if option.strip())


def numbered(questions: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The questions by the number they are answered under."""
    return {str(number): question for number, question in enumerate(questions, start=1)}


def answers_to(question: Mapping[str, Any], answer: str) -> bool:
    """Whether this is an answer to it."""
    if question["kind"] == "number":
        return NUMBER.fullmatch(answer) is not None
    return question["kind"] == "text" or answer in options_of(question)


# --- guards ----------------------------------------------------------------------------------------------------------


@guard(
    "survey.each_department_once",
    obstacle=Text("有部门重复列出", "a department is listed twice"),
    remedy=Text("每个部门只列一次", "List each department once"),
    reads_form=True,
)
def each_department_once(s: Situation) -> bool:
    return departments_once.holds(s)


@guard(
    "survey.choices_have_options",
    obstacle=Text(
        "选择题须有两个以上互不相同的选项，其他题不填选项",
        "a choice needs two options or more, all different, and no other question has any",
    ),
    remedy=Text("请用分号隔开各选项，如：有；没有；正在编制", "Part the options by semicolons"),
    reads_form=True,
)
def choices_have_options(s: Situation) -> bool:
    def fits(question: Mapping[str, Any]) -> bool:
        if question["kind"] != "choice":
            return question["options"] is None
        options = options_of(question)
        return 2 <= len(options) <= MOST_OPTIONS and len(set(options)) == len(options)

    return all(map(fits, s.data["questions"]))


@guard(
    "survey.comes_out_of_a_survey",
    obstacle=Text("填报单由调查产生，不能自行登记", "such an answer comes out of a survey; nobody opens one by hand"),
    remedy=Text("请登记一项调查", "Open a survey"),
)
def comes_out_of_a_survey(s: Situation) -> bool:
    return any(link.kind == "parent" for link in s.case.links)


@guard(
    "survey.every_question_answered",
    obstacle=Text("还有问题没有回答，或回答了没有问的问题；空白不是“没有”", "a question is unanswered or unknown, and blank is not none"),
    remedy=Text("请逐题回答；没有的填“没有”或 0", "Answer every question; where there is none, say so"),
    reads_form=True,
)  # fmt: skip
def every_question_answered(s: Situation) -> bool:
    return set(s.data["answers"]) == set(numbered(s.case.facts["questions"]))


@guard(
    "survey.answers_fit",
    obstacle=Text(
        "有答案不合要求：数字题须填数字，是否题和选择题须从选项中选",
        "an answer is not of its kind: a number where one is asked for, and one of the options of a choice",
    ),
    remedy=Text("请对照每题的类型改正", "Look at what each question asks for, and correct it"),
    reads_form=True,
)
def answers_fit(s: Situation) -> bool:
    asked = numbered(s.case.facts["questions"])
    return all(answers_to(asked[number], answer) for number, answer in s.data["answers"].items() if number in asked)


@guard(
    "survey.day_has_not_passed",
    obstacle=Text("填报截止日期已过", "the day it had to be answered by has passed"),
    remedy=Text("请安稳办退回后再改", "Ask the safety office to send it back"),
)
def day_has_not_passed(s: Situation) -> bool:
    return date.fromisoformat(s.case.facts["due_on"]) >= s.today


@guard(
    "survey.every_answer_is_in",
    obstacle=Text(
        "还有部门没有填报，或填报还没有收录", "a department has not answered, or its answer was not accepted yet"
    ),
    remedy=Text(
        "请先催报、收录，见未报名单；确实不用填报的写明理由免报",
        "See that they answer, and accept it; excuse who need not, and say why",
    ),
)
def every_answer_is_in(s: Situation) -> bool:
    children = [link.number for link in s.case.links if link.kind == "child"]
    return all(s.related[number].final for number in children if number in s.related)


# --- effects ---------------------------------------------------------------------------------------------------------


def ask_every_department(s: Situation, case: Case) -> Effect:
    answers = tuple(
        OpenCase(
            "survey_answer",
            {
                "title": f"{case.title[:180]}（{department_called(department).zh}）"[:200], "department": department,
                "questions": s.data["questions"], "due_on": s.data["due_on"],
            },
        )
        for department in s.data["departments"]
    )  # fmt: skip
    until = s.calendar.add_workdays(date.fromisoformat(s.data["due_on"]), s.policy["close_workdays"])
    return Effect(case.with_facts({"limit": {"until": until.isoformat()}}), opens=answers)


def answer_by_the_day(s: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"limit": {"until": s.data["due_on"]}}))


def correct_soon(s: Situation, case: Case) -> Effect:
    """Its own day where that is still ahead, else some working days from now; late stays late by the first of them."""
    soon = s.calendar.add_workdays(s.today, s.policy["correct_workdays"]).isoformat()
    return Effect(case.with_facts({"limit": {"until": max(soon, case.facts["due_on"])}}))


# --- the loops -------------------------------------------------------------------------------------------------------

SURVEY = Workflow(
    key="survey",
    plural="surveys",
    version=1,
    prefix="DC",
    title=Text("调查", "Survey"),
    opens_with=OpenSurvey,
    opens_by=(*OFFICE, *LEADERS),
    opening=ask_every_department,
    opening_guards=(each_department_once, choices_have_options, day_is_ahead),
    roles=LOOP_ROLES,
    policy=SurveyPolicy,
    own_words={"reporter": Text("组织人", "whoever called it")},
    states=[
        State(
            "collecting", Text("填报中", "Being answered"), counts_as="assigned", awaits=SAFETY_OFFICE,
            due=FromFact("limit"), ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已汇总", "Put together"), final=True),
        State("called_off", Text("已取消", "Called off"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "close", "collecting", "closed", Text("汇总", "Put together"), by=OFFICE, form=CloseSurvey,
            guards=(every_answer_is_in,), acts_as="approver", tells=("vp_safety",),
        ),
        Transition(
            "call_off", "collecting", "called_off", Text("取消", "Call it off"), by=("safety_head", "vp_safety", *LEADERS),
            form=CallOffSurvey, guards=(every_answer_is_in,),
        ),
    ],
)  # fmt: skip

SURVEY_ANSWER = Workflow(
    key="survey_answer",
    plural="survey_answers",
    version=1,
    prefix="DCD",
    title=Text("调查填报", "Survey answer"),
    opens_with=OpenSurveyAnswer,
    opens_by=(*OFFICE, *LEADERS),
    opening=answer_by_the_day,
    opening_guards=(comes_out_of_a_survey,),
    roles=LOOP_ROLES,
    policy=AnswerPolicy,
    own_words={"reporter": Text("组织人", "whoever called it")},
    states=[
        State(
            "due", Text("待填报", "To be answered"), counts_as="assigned", awaits=ANSWERS, due=FromFact("limit"),
            ladder=HOLDER_LADDER,
        ),
        State(
            "answered", Text("已填报", "Answered"), counts_as="fixed", awaits=SAFETY_OFFICE,
            due=Within(workdays="accept_workdays"), ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已收录", "Accepted"), final=True),
        State("excused", Text("免报", "Excused"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "answer", "due", "answered", Text("填报", "Answer"), by=ANSWERS, form=AnswerSurvey,
            guards=(every_question_answered, answers_fit), acts_as="submitter",
        ),
        Transition(
            "correct", "answered", None, Text("更正", "Correct"), by=ANSWERS, form=CorrectAnswer,
            guards=(day_has_not_passed, every_question_answered, answers_fit), acts_as="submitter", counts="corrected",
            tells=SAFETY_OFFICE,
        ),
        Transition(
            "accept", "answered", "closed", Text("收录", "Accept"), by=OFFICE, never=("submitter",), acts_as="approver",
        ),
        Transition(
            "send_back", "answered", "due", Text("退回", "Send back"), by=OFFICE, form=ReturnAnswer,
            effect=correct_soon, counts="returned", reason="returned",
        ),
        Transition(
            "excuse", "due", "excused", Text("免报", "Excuse"), by=("safety_head", "vp_safety"), form=ExcuseDepartment,
            tells=("dept_head", "dept_safety"),
        ),
    ],
)  # fmt: skip
