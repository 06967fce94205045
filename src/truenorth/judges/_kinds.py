"""CFBench's kinds of constraint: their names, what code can check of each, and what a reader is told to look at.

Source: Zhang et al., "CFBench: A Comprehensive Constraints-Following Benchmark for LLMs" (2024), table of the
constraint system, and the names in the published data, which are Chinese. "other" kinds stand in the data alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Kind(NamedTuple):
    """A sub-category: its name in the data, the constraints that code can check, and the look of a reader."""

    named: str
    checks: tuple[str, ...]
    look: str


def kind(named: str, look: str, *checks: str) -> Kind:
    return Kind(named, checks, look)


PRIMARY = {  # names in the data
    "内容约束": "content",
    "数值约束": "numerical",
    "风格约束": "stylistic",
    "格式约束": "format",
    "语言约束": "linguistic",
    "场景约束": "situation",
    "example约束": "example",
    "否定约束": "inverse",
    "不合理约束": "contradictory",
    "指定动作约束/其他专业约束": "rule",
}
COUNT = "Count; do not estimate."
KINDS = {
    "content:lexical": kind(
        "词法内容约束",
        "Look for the very words or signs, or for their absence.",
        "content:include", "content:any_of", "content:exclude", "content:scripts",
    ),
    "content:element": kind(
        "元素内容约束", "Look for each element that is asked for; one missing is a no.", "content:element"
    ),
    "content:semantic": kind("语义内容约束", "Look at what is said: its theme, view and meaning."),
    "content:other": kind("其他内容约束", "Look at what is said, and whether it is the task that was set."),
    "numerical:word": kind("单词数值约束", COUNT, "numerical:words", "numerical:characters", "numerical:each"),
    "numerical:sentence": kind("句子数值约束", COUNT, "numerical:sentences", "numerical:lines"),
    "numerical:paragraph": kind("段落数值约束", COUNT, "numerical:paragraphs"),
    "numerical:document": kind("文档数值约束", COUNT, "numerical:documents"),
    "numerical:other": kind("其他数值约束", COUNT, "numerical:items"),
    "stylistic:tone": kind("语气情感约束", "Look at the tone and the feeling, from the first line to the last."),
    "stylistic:form": kind("形式文体约束", "Look at the kind of text, and whether it keeps that kind's conventions."),
    "stylistic:audience": kind("受众风格约束", "Look at whether those readers would be reached and understand."),
    "stylistic:author": kind("作者文风约束", "Look at whether it could be by that author."),
    "stylistic:other": kind("其他风格约束", "Look at the style."),
    "format:fundamental": kind(
        "基础格式约束",
        "Look at the format alone; it must be kept by the whole answer, and be valid.",
        "format:json", "format:table", "format:headings", "format:code_block", "format:plain",
    ),
    "format:bespoke": kind(
        "自定义格式约束",
        "Compare the layout with the one described, part by part.",
        "format:tags", "format:starts_with", "format:ends_with", "format:template",
    ),
    "format:specialised": kind("特殊场景格式约束", "Look at the rules of that format (a letter, a citation style)."),
    "format:other": kind("其他格式约束", "Look at the format alone."),
    "linguistic:pragmatic": kind(
        "语用语言约束", "Look at the language or dialect, and at how it is used.", "linguistic:language"
    ),
    "linguistic:syntactic": kind(
        "句法学语言约束", "Look at how the sentences are built.", "linguistic:sentence_kind"
    ),
    "linguistic:morphological": kind("形态学语言约束", "Look at the forms of the words.", "linguistic:case"),
    "linguistic:phonological": kind(
        "音节学语言约束",
        "Say it aloud: look at sounds, rhyme, tones and syllables.",
        "linguistic:acrostic", "linguistic:first_letter", "linguistic:line_endings",
    ),
    "linguistic:other": kind("其他语言约束", "Look at the use of language."),
    "situation:role": kind("角色场景约束", "Look at whether the role is held throughout."),
    "situation:task": kind("任务场景约束", "Look at whether the answer fits the situation that was described."),
    "situation:complex": kind("复杂情境推理", "Work the situation through yourself before you decide."),
    "example": kind("example约束", "Compare with the examples in the request: pattern, not topic."),
    "inverse": kind("否定约束", "Look for what must not be there; a single instance is a no.", "inverse:not"),
    "contradictory": kind(
        "不合理约束",
        "The request cannot be met as it stands. Look at whether the answer does the sensible part and says so.",
    ),
    "rule:action": kind(
        "指定动作约束", "Look at whether the action was done, and done right.",
        "rule:order", "rule:replaced", "rule:choice",
    ),
    "rule:other": kind("其他专业约束", "Look at whether the rule was kept everywhere it applies."),
}  # fmt: skip
NAMED = {kind.named: name for name, kind in KINDS.items()}

WHOLE = "(?:全文|文章|回答|输出|内容|总|篇幅|字数|的|应|控制)*"
SPANS = (  # the ways to bound a number of characters, all of the words but WHOLE
    r"(?:不少于|至少|不低于)(?P<least>\d+)字",
    r"(?:不超过|最多|不多于|没有超过|没超过)(?P<most>\d+)字",
    r"在?(?P<most>\d+)字(?:以内|之内)",
    r"在?(?P<least>\d+)字?[-~—～至到]+(?P<most>\d+)字(?:之间|以内|范围内)?",
)


def plain_count(name: str, text: str) -> dict[str, int]:
    """The bounds of a criterion that counts the characters of the whole answer and says nothing else; or nothing.

    >>> plain_count("numerical:word", "全文不少于800字")
    {'least': 800}
    """
    bare = re.sub(r"\s|[。.]$", "", text.strip())
    for span in SPANS if name == "numerical:word" else ():
        if found := re.fullmatch(WHOLE + span, bare):
            return {side: int(value) for side, value in found.groupdict().items()}
    return {}
