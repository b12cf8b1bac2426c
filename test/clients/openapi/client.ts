// A client made of the types that openapi-typescript generates from the document of
// the running gateway, which is called at the address in argv[2]. What does not fit
// the types does not compile; what the gateway answers otherwise fails here.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Book = components["schemas"]["Book"];

const client = createClient<paths>({ baseUrl: process.argv[2] });

async function reads() {
  const { data, error } = await client.GET("/v1/books", {
    params: { query: { pageSize: 2, genres: ["GENRE_NOVEL", "GENRE_POETRY"], "price.minUnits": "1" } },
  });
  assert.equal(error, undefined);
  assert.equal(data.books?.length, 2);
  const title: string = data.books[0].title;
  assert.notEqual(title, "");

  const emma = await client.GET("/v1/books/{book}", { params: { path: { book: "emma" } } });
  assert.equal(emma.data?.copiesSold, "2150");
  assert.equal(emma.data?.genre, "GENRE_NOVEL");

  const two = await client.GET("/v1/books:batchGet", {
    params: { query: { names: ["books/emma", "books/alice"], fields: "books.name" } },
  });
  assert.deepEqual(two.data, { books: [{ name: "books/alice" }, { name: "books/emma" }] });
}

async function writes() {
  const created = await client.POST("/v1/books", {
    params: { query: { bookId: "typed" } },
    body: { title: "Typed", price: { currencyCode: "EUR", units: "12" }, translations: { de: "Getippt" } },
  });
  assert.equal(created.data?.name, "books/typed");

  const path = { book: "typed" };
  const patched = await client.PATCH("/v1/books/{book}", { params: { path }, body: { pages: 7 } });
  assert.equal(patched.data?.pages, 7);
  assert.equal(patched.data?.title, "Typed");

  const archived = await client.POST("/v1/books/{book}:archive", { params: { path }, body: { reason: "old" } });
  assert.equal(archived.data?.archived, true);

  const deleted = await client.DELETE("/v1/books/{book}", { params: { path } });
  assert.deepEqual(deleted.data, {});

  const gone = await client.GET("/v1/books/{book}", { params: { path } });
  assert.equal(gone.error?.code, 5);
  assert.equal(gone.error?.details?.[0]["@type"], "type.googleapis.com/google.rpc.ResourceInfo");
}

async function defaultMapping() {
  const order = await client.GET("/v1/orders/{id}", { params: { path: { id: "1001" } } });
  assert.equal(order.data?.line?.[0].book, "books/emma");
  const placed = await client.POST("/orders.Orders/PlaceOrder", {
    body: { customer: "ada", line: [{ book: "books/emma", quantity: 2 }] },
  });
  assert.equal(placed.data?.state, "NEW");
}

async function streams() {
  const { data } = await client.GET("/v1/parcels/{parcel}:watch", {
    params: { path: { parcel: "P-1004" } },
    parseAs: "text",
    headers: { Accept: "application/x-ndjson" },
  });
  type Frame = paths["/v1/parcels/{parcel}:watch"]["get"]["responses"]["200"]["content"]["application/x-ndjson"];
  const frames = String(data).trim().split("\n").map((line) => JSON.parse(line) as Frame);
  assert.ok("data" in frames[0]);
  assert.equal(frames[0].data.state, "STATE_DELIVERED");
  assert.ok("end" in frames[frames.length - 1]);
}

// What the schemas forbid does not compile.
// @ts-expect-error a book has a title
const untitled: Book = { pages: 1 };
// @ts-expect-error 64-bit integers are strings
const counted: Book = { title: "x", copiesSold: 1 };
// @ts-expect-error there is no such genre
const shelved: Book = { title: "x", genre: "GENRE_NONE" };
void [untitled, counted, shelved];

await reads();
await writes();
await defaultMapping();
await streams();
