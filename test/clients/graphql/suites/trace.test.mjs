// The trace that Apollo's gateways ask a subgraph for, read by Apollo's library.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import protobuf from '@apollo/usage-reporting-protobuf';
import { subgraphURL } from './gateway.mjs';

const query = `{
  emma: getBook(name: "books/emma") { title }
  getBook(name: "books/none") { title }
  _entities(representations: [{__typename: "Book", name: "books/emma"}, {__typename: "Nothing"}]) { __typename }
}`;

test('a trace has times and errors', async () => {
  const response = await fetch(subgraphURL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'apollo-federation-include-trace': 'ftv1' },
    body: JSON.stringify({ query }),
  });
  const { data, errors, extensions } = await response.json();
  assert.ok(data.emma.title);
  assert.equal(errors.length, 2, JSON.stringify(errors));
  const trace = protobuf.Trace.decode(Buffer.from(extensions.ftv1, 'base64'));
  assert.equal(protobuf.Trace.verify(trace), null);
  assert.ok(Number(trace.durationNs) > 0);
  assert.ok(Math.abs(Number(trace.startTime.seconds) - Date.now() / 1000) < 60);
  const nodes = Object.fromEntries(trace.root.child.map((n) => [n.responseName, n]));
  assert.deepEqual(Object.keys(nodes), ['emma', 'getBook', '_entities']);
  for (const n of trace.root.child) {
    assert.equal(n.parentType, 'Query');
    assert.ok(Number(n.startTime) <= Number(n.endTime) && Number(n.endTime) <= Number(trace.durationNs), n.responseName);
  }
  assert.equal(nodes.emma.originalFieldName, 'getBook');
  assert.equal(nodes.emma.type, 'Book');
  assert.equal(nodes._entities.type, '[_Entity]!');
  assert.equal(nodes.getBook.error[0].location[0].line, 3);
  assert.equal(JSON.parse(nodes.getBook.error[0].json).extensions.code, 'NOT_FOUND');
  assert.equal(nodes._entities.child[0].index, 1);
  assert.match(nodes._entities.child[0].error[0].message, /entity/);
});

test('there is no trace unless it is asked for', async () => {
  const response = await fetch(subgraphURL, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query: '{ __typename }' }),
  });
  assert.deepEqual(await response.json(), { data: { __typename: 'Query' } });
});
