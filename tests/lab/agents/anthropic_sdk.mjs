// Anthropic's SDK for Node, set up by its variables: a text, a stream, a tool and its result.
import Anthropic from "@anthropic-ai/sdk";

const model = process.env.ANTHROPIC_MODEL;
const tools = [
  {
    name: "get_weather",
    description: "Weather of a city",
    input_schema: { type: "object", properties: { city: { type: "string" } } },
  },
];
const client = new Anthropic();
const messages = [{ role: "user", content: process.argv[2] }];
const count = (await client.messages.countTokens({ model, messages })).input_tokens;
const plain = await client.messages.create({ model, max_tokens: 512, messages });
const streamed = await client.messages.stream({ model, max_tokens: 512, messages }).finalText();
const called = await client.messages.create({ model, max_tokens: 512, messages, tools });
const use = called.content.find((block) => block.type === "tool_use");
const result = { type: "tool_result", tool_use_id: use.id, content: "It is raining." };
messages.push({ role: "assistant", content: called.content }, { role: "user", content: [result] });
const after = await client.messages.stream({ model, max_tokens: 512, messages, tools }).finalText();
const found = { count, plain: plain.content[0].text, streamed, call: [use.name, use.input], after };
try {
  await client.messages.create({ model, max_tokens: 512, messages, temperature: -1 });
} catch (error) {
  found.refusal = error.error.error.message;
}
console.log(JSON.stringify(found));
