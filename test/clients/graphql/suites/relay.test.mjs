// Relay: its compiler reads the schema and makes the artifacts, and its runtime runs them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, test } from 'node:test';
import relayCompiler from 'relay-compiler';
import relay from 'relay-runtime';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { errorText, mutationText, queryText, renamed, sdl, states, subscriptionText, url, webSocketURL } from './gateway.mjs';

const { Environment, Network, Observable, RecordSource, Store, commitMutation, fetchQuery, requestSubscription } = relay;

// Relay wants operations named after the module that they are in.
const operations = {
  shopEmmaQuery: queryText.replace('query Emma', 'query shopEmmaQuery'),
  shopRenameMutation: mutationText.replace('mutation Rename', 'mutation shopRenameMutation'),
  shopWatchSubscription: subscriptionText.replace('subscription Watch', 'subscription shopWatchSubscription'),
  shopMissingQuery: errorText.replace('query Missing', 'query shopMissingQuery'),
};

const dir = mkdtempSync(join(import.meta.dirname, '..', '.relay-'));
after(() => rmSync(dir, { recursive: true }));
const artifacts = compile();

// compile runs the compiler on a module with all operations.
function compile() {
  mkdirSync(join(dir, 'src'));
  const tags = Object.values(operations).map((text) => 'graphql`' + text + '`;');
  writeFileSync(join(dir, 'src', 'shop.js'), tags.join('\n'));
  writeFileSync(join(dir, 'schema.graphql'), sdl());
  writeFileSync(join(dir, 'package.json'), '{}');
  writeFileSync(join(dir, 'relay.config.json'), JSON.stringify({
    src: 'src', schema: 'schema.graphql', language: 'javascript', eagerEsModules: false,
  }));
  execFileSync(relayCompiler, ['relay.config.json'], { cwd: dir, stdio: 'pipe' });
  const require = createRequire(import.meta.url);
  return Object.fromEntries(Object.keys(operations).map((name) =>
    [name, require(join(dir, 'src', '__generated__', `${name}.graphql.js`))]));
}

async function send({ text: query }, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

const sockets = createClient({ url: webSocketURL, webSocketImpl: WebSocket });
after(() => sockets.dispose());
const subscribe = ({ text: query }, variables) =>
  Observable.create((sink) => sockets.subscribe({ query, variables }, sink));

const environment = new Environment({ network: Network.create(send, subscribe), store: new Store(new RecordSource()) });

test('query', async () => {
  const data = await fetchQuery(environment, artifacts.shopEmmaQuery, {}).toPromise();
  assert.equal(data.getBook.name, 'books/emma');
});

test('mutation', async () => {
  const variables = renamed('Relay');
  const data = await new Promise((onCompleted, onError) =>
    commitMutation(environment, { mutation: artifacts.shopRenameMutation, variables, onCompleted, onError }));
  assert.equal(data.updateBook.title, variables.title);
});

test('subscription', async () => {
  const got = await new Promise((resolve, onError) => {
    const events = [];
    requestSubscription(environment, {
      subscription: artifacts.shopWatchSubscription,
      variables: {},
      onNext: (data) => events.push(data.watchParcel.state),
      onCompleted: () => resolve(events),
      onError,
    });
  });
  assert.deepEqual(got, states);
});

test('error', async () => {
  const response = await send(artifacts.shopMissingQuery.params, {});
  assert.equal(response.errors[0].extensions.code, 'NOT_FOUND');
  const data = await fetchQuery(environment, artifacts.shopMissingQuery, {}).toPromise();
  assert.equal(data.getBook, null, 'Relay takes the null of a field that failed');
});
