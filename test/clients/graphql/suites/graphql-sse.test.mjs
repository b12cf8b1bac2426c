// The npm client of graphql-sse, in both modes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'graphql-sse';
import { errorText, mutationText, queryText, renamed, silentText, states, subscriptionText, url } from './gateway.mjs';

async function all(client, query, variables) {
  const results = [];
  for await (const result of client.iterate({ query, variables })) results.push(result);
  return results;
}

for (const singleConnection of [false, true]) {
  const mode = singleConnection ? 'single connection' : 'distinct connections';
  const connect = () => createClient({ url, singleConnection, retryAttempts: 0 });

  test(`${mode}: query, mutation, subscription and error`, async () => {
    const client = connect();
    assert.equal((await all(client, queryText))[0].data.getBook.name, 'books/emma');
    const variables = renamed(mode);
    assert.equal((await all(client, mutationText, variables))[0].data.updateBook.title, variables.title);
    const events = await all(client, subscriptionText);
    assert.deepEqual(events.map((e) => e.data.watchParcel.state), states);
    const [missing] = await all(client, errorText);
    assert.equal(missing.errors[0].extensions.code, 'NOT_FOUND');
    client.dispose();
  });

  test(`${mode}: many operations at once`, async () => {
    const client = connect();
    const runs = await Promise.all(Array.from({ length: 20 }, () => all(client, subscriptionText)));
    for (const events of runs) assert.deepEqual(events.map((e) => e.data.watchParcel.state), states);
    client.dispose();
  });

  test(`${mode}: a silent subscription is stopped by its client`, async () => {
    const client = connect();
    const events = client.iterate({ query: silentText });
    assert.equal((await events.next()).value.data.watchParcel.parcel, 'P-1002');
    await events.return();
    client.dispose();
  });
}

test('single connection: a refused operation is refused in the answer to its POST', async () => {
  const client = createClient({ url, singleConnection: true, retryAttempts: 0 });
  await assert.rejects(all(client, '{ nothing }'), (error) => error.response.status === 200 || error.response.status === 400);
  client.dispose();
});
