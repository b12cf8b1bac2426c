// The gateway as a subgraph beside one of plain Node: the composers of Apollo, Hive and Cosmo take the two, and
// Apollo Gateway answers queries that need both.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { composeServices } from '@apollo/composition';
import { ApolloGateway } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { compositionHasErrors, composeServices as composeWithTheGuild } from '@theguild/federation-composition';
import { federateSubgraphs, ROUTER_COMPATIBILITY_VERSION_ONE } from '@wundergraph/composition';
import { parse } from 'graphql';
import { relaySubgraphURLs, subgraphURL } from './gateway.mjs';

// The plain subgraph: what readers say about the books.
const typeDefs = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
  type Query { reviews: [Review!]! }
  type Review @key(fields: "id") { id: ID! stars: Int! book: Book }
  type Book @key(fields: "name") { name: ID! reviews: [Review!]! }
`);
const reviews = [
  { id: '1', stars: 5, book: { __typename: 'Book', name: 'books/emma' } },
  { id: '2', stars: 3, book: { __typename: 'Book', name: 'books/alice' } },
  { id: '3', stars: 1, book: { __typename: 'Book', name: 'books/none' } },
];
const resolvers = {
  Query: { reviews: () => reviews },
  Book: { reviews: (book) => reviews.filter((r) => r.book.name === book.name) },
};

let plain, plainURL, shopSDL, gateway;

before(async () => {
  plain = new ApolloServer({ schema: buildSubgraphSchema({ typeDefs, resolvers }) });
  plainURL = (await startStandaloneServer(plain, { listen: { port: 0, host: '127.0.0.1' } })).url;
  shopSDL = (await ask(subgraphURL, '{ _service { sdl } }')).data._service.sdl;
});
after(async () => {
  await gateway?.stop();
  await plain.stop();
});

async function ask(url, query) {
  const response = await fetch(url, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }),
  });
  return response.json();
}

const subgraphs = () => [
  { name: 'shop', url: subgraphURL, typeDefs: parse(shopSDL) },
  { name: 'reviews', url: plainURL, typeDefs },
];

// composers compose subgraphs and return what is wrong with them, if anything.
const composers = {
  '@apollo/composition': (subgraphs) => composeServices(subgraphs).errors,
  '@theguild/federation-composition': (subgraphs) => {
    const composed = composeWithTheGuild(subgraphs);
    return compositionHasErrors(composed) ? composed.errors : undefined;
  },
  '@wundergraph/composition': (subgraphs) => {
    const composed = federateSubgraphs({
      version: ROUTER_COMPATIBILITY_VERSION_ONE,
      subgraphs: subgraphs.map(({ name, url, typeDefs: definitions }) => ({ name, url, definitions })),
    });
    return composed.success ? undefined : composed.errors;
  },
};

for (const [name, compose] of Object.entries(composers)) {
  test(`${name} composes the subgraphs`, () => {
    assert.equal(compose(subgraphs()), undefined, String(compose(subgraphs())));
  });

  test(`${name} composes two gateways with Relay`, async () => {
    const relay = await Promise.all(relaySubgraphURLs.map(async (url, i) => (
      { name: `gateway${i}`, url, typeDefs: parse((await ask(url, '{ _service { sdl } }')).data._service.sdl) }
    )));
    assert.equal(relay.length, 2);
    assert.equal(compose(relay), undefined, String(compose(relay)));
  });
}

test('Apollo Gateway answers across the subgraphs', async () => {
  const { supergraphSdl, errors } = composeServices(subgraphs());
  assert.equal(errors, undefined, String(errors));
  gateway = new ApolloServer({ gateway: new ApolloGateway({ supergraphSdl }) });
  await gateway.start();
  const run = async (query) => (await gateway.executeOperation({ query })).body.singleResult;

  const fromShop = await run('{ batchGetBooks(names: ["books/emma", "books/alice"]) { books { name reviews { stars } } } }');
  assert.equal(fromShop.errors, undefined, JSON.stringify(fromShop.errors));
  assert.deepEqual(
    Object.fromEntries(fromShop.data.batchGetBooks.books.map((b) => [b.name, b.reviews.map((r) => r.stars)])),
    { 'books/emma': [5], 'books/alice': [3] },
  );

  const fromReviews = await run('{ reviews { stars book { name title etag } } }');
  const books = fromReviews.data?.reviews.map((r) => r.book) ?? [];
  assert.equal(books[0]?.name, 'books/emma', JSON.stringify(fromReviews));
  assert.ok(books[0].title, 'the title comes from the gateway, by _entities');
  assert.ok(books[1].title);
  assert.equal(books[2], null, 'a book that the catalog does not have');
});
