// The gateway that the suites talk to, and what they all ask of it.
import { readFileSync } from 'node:fs';

export const url = process.env.GRAPHQL_URL;
export const webSocketURL = url.replace(/^http/, 'ws');

export const queryText = 'query Emma { getBook(name: "books/emma") { name title author } }';
export const mutationText =
  'mutation Rename($title: String!) { updateBook(input: { book: { name: "books/emma", title: $title } }) { name title author } }';
export const subscriptionText =
  'subscription Watch { watchParcel(parcel: "P-1001", maxEvents: 3, interval: "0.01s") { parcel state order { id } } }';
export const silentText = 'subscription Silent { watchParcel(parcel: "P-1002") { parcel } }';
export const errorText = 'query Missing { getBook(name: "books/none") { title } }';

// renamed gives each suite a title of its own.
export const renamed = (suite) => ({ title: `Emma, as ${suite} read it` });

// The states of the first three events of the parcel.
export const states = ['STATE_PACKED', 'STATE_ON_THE_WAY', 'STATE_ON_THE_WAY'];

// sdl returns the schema as `protean sdl` prints it.
export const sdl = () => readFileSync(process.env.GRAPHQL_SDL, 'utf8');

// The same shop as a subgraph of Apollo Federation.
export const subgraphURL = process.env.GRAPHQL_SUBGRAPH_URL;

// Two subgraphs with Relay, each of one of the shop's services.
export const relaySubgraphURLs = process.env.GRAPHQL_RELAY_SUBGRAPH_URLS.split(' ');
