// Calls the example services at the given address with grpc-web, in bytes and in text.
import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpcWeb from "grpc-web";
import xhr2 from "xhr2";
import { catalog, tracking } from "./schema.mjs";

globalThis.XMLHttpRequest = xhr2; // grpc-web is made for browsers

const base = process.argv[2];

for (const format of ["binary", "text"]) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  try {
    await unary(client);
    await failure(client);
    if (format === "text") { // in which alone it streams
      await serverStream(client);
    }
  } catch (cause) {
    throw new Error(format, { cause });
  }
}

function descriptor(method, type) {
  return new grpcWeb.MethodDescriptor(
    `/${method.parent.typeName}/${method.name}`, type, Object, Object,
    (message) => toBinary(method.input, message),
    (bytes) => fromBinary(method.output, bytes),
  );
}

function getBook(client, name) {
  const method = catalog.method.getBook;
  return client.unaryCall(`${base}/${catalog.typeName}/GetBook`, create(method.input, { name }), {},
    descriptor(method, grpcWeb.MethodType.UNARY));
}

async function unary(client) {
  assert.equal((await getBook(client, "books/emma")).title, "Emma");
}

async function failure(client) {
  await assert.rejects(getBook(client, "books/nothing"), (error) => {
    assert.equal(error.code, grpcWeb.StatusCode.NOT_FOUND);
    assert.equal(error.message, '"books/nothing" does not exist');
    assert.match(atob(error.metadata["grpc-status-details-bin"]), /google\.rpc\.ResourceInfo/);
    return true;
  });
}

function serverStream(client) {
  const method = tracking.method.watchParcel;
  const stream = client.serverStreaming(`${base}/${tracking.typeName}/WatchParcel`,
    create(method.input, { parcel: "P-1001", maxEvents: 2 }), {}, descriptor(method, grpcWeb.MethodType.SERVER_STREAMING));
  const parcels = [];
  return new Promise((resolve, reject) => {
    stream.on("data", (event) => parcels.push(event.parcel));
    stream.on("error", reject);
    stream.on("end", resolve);
  }).then(() => assert.deepEqual(parcels, ["P-1001", "P-1001"]));
}
