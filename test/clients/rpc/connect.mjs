// Calls the example services at the given address with connect-es, over each of its transports.
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { bidi, failure, serverStream, unary } from "./connect_calls.mjs";

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
