// Calls the example services at the given address with grpc-web, in bytes and in text.
import xhr2 from "xhr2";
import { callAll } from "./grpcweb_calls.mjs";

globalThis.XMLHttpRequest = xhr2; // grpc-web is made for browsers

for (const format of ["binary", "text"]) {
  try {
    await callAll(process.argv[2], format);
  } catch (cause) {
    throw new Error(format, { cause });
  }
}
