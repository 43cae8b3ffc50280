"""What the lab's models say where a real Ollama runs them, and the templates that lead to it.

A model's weights map each token to the one that follows it (:mod:`.weights`). So the last token of
a prompt decides what is said, and a template ends in the token that fits the request. The tokens
of an answer may be whole words or more: ``<think>This`` is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

END = "</s>"
"""The token that ends an answer."""

# The tokens in which prompts end. llama.cpp takes some names for the end of an answer: <|call|>.
_ANSWER, _USE_TOOL, _RESULT = "<|answer|>", "<|use-tool|>", "<|result|>"
_THINK, _THINK_OF_TOOL = "<|think|>", "<|think-of-tool|>"

_SENTENCE = (
    *("Hello,", " I am", " a tiny", " model", " of llmrack's", " lab,", " and"),
    *(" this", " is all", " that", " I can", " say."),
)
OTHERWISE = _SENTENCE[0]
"""The token after all that have no follower of their own: a prompt may have no template."""
_REPORT = ("Thank", " you,", " the tool", " told me", " what I", " wanted to", " know.")
# In Ollama's words: it looks for a tool's name and for an object, and takes text that begins with
# "{" for a call where the template has no tag for calls (tools/tools.go).
_CALL = ('{"name"', ': "get_weather"', ', "parameters"', ': {"city"', ': "Paris"', "}}")
_ARGUMENTS = ('{"city"', ': "Paris"}')
_THOUGHT = ("This", " needs", " no", " thought,", " for", " I know", " one answer")
_THOUGHT_OF_TOOL = ("Here", " a tool", " helps,", " so I", " call it")


@dataclass(frozen=True)
class Speech:
    """How chats are written down for a model, and what it says.

    Attributes:
        template: in Ollama's form.
        answers: the tokens that follow each token in which a prompt may end.
    """

    template: str
    answers: Mapping[str, Sequence[str]]

    def followers(self) -> dict[str, str]:
        """The token that follows each token.

        Raises:
            ValueError: two tokens would follow one.
        """
        followers: dict[str, str] = {}
        for last, answer in self.answers.items():
            line = [last, *answer, END]
            for token, follower in itertools.pairwise(line):
                if followers.setdefault(token, follower) != follower:
                    raise ValueError(
                        f"{token!r} is followed by {followers[token]!r} and {follower!r}"
                    )
        return followers


def _said(before: str, tokens: Sequence[str], after: str = "") -> tuple[str, ...]:
    """Tokens with a text before the first one and after the last one."""
    first, *middle, last = tokens
    return (before + first, *middle, last + after)


_MESSAGES = """\
{{- if .System }}system: {{ .System }}
{{ end }}
{{- range .Messages }}{{ .Role }}: {{ .Content }}
{{ end }}assistant: """
# Ollama takes a model for one that can use tools when its template has ``.Tools``.
_MESSAGES_WITH_TOOLS = """\
{{- $last := "" }}
{{- if .System }}system: {{ .System }}
{{ end }}
{{- if .Tools }}tools: {{ .Tools }}
{{ end }}
{{- range .Messages }}{{ $last = .Role }}{{ .Role }}: {{ .Content }}
{{- range .ToolCalls }}{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}
{{- end }}
{{ end }}assistant: """
# It takes one for a model that thinks when tags stand around ``.Thinking``.
_MESSAGES_WITH_THOUGHTS = _MESSAGES_WITH_TOOLS.replace(
    "{{ .Content }}", "{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}"
)
# It reads what a model says as Harmony when its family is that of gpt-oss and these tags are there.
_HARMONY_MESSAGES = """\
{{- $last := "" }}
{{- if .Tools }}<|start|>developer<|message|>{{ .Tools }}<|end|>{{ end }}
{{- range .Messages }}{{ $last = .Role }}<|start|>{{ .Role }}<|message|>{{ .Content }}
{{- range .ToolCalls }}{{ .Function.Name }} {{ .Function.Arguments }}{{ end }}<|end|>
{{- end }}<|start|>assistant"""


def _ending(plain: str, with_tools: str) -> str:
    """The end of a template: a token for an answer, for a tool's use, and after a tool's result."""
    return (
        '{{ if eq $last "tool" }}' + _RESULT + '{{ else if and .Tools (eq $last "user") }}'
        f"{with_tools}{{{{ else }}}}{plain}{{{{ end }}}}"
    )


def _if_thinking(thinks: str, otherwise: str) -> str:
    return f"{{{{ if .Think }}}}{thinks}{{{{ else }}}}{otherwise}{{{{ end }}}}"


_CHANNEL = "<|channel|>{}<|message|>"
_NEXT_CHANNEL = "<|end|><|start|>assistant"
_TOOL_CHANNEL = _CHANNEL.format("commentary to=functions.get_weather <|constrain|>json")

CHATS = Speech(_MESSAGES + _ANSWER, {_ANSWER: _SENTENCE})
"""Answers."""

USES_TOOLS = Speech(
    _MESSAGES_WITH_TOOLS + _ending(_ANSWER, _USE_TOOL),
    {**CHATS.answers, _USE_TOOL: _CALL, _RESULT: _REPORT},
)
"""Answers, or calls a tool."""

THINKS = Speech(
    _MESSAGES_WITH_THOUGHTS
    + _ending(_if_thinking(_THINK, _ANSWER), _if_thinking(_THINK_OF_TOOL, _USE_TOOL)),
    {
        **USES_TOOLS.answers,
        _THINK: (*_said("<think>", _THOUGHT, ".</think>"), *_SENTENCE),
        _THINK_OF_TOOL: (*_said("<think>", _THOUGHT_OF_TOOL, ".</think>"), *_CALL),
    },
)
"""Thinks before that, unless it is told not to."""

SPEAKS_HARMONY = Speech(
    _HARMONY_MESSAGES + _ending(_THINK, _THINK_OF_TOOL),
    {
        _THINK: (
            *_said(_CHANNEL.format("analysis"), _THOUGHT, "." + _NEXT_CHANNEL),
            _CHANNEL.format("final"),
            *_SENTENCE,
        ),
        _THINK_OF_TOOL: (
            *_said(_CHANNEL.format("analysis"), _THOUGHT_OF_TOOL, "." + _NEXT_CHANNEL),
            *_said(_TOOL_CHANNEL, _ARGUMENTS),
        ),
        _RESULT: _said(_CHANNEL.format("final"), _REPORT),
    },
)
"""Thinks always, and says all of it in the form of gpt-oss."""
