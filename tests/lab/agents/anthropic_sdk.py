"""Anthropic's SDK for Python, set up by its variables: a text, a stream, a tool and its result."""

import json
import os
import sys
from typing import Any

import anthropic

model, mark = os.environ["ANTHROPIC_MODEL"], sys.argv[1]
tool = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
client = anthropic.Anthropic()
said: list[dict[str, Any]] = [{"role": "user", "content": mark}]
count = client.messages.count_tokens(model=model, messages=said).input_tokens
plain = client.messages.create(model=model, max_tokens=512, messages=said)
with client.messages.stream(model=model, max_tokens=512, messages=said) as stream:
    streamed = "".join(stream.text_stream)
called = client.messages.create(model=model, max_tokens=512, messages=said, tools=[tool])
use = next(block for block in called.content if block.type == "tool_use")
result = {"type": "tool_result", "tool_use_id": use.id, "content": "It is raining."}
said += [
    {"role": "assistant", "content": called.content},
    {"role": "user", "content": [result]},
]
with client.messages.stream(model=model, max_tokens=512, messages=said, tools=[tool]) as stream:
    after = stream.get_final_message()
found = {
    "count": count,
    "plain": plain.content[0].text,
    "streamed": streamed,
    "call": [use.name, use.input],
    "after": after.content[0].text,
}
try:
    # No parameter of its own: what Anthropic's newer models refuse.
    wrong = {"temperature": -1}
    client.messages.create(model=model, max_tokens=512, messages=said, extra_body=wrong)
except anthropic.BadRequestError as error:
    found["refusal"] = error.body["error"]["message"]
print(json.dumps(found))
