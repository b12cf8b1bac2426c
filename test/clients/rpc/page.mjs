// What a page of another origin does with the gateway whose address its query says. The outcome of
// each is in the list `outcomes`, and `finished` is set behind the last.
import * as web from "@connectrpc/connect-web";
import { equal } from "./check.mjs";
import { failure, serverStream, unary } from "./connect_calls.mjs";
import { callAll } from "./grpcweb_calls.mjs";

const base = new URLSearchParams(location.search).get("gateway");
const watch = `${base}/v1/parcels/P-1001:watch?maxEvents=2&interval=0.01s`;
const frames = ["P-1001", "P-1001", "end"];

const tasks = {
  "REST by fetch": async () => {
    const response = await fetch(`${base}/v1/books/emma`);
    equal((await response.json()).title, "Emma");
    equal(/^(W\/)?".+"$/.test(response.headers.get("etag")), true);
    const missing = await fetch(`${base}/v1/books/nothing`, { headers: { accept: "application/problem+json" } });
    equal(missing.status, 404);
    equal((await missing.json()).code, "NOT_FOUND");
  },
  "a REST stream by fetch": async () => {
    const response = await fetch(watch, { headers: { accept: "application/x-ndjson" } });
    const got = [];
    let rest = "";
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      got.push(...lines.map((line) => frame(JSON.parse(line))));
    }
    equal(got, frames);
  },
  "a REST stream by EventSource": () => new Promise((resolve, reject) => {
    const got = [];
    const source = new EventSource(watch);
    source.onmessage = (event) => got.push(`${event.lastEventId} ${frame(JSON.parse(event.data))}`);
    source.onerror = () => reject(new Error("the source failed"));
    source.addEventListener("end", () => {
      source.close();
      equal(got, ["1 P-1001", "2 P-1001"]);
      resolve();
    });
  }),
  "a bidi stream by WebSocket": async () => {
    const { messages, code } = await converse("/v1/chat", ['{"data":{"from":"page","text":"hello"}}', '{"end":{}}']);
    equal(messages.length > 1, true);
    equal(messages.at(-1), { end: {} });
    equal(code, 1000);
  },
  "an error by WebSocket": async () => {
    const { messages, code } = await converse("/v1/parcels/P-0:watch", []);
    equal(messages.map((m) => m.error.code), [5]);
    equal(code, 4005);
  },
  "GraphQL by fetch": async () => {
    const data = await graphQL("{ getBook(name: \"books/emma\") { title } }", "application/json").then((r) => r.json());
    equal(data, { data: { getBook: { title: "Emma" } } });
  },
  "a GraphQL subscription by fetch": async () => {
    const response = await graphQL("subscription { watchParcel(parcel: \"P-1001\", maxEvents: 2) { parcel } }", "text/event-stream");
    const text = await response.text();
    equal(text.match(/"parcel":"P-1001"/g).length, 2);
    equal(/event: complete/.test(text), true);
  },
};
for (const useBinaryFormat of [true, false]) {
  const codec = useBinaryFormat ? "proto" : "JSON";
  const options = { baseUrl: base, useBinaryFormat };
  connectES(`Connect ${codec}`, web.createConnectTransport(options));
  connectES(`Connect GET ${codec}`, web.createConnectTransport({ ...options, useHttpGet: true }));
  connectES(`gRPC-Web ${codec}`, web.createGrpcWebTransport(options));
}
for (const format of ["binary", "text"]) {
  tasks[`grpc-web, ${format}`] = () => callAll(base, format);
}

function connectES(name, transport) {
  tasks[`connect-es, ${name}`] = async () => {
    await unary(transport);
    await failure(transport);
    await serverStream(transport);
  };
}

function frame(f) {
  return f.data ? f.data.parcel : Object.keys(f)[0];
}

function graphQL(query, accept) {
  return fetch(`${base}/graphql`, {
    method: "POST", headers: { "content-type": "application/json", accept }, body: JSON.stringify({ query }),
  });
}

// converse sends messages and returns all that came until the socket closed.
function converse(path, send) {
  return new Promise((resolve) => {
    const messages = [];
    const socket = new WebSocket(base.replace(/^http/, "ws") + path, "protean.json");
    socket.onopen = () => send.forEach((message) => socket.send(message));
    socket.onmessage = (event) => messages.push(JSON.parse(event.data));
    socket.onclose = ({ code }) => resolve({ messages, code });
  });
}

globalThis.outcomes = [];
for (const [name, task] of Object.entries(tasks)) {
  await task().then(
    () => outcomes.push({ name, passed: true }),
    (error) => outcomes.push({ name, passed: false, error: `${error} ${error.cause ?? ""}` }),
  );
}
globalThis.finished = true;
