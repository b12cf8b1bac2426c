// graphql-js, as the reference for differential_test.go. Each line of the input is a schema with data and
// operations; each line of the output has what graphql-js makes of them.
import readline from 'node:readline';
import {
  buildSchema, execute, isEnumType, parse, subscribe, validate, valueFromASTUntyped, getOperationAST, GraphQLError,
} from 'graphql';

const NaN_ = '\0NaN', BAD = '\0bad';

// Scalars of the gateway: each takes `accepts` from variables and literals, and writes what it is given.
const between = (low, high) => (v) => typeof v === 'number' && Number.isInteger(v) && v >= low && v <= high;
const long = (low, high) => (v) => {
  if (typeof v === 'number') return Number.isSafeInteger(v) && v >= low;
  if (typeof v === 'bigint') return v >= low && v <= high;
  return typeof v === 'string' && /^-?\d+$/.test(v) && BigInt(v) >= low && BigInt(v) <= high;
};
const text = (pattern, more = () => true) => (v) => typeof v === 'string' && pattern.test(v) && more(v);
const accepts = {
  UInt32: between(0, 4294967295),
  Int64: long(-(2n ** 63n), 2n ** 63n - 1n),
  UInt64: long(0n, 2n ** 64n - 1n),
  Bytes: text(/^[A-Za-z0-9+/_-]*=*$/),
  DateTime: text(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/, (v) => !Number.isNaN(Date.parse(v))),
  Duration: text(/^-?\d+(\.\d{1,9})?s$/),
  JSON: () => true,
};

function literal(name, node, variables) {
  if (name === 'JSON') return valueFromASTUntyped(node, variables);
  if (node.kind === 'IntValue') return name === 'UInt32' ? Number(node.value) : BigInt(node.value);
  if (node.kind === 'StringValue') return node.value;
  throw new GraphQLError(`no ${name}`);
}

function checked(name, v) {
  if (!accepts[name](v)) throw new GraphQLError(`no ${name}`);
  return typeof v === 'bigint' ? String(v) : v;
}

function schemaOf(sdl) {
  const schema = buildSchema(sdl);
  for (const [name, type] of Object.entries(schema.getTypeMap())) {
    if (accepts[name]) {
      type.parseValue = (v) => checked(name, v);
      type.parseLiteral = (node, variables) => checked(name, literal(name, node, variables));
      type.serialize = (v) => {
        if (v === BAD) throw new GraphQLError('cannot be written');
        return v;
      };
    }
    if (isEnumType(type) && type.getValue('UNRECOGNIZED')) {
      const { parseValue, parseLiteral } = type;
      const known = (v) => {
        if (v === 'UNRECOGNIZED') throw new GraphQLError('is never accepted');
        return v;
      };
      type.parseValue = (v) => known(parseValue.call(type, v));
      type.parseLiteral = (node, variables) => known(parseLiteral.call(type, node, variables));
    }
  }
  return schema;
}

function failed() { return new GraphQLError('the backend failed'); }

// join resolves a joined field from what a method knows.
function join(mark, stores) {
  const store = stores[mark.$join];
  const found = (key) => store.results[key] ?? [];
  if (mark.many && !mark.list && mark.keys.length === 0) return null;
  if (mark.keys.some((key) => store.fails || store.failing.includes(key))) throw failed();
  if (mark.many) return mark.keys.flatMap(found);
  if (mark.list) return mark.keys.map((key) => found(key)[0] ?? null);
  return mark.keys.length === 0 ? null : found(mark.keys[0])[0] ?? null;
}

const floats = (v) => (v === NaN_ ? NaN : v);

function outcome(result) {
  return {
    data: result.data === undefined ? '' : JSON.stringify(result.data),
    errors: (result.errors ?? []).map((e) => [...(e.path ?? [])]),
    messages: (result.errors ?? []).map((e) => e.message),
  };
}

async function run(schema, variants, op) {
  const refusal = (why, errors) => ({ refused: why, messages: errors.map((e) => e.message), calls: [], results: [] });
  let document;
  try {
    document = parse(op.query, { maxTokens: 15000 });
  } catch (e) {
    return refusal('parse', [e]);
  }
  let invalid;
  try {
    invalid = validate(schema, document);
  } catch (e) {
    return refusal('invalid', [e]); // a condition on the field of a subscription
  }
  if (invalid.length > 0) return refusal('invalid', invalid);
  const operation = getOperationAST(document, op.operationName);
  if (!operation) return refusal('operation', []);
  const { roots, stores } = variants[op.variant];
  const calls = [];
  let started = false;
  const rootTypes = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  const args = {
    schema, document, operationName: op.operationName || undefined, variableValues: JSON.parse(op.variables),
    fieldResolver(source, given, _, info) {
      if (operation.operation === 'subscription' && info.path.prev === undefined) return source.event;
      if (rootTypes.includes(info.parentType)) {
        calls.push([info.fieldName, given]);
        const answer = roots[info.fieldName];
        if (answer.fails) throw failed();
        return floats(answer.values[0]);
      }
      const v = source[info.fieldName];
      if (Array.isArray(v)) return v.map(floats);
      return v?.$join ? join(v, stores) : floats(v);
    },
    async* subscribeFieldResolver(_, given, __, info) {
      started = true;
      calls.push([info.fieldName, given]);
      for (const event of roots[info.fieldName].values) yield { event: floats(event) };
      if (roots[info.fieldName].fails) throw failed();
    },
  };
  const results = [];
  let stream;
  try {
    stream = await (operation.operation === 'subscription' ? subscribe(args) : execute(args));
  } catch (e) {
    return refusal('operation', [e]); // a subscription whose only field is skipped
  }
  if (!stream[Symbol.asyncIterator]) {
    const refused = stream.data === undefined && !started;
    return { refused: refused ? 'coercion' : '', calls: refused ? [] : calls, results: refused ? [] : [outcome(stream)],
      messages: (stream.errors ?? []).map((e) => e.message) };
  }
  try {
    for await (const event of stream) results.push(outcome(event));
  } catch (e) {
    results.push({ data: '', errors: [[]], messages: [e.message] });
  }
  return { refused: '', calls, results, messages: [] };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { sdl, variants, operations } = JSON.parse(line);
  const schema = schemaOf(sdl);
  const out = [];
  for (const op of operations) {
    out.push(await run(schema, variants, op));
  }
  process.stdout.write(`${JSON.stringify(out)}\n`);
}
