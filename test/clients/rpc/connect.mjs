// Calls the example services at the given address with connect-es, over each of its transports.
import assert from "node:assert/strict";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { catalog, resourceInfo, tracking } from "./schema.mjs";

const baseUrl = process.argv[2];

const transports = {};
for (const useBinaryFormat of [true, false]) {
  const codec = useBinaryFormat ? "proto" : "JSON";
  for (const httpVersion of ["1.1", "2"]) {
    const options = { baseUrl, httpVersion, useBinaryFormat };
    transports[`Connect ${codec} HTTP/${httpVersion}`] = node.createConnectTransport(options);
    transports[`Connect GET ${codec} HTTP/${httpVersion}`] = node.createConnectTransport({ ...options, useHttpGet: true });
    transports[`Connect gzip ${codec} HTTP/${httpVersion}`] =
      node.createConnectTransport({ ...options, sendCompression: node.compressionGzip, compressMinBytes: 0 });
    transports[`gRPC-Web ${codec} HTTP/${httpVersion}`] = node.createGrpcWebTransport(options);
  }
  transports[`gRPC ${codec}`] = node.createGrpcTransport({ baseUrl, useBinaryFormat });
  transports[`Connect ${codec} by fetch`] = web.createConnectTransport({ baseUrl, useBinaryFormat });
  transports[`gRPC-Web ${codec} by fetch`] = web.createGrpcWebTransport({ baseUrl, useBinaryFormat });
}

for (const [name, transport] of Object.entries(transports)) {
  try {
    await unary(transport);
    await failure(transport);
    await serverStream(transport);
    if (!name.endsWith("fetch")) { // which has no client streams in Node
      await bidi(transport);
    }
  } catch (cause) {
    throw new Error(name, { cause });
  }
}
// Sessions of HTTP/2 would keep the process alive for a while.
process.exit(0);

async function unary(transport) {
  const book = await createClient(catalog, transport).getBook({ name: "books/emma" });
  assert.equal(book.title, "Emma");
}

async function failure(transport) {
  await assert.rejects(createClient(catalog, transport).getBook({ name: "books/nothing" }), (error) => {
    assert(error instanceof ConnectError, error);
    assert.equal(error.code, Code.NotFound);
    assert.equal(error.rawMessage, '"books/nothing" does not exist');
    const [detail] = error.findDetails(resourceInfo);
    assert.equal(detail.resourceName, "books/nothing");
    return true;
  });
}

async function serverStream(transport) {
  const parcels = [];
  for await (const event of createClient(tracking, transport).watchParcel({ parcel: "P-1001", maxEvents: 2 })) {
    parcels.push(event.parcel);
  }
  assert.deepEqual(parcels, ["P-1001", "P-1001"]);
}

async function bidi(transport) {
  async function* lines() {
    yield { from: "node", text: "hello" };
  }
  let answers = 0;
  for await (const line of createClient(tracking, transport).chat(lines())) {
    assert(line.text !== "", "a line without text");
    answers++;
  }
  assert(answers > 0, "no answer");
}
