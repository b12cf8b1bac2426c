// The page: GraphiQL, talking to the address that it was loaded from. Queries and
// mutations go by POST, subscriptions by graphql-transport-ws.
import 'graphiql/style.css';
import './page.css';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createClient } from 'graphql-ws';
import { createRoot } from 'react-dom/client';

// Monaco's workers are files of this bundle. Labels that have none of their own
// take the plain editor's.
globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    const name = label === 'json' || label === 'graphql' ? label : 'editor';
    return new Worker(`?graphiql=${name}.worker.js`, { name });
  },
};

const here = new URL(window.location.href);
here.search = '';
here.hash = '';
const socket = new URL(here);
socket.protocol = here.protocol === 'https:' ? 'wss:' : 'ws:';

const fetcher = createGraphiQLFetcher({
  url: here.href,
  wsClient: createClient({ url: socket.href, lazy: true }),
});

const welcome = `# Press the button or Ctrl-Enter to run the query. The book icon on the left lists what the schema has.
`;
const hello = `query Hello {
  __typename
}
`;

// example asks the gateway for a query that fits the schema.
async function example() {
  try {
    const answer = await fetch('?graphiql=example.graphql');
    return answer.ok ? await answer.text() : hello;
  } catch {
    return hello;
  }
}

// A link may carry the parameters of a GraphQL request over GET.
const link = new URLSearchParams(window.location.search);
const given = name => link.get(name) ?? undefined;

async function start() {
  const query = given('query');
  const defaultQuery = query === undefined ? `${welcome}\n${await example()}` : welcome;
  createRoot(document.getElementById('graphiql')).render(
    <GraphiQL
      fetcher={fetcher}
      defaultQuery={defaultQuery}
      initialQuery={query}
      initialVariables={given('variables')}
    />,
  );
}

start();
