// Runs the tests of the suite as they are, with the one exception that fetch.cjs makes.
const path = require('path');

const suite = path.dirname(require.resolve('@apollo/federation-subgraph-compatibility-tests/package.json'));

module.exports = {
  rootDir: path.join(suite, 'dist/tests'),
  testMatch: ['**/*.test.js'],
  testPathIgnorePatterns: [],
  testEnvironment: 'node',
  haste: { retainAllFiles: true },
  transform: {},
  moduleNameMapper: { '^make-fetch-happen$': path.join(__dirname, 'fetch.cjs') },
};
