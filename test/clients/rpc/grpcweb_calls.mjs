// Calls of grpc-web, in bytes or in text.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpcWeb from "grpc-web";
import { equal, rejects } from "./check.mjs";
import { catalog, tracking } from "./schema.mjs";

export async function callAll(base, format) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  equal((await getBook(client, base, "books/emma")).title, "Emma");
  await failure(client, base);
  if (format === "text") { // in which alone it streams
    await serverStream(client, base);
  }
}

function descriptor(method, type) {
  return new grpcWeb.MethodDescriptor(
    `/${method.parent.typeName}/${method.name}`, type, Object, Object,
    (message) => toBinary(method.input, message),
    (bytes) => fromBinary(method.output, bytes),
  );
}

function getBook(client, base, name) {
  const method = catalog.method.getBook;
  return client.unaryCall(`${base}/${catalog.typeName}/GetBook`, create(method.input, { name }), {},
    descriptor(method, grpcWeb.MethodType.UNARY));
}

async function failure(client, base) {
  const error = await rejects(getBook(client, base, "books/nothing"));
  equal(error.code, grpcWeb.StatusCode.NOT_FOUND);
  equal(error.message, '"books/nothing" does not exist');
  equal(/google\.rpc\.ResourceInfo/.test(atob(error.metadata["grpc-status-details-bin"])), true);
}

async function serverStream(client, base) {
  const method = tracking.method.watchParcel;
  const stream = client.serverStreaming(`${base}/${tracking.typeName}/WatchParcel`,
    create(method.input, { parcel: "P-1001", maxEvents: 2 }), {}, descriptor(method, grpcWeb.MethodType.SERVER_STREAMING));
  const parcels = [];
  await new Promise((resolve, reject) => {
    stream.on("data", (event) => parcels.push(event.parcel));
    stream.on("error", reject);
    stream.on("end", resolve);
  });
  equal(parcels, ["P-1001", "P-1001"]);
}
