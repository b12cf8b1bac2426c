// Apollo Client: HTTP for queries and mutations, automatic persisted queries, and
// subscriptions over WebSocket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHash } from 'node:crypto';
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client/core';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { errorText, mutationText, queryText, renamed, states, subscriptionText, url, webSocketURL } from './gateway.mjs';

const connect = (link) => new ApolloClient({ link, cache: new InMemoryCache() });

test('query, mutation and error', async () => {
  const client = connect(new HttpLink({ uri: url }));
  const read = await client.query({ query: gql(queryText) });
  assert.equal(read.data.getBook.name, 'books/emma');
  const variables = renamed('Apollo Client');
  const changed = await client.mutate({ mutation: gql(mutationText), variables });
  assert.equal(changed.data.updateBook.title, variables.title);
  const missing = await client.query({ query: gql(errorText), errorPolicy: 'all' });
  assert.equal(missing.error.errors[0].extensions.code, 'NOT_FOUND');
  assert.deepEqual(missing.error.errors[0].path, ['getBook']);
});

test('subscription', async () => {
  const sockets = createClient({ url: webSocketURL, webSocketImpl: WebSocket });
  const client = connect(new GraphQLWsLink(sockets));
  const got = await new Promise((resolve, reject) => {
    const events = [];
    client.subscribe({ query: gql(subscriptionText) }).subscribe({
      next: ({ data }) => events.push(data.watchParcel.state),
      error: reject,
      complete: () => resolve(events),
    });
  });
  assert.deepEqual(got, states);
  await sockets.dispose();
});

test('automatic persisted queries, by POST and by GET', async () => {
  for (const useGETForHashedQueries of [false, true]) {
    const sent = [];
    const spy = async (uri, options) => {
      const response = await fetch(uri, options);
      sent.push([options.method, await response.clone().text()]);
      return response;
    };
    const link = ApolloLink.from([
      new PersistedQueryLink({
        sha256: (text) => createHash('sha256').update(text).digest('hex'),
        useGETForHashedQueries,
      }),
      new HttpLink({ uri: url, fetch: spy }),
    ]);
    const query = gql(`query Persisted${useGETForHashedQueries}${process.pid} { getBook(name: "books/emma") { name } }`);
    for (let i = 0; i < 2; i++) {
      const { data } = await connect(link).query({ query });
      assert.equal(data.getBook.name, 'books/emma');
    }
    assert.equal(sent.length, 3, 'a hash that is not known, the document, the hash alone');
    assert.match(sent[0][1], /PERSISTED_QUERY_NOT_FOUND/);
    assert.equal(sent[2][0], useGETForHashedQueries ? 'GET' : 'POST');
  }
});
