// Calls of connect-es, over whatever transport.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { equal, rejects } from "./check.mjs";
import { catalog, resourceInfo, tracking } from "./schema.mjs";

export async function unary(transport) {
  const book = await createClient(catalog, transport).getBook({ name: "books/emma" });
  equal(book.title, "Emma");
}

export async function failure(transport) {
  const error = await rejects(createClient(catalog, transport).getBook({ name: "books/nothing" }));
  equal(error instanceof ConnectError, true);
  equal(error.code, Code.NotFound);
  equal(error.rawMessage, '"books/nothing" does not exist');
  const [detail] = error.findDetails(resourceInfo);
  equal(detail.resourceName, "books/nothing");
}

export async function serverStream(transport) {
  const parcels = [];
  for await (const event of createClient(tracking, transport).watchParcel({ parcel: "P-1001", maxEvents: 2 })) {
    parcels.push(event.parcel);
  }
  equal(parcels, ["P-1001", "P-1001"]);
}

export async function bidi(transport) {
  async function* lines() {
    yield { from: "node", text: "hello" };
  }
  let answers = 0;
  for await (const line of createClient(tracking, transport).chat(lines())) {
    equal(line.text !== "", true);
    answers++;
  }
  equal(answers > 0, true);
}
