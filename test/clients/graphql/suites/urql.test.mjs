// urql: HTTP, subscriptions as server-sent events and over WebSocket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { errorText, mutationText, queryText, renamed, states, subscriptionText, url, webSocketURL } from './gateway.mjs';

const collect = (source) => new Promise((resolve, reject) => {
  const events = [];
  const { unsubscribe } = source.subscribe((result) => {
    if (result.error) return reject(result.error);
    events.push(result.data.watchParcel.state);
    if (events.length === states.length) {
      queueMicrotask(() => unsubscribe());
      resolve(events);
    }
  });
});

test('query, mutation and error, by POST and by GET', async () => {
  for (const preferGetMethod of [false, 'force']) {
    const client = new Client({ url, exchanges: [fetchExchange], preferGetMethod });
    const read = await client.query(queryText, {});
    assert.equal(read.data?.getBook.name, 'books/emma', read.error);
    const variables = renamed('urql');
    const changed = await client.mutation(mutationText, variables);
    assert.equal(changed.data.updateBook.title, variables.title);
    const missing = await client.query(errorText, {});
    assert.equal(missing.error.graphQLErrors[0].extensions.code, 'NOT_FOUND');
  }
});

test('subscription as server-sent events', async () => {
  const client = new Client({ url, exchanges: [fetchExchange], fetchSubscriptions: true, preferGetMethod: false });
  assert.deepEqual(await collect(client.subscription(subscriptionText, {})), states);
});

test('subscription over a WebSocket', async () => {
  const sockets = createClient({ url: webSocketURL, webSocketImpl: WebSocket });
  const client = new Client({
    url,
    preferGetMethod: false,
    exchanges: [subscriptionExchange({
      forwardSubscription: (request) => ({ subscribe: (sink) => ({ unsubscribe: sockets.subscribe(request, sink) }) }),
    })],
  });
  assert.deepEqual(await collect(client.subscription(subscriptionText, {})), states);
  await sockets.dispose();
});
