// Apollo Client: HTTP for queries and mutations, automatic persisted queries, and
// subscriptions over WebSocket and as parts of an HTTP response.
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

// watch subscribes with an HttpLink, which asks for parts, and returns what it was given.
const watch = (query, options = {}) => {
  const types = [];
  const spy = async (uri, init) => {
    const response = await fetch(uri, init);
    types.push(response.headers.get('content-type'));
    return response;
  };
  const client = connect(new HttpLink({ uri: url, fetch: spy }));
  return new Promise((resolve) => {
    const events = [];
    const done = (error) => resolve({ events, error, types });
    const subscription = client.subscribe({ query: gql(query), errorPolicy: 'all' }).subscribe({
      next: (event) => {
        events.push(event);
        if (options.take === events.length) {
          subscription.unsubscribe();
          done();
        }
      },
      error: done,
      complete: () => done(),
    });
  });
};

test('subscription in parts', async () => {
  const { events, error, types } = await watch(subscriptionText);
  assert.equal(error, undefined);
  assert.deepEqual(types, ['multipart/mixed;boundary="graphql";subscriptionSpec=1.0']);
  assert.deepEqual(events.map(({ data }) => data.watchParcel.state), states);
});

test('subscription in parts that is left', async () => {
  const { events } = await watch('subscription { watchParcel(parcel: "P-1001", interval: "0.01s") { state } }', { take: 2 });
  assert.deepEqual(events.map(({ data }) => data.watchParcel.state), states.slice(0, 2));
});

test('subscription in parts that the backend refuses', async () => {
  const { events, types } = await watch('subscription { watchParcel(parcel: "none") { state } }');
  assert.match(types[0], /^multipart\/mixed/);
  assert.equal(events.length, 1);
  assert.equal(events[0].error.errors[0].extensions.code, 'NOT_FOUND');
});

test('subscription in parts that is not valid', async () => {
  const { types } = await watch('subscription { nothing }');
  assert.match(types[0], /^application\/graphql-response\+json/);
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
