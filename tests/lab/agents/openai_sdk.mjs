// OpenAI's SDK for Node, set up by its variables: chats and responses, streams, a tool and its result.
import OpenAI from "openai";

const [model, mark] = process.argv.slice(2);
const parameters = { type: "object", properties: { city: { type: "string" } } };
const weather = { name: "get_weather", description: "Weather of a city", parameters };
const client = new OpenAI();
const messages = [{ role: "user", content: mark }];
const plain = await client.chat.completions.create({ model, messages });
const streamed = await client.chat.completions.stream({ model, messages }).finalContent();
const tools = [{ type: "function", function: weather }];
const called = await client.chat.completions.stream({ model, messages, tools }).finalMessage();
const call = called.tool_calls[0];
messages.push(called, { role: "tool", tool_call_id: call.id, content: "It is raining." });
const after = await client.chat.completions.create({ model, messages, tools });

const functions = [{ type: "function", strict: false, ...weather }];
const input = [{ role: "user", content: mark }];
const asked = { model, input, tools: functions, store: false };
const response = await client.responses.stream(asked).finalResponse();
const use = response.output.find((item) => item.type === "function_call");
const output = { type: "function_call_output", call_id: use.call_id, output: "It is raining." };
const last = await client.responses.create({ ...asked, input: [...input, ...response.output, output] });
const found = {
  plain: plain.choices[0].message.content,
  streamed,
  call: [call.function.name, JSON.parse(call.function.arguments)],
  after: after.choices[0].message.content,
  response: [use.name, JSON.parse(use.arguments)],
  last: last.output_text,
};
try {
  await client.chat.completions.create({ model, messages, temperature: -1 });
} catch (error) {
  found.refusal = error.error.message;
}
console.log(JSON.stringify(found));
