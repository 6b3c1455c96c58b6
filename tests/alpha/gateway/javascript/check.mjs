// Runs the stock SDK against a gateway: node check.mjs BASE_URL KEY PHASE. Prints one JSON object.
import OpenAI from "openai";

const [baseURL, apiKey, phase] = process.argv.slice(2);
const model = "quasar-alpha";
const messages = [{ role: "user", content: "Say hello to me" }];
let sent = 0;
const counting = (url, init) => {
  sent += 1;
  return fetch(url, init);
};
const client = (options = {}) =>
  new OpenAI({ baseURL, apiKey, maxRetries: 0, fetch: counting, ...options });

async function refused(work) {
  sent = 0;
  try {
    await work();
  } catch (error) {
    const { status, code, type, param } = error;
    const name = error.constructor.name;
    return { name, status, code, type, param, sent, isApi: error instanceof OpenAI.APIError };
  }
  return { served: true };
}

async function chat() {
  const whole = await client().chat.completions.create({ model, messages });
  const stream = await client().chat.completions.create({ model, messages, stream: true });
  const ids = new Set();
  let streamed = "";
  for await (const chunk of stream) {
    ids.add(chunk.id);
    streamed += chunk.choices[0]?.delta?.content ?? "";
  }
  return { text: whole.choices[0].message.content, model: whole.model, streamed, ids: ids.size };
}

async function responses() {
  const input = "Say hello to me";
  const whole = await client().responses.create({ model, input });
  const stream = client().responses.stream({ model, input });
  const kinds = [];
  for await (const event of stream) kinds.push(event.type);
  const final = await stream.finalResponse();
  return {
    text: whole.output_text,
    model: whole.model,
    streamed: final.output_text,
    tokens: final.usage.input_tokens,
    last: kinds.at(-1),
  };
}

async function others() {
  const listed = [];
  for await (const entry of client().models.list()) listed.push(entry.id);
  const vectors = await client().embeddings.create({ model, input: ["one", "two"] });
  const plain = await client().completions.create({ model, prompt: "Once" });
  return {
    models: listed,
    vectors: vectors.data.map((entry) => Array.from(entry.embedding)),
    text: plain.choices[0].text,
  };
}

async function tools() {
  const parameters = { type: "object", properties: { at: { type: "string" } } };
  const called = await client().chat.completions.create({
    model,
    messages,
    tools: [{ type: "function", function: { name: "look", parameters } }],
  });
  const response = await client().responses.create({
    model,
    input: "Look",
    tools: [{ type: "function", name: "look", parameters, strict: false }],
  });
  const [call] = called.choices[0].message.tool_calls;
  return {
    chat: [call.function.name, JSON.parse(call.function.arguments).at],
    response: [response.output[0].name, JSON.parse(response.output[0].arguments).at],
  };
}

async function structured() {
  const schema = { type: "object", properties: { town: { type: "string" } } };
  const whole = await client().chat.completions.parse({
    model,
    messages,
    response_format: { type: "json_schema", json_schema: { name: "place", schema } },
  });
  const response = await client().responses.parse({
    model,
    input: "Where?",
    text: { format: { type: "json_schema", name: "place", schema } },
  });
  return {
    chat: JSON.parse(whole.choices[0].message.content),
    response: JSON.parse(response.output_text),
  };
}

const asking = (options) => () =>
  client(options).chat.completions.create({ model, messages, max_tokens: 3 });

const phases = {
  answers: async () => ({
    chat: await chat(),
    responses: await responses(),
    others: await others(),
    wrongKey: await refused(asking({ apiKey: `${apiKey.slice(0, -4)}aaaa` })),
    unknown: await refused(() => client().responses.create({ model: "nebula", input: "hi" })),
  }),
  tools,
  structured,
  // As an application has it: the SDK's own retries.
  refusedForGood: () => refused(asking({ maxRetries: 2 })),
  refused: () => refused(asking()),
};

console.log(JSON.stringify(await phases[phase]()));
