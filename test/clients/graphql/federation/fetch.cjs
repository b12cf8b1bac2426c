// The suite's client, which expects the supergraph at a port that may be taken.
const fetch = jest.requireActual(require.resolve('make-fetch-happen', { paths: [__dirname] }));

module.exports = (url, options) => fetch(url.replace('http://localhost:4000/', process.env.SUPERGRAPH_URL), options);
