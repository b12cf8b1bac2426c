// The npm client of graphql-transport-ws.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { errorText, mutationText, queryText, renamed, silentText, states, subscriptionText, webSocketURL } from './gateway.mjs';

const connect = (options) => createClient({ url: webSocketURL, webSocketImpl: WebSocket, retryAttempts: 0, ...options });

async function all(client, query, variables) {
  const results = [];
  for await (const result of client.iterate({ query, variables })) results.push(result);
  return results;
}

test('query, mutation, subscription and error on one socket', async () => {
  const client = connect();
  assert.equal((await all(client, queryText))[0].data.getBook.name, 'books/emma');
  const variables = renamed('graphql-ws');
  assert.equal((await all(client, mutationText, variables))[0].data.updateBook.title, variables.title);
  const events = await all(client, subscriptionText);
  assert.deepEqual(events.map((e) => e.data.watchParcel.state), states);
  assert.deepEqual(events.map((e) => e.data.watchParcel.order.id), ['1001', '1001', '1001']);
  const [missing] = await all(client, errorText);
  assert.equal(missing.data.getBook, null);
  assert.equal(missing.errors[0].extensions.code, 'NOT_FOUND');
  await client.dispose();
});

test('a refused operation ends with its errors, and the socket goes on', async () => {
  const client = connect({ lazy: false, onNonLazyError: assert.ifError });
  await assert.rejects(all(client, '{ nothing }'), (errors) => errors[0].extensions.code === 'GRAPHQL_VALIDATION_FAILED');
  assert.equal((await all(client, queryText))[0].data.getBook.name, 'books/emma');
  await client.dispose();
});

test('a silent subscription is completed by its client', async () => {
  const client = connect();
  const events = client.iterate({ query: silentText });
  assert.equal((await events.next()).value.data.watchParcel.parcel, 'P-1002');
  await events.return();
  assert.equal((await all(client, queryText))[0].data.getBook.name, 'books/emma');
  await client.dispose();
});

test('pings are answered', async () => {
  let pong;
  const ponged = new Promise((resolve) => { pong = resolve; });
  const client = connect({ keepAlive: 10, lazy: false, on: { pong: (received) => received && pong() } });
  await ponged;
  await client.dispose();
});
