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

const welcome = `# Type a query and press the button, or Ctrl-Enter.
#
# The book icon on the left shows what can be asked.

query Hello {
  __typename
}
`;

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL fetcher={fetcher} defaultQuery={welcome} />,
);
