// GraphQL Code Generator and graphql-inspector read the schema that `protean sdl` prints.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { CriticalityLevel, coverage, diff, validate } from '@graphql-inspector/core';
import { Source, buildSchema, parse, printSchema } from 'graphql';
import graphql15 from 'graphql-15';
import graphql168 from 'graphql-16.8';
import { errorText, mutationText, queryText, sdl, silentText, subscriptionText, url } from './gateway.mjs';
import { buildClientSchema, getIntrospectionQuery, lexicographicSortSchema } from 'graphql';

const documents = [queryText, mutationText, subscriptionText, silentText, errorText];

test('GraphQL Code Generator makes types of the schema and of operations', async () => {
  const code = await codegen({
    schema: parse(sdl()),
    documents: documents.map((text, i) => ({ location: `${i}.graphql`, document: parse(text) })),
    filename: 'shop.ts',
    config: { strictScalars: true, scalars: Object.fromEntries(['Bytes', 'DateTime', 'Duration', 'Int64', 'JSON', 'UInt32', 'UInt64'].map((s) => [s, 'string'])) },
    plugins: [{ typescript: {} }, { typescriptOperations: {} }],
    pluginMap: { typescript, typescriptOperations },
  });
  assert.match(code, /export type Book = \{/);
  assert.match(code, /export type WatchSubscription = /);
});

test('older graphql-js reads the schema', () => {
  assert.match(sdl(), /@oneOf \{/);
  for (const { buildSchema, version } of [graphql15, graphql168]) {
    assert.ok(buildSchema(sdl()).getType('Book'), version);
  }
});

test('graphql-inspector validates operations, and finds what a change breaks', async () => {
  const schema = buildSchema(sdl());
  assert.deepEqual(validate(schema, documents.map((text) => new Source(text))), []);
  const unknown = validate(schema, [new Source('{ getBook(name: "a") { nothing } }')]);
  assert.equal(unknown.length, 1);
  const changes = await diff(schema, buildSchema(sdl().replace(/^ {2}title: String!$/m, '')));
  assert.ok(changes.some((c) => c.criticality.level === CriticalityLevel.Breaking && c.path === 'Book.title'));
  assert.ok(coverage(schema, documents.map((text) => new Source(text))).types.Book.hits > 0);
});

test('introspection tells the schema that `protean sdl` prints', async () => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true, oneOf: true }) }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  const inWords = (schema) => printSchema(lexicographicSortSchema(schema)).replace(/^ *"""[^]*?"""\n/gm, '');
  assert.equal(inWords(buildClientSchema(data)), inWords(buildSchema(sdl())));
});
