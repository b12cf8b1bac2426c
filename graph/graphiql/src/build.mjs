// Builds the bundle into ../dist: every file gzipped, as it is embedded and
// served, and ../LICENSES with the texts of all packages that went in.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const out = '../dist';

const shared = {
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  format: 'iife',
  target: 'es2022',
  legalComments: 'none', // the texts are in ../LICENSES
  charset: 'utf8',
  outdir: 'out',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.ttf': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl' },
  jsx: 'automatic',
  logLevel: 'warning',
};

const results = await Promise.all([
  build({ ...shared, entryPoints: { main: 'main.jsx' } }),
  build({
    ...shared,
    entryPoints: {
      'editor.worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
      'json.worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
      'graphql.worker': 'monaco-graphql/esm/graphql.worker.js',
    },
  }),
]);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const file of results.flatMap(r => r.outputFiles)) {
  write(file.path.split('/').at(-1), file.contents);
}
write('index.html', readFileSync('index.html'));
write('LICENSES', licenses());
writeFileSync('../LICENSES', licenses());

function write(name, contents) {
  writeFileSync(join(out, `${name}.gz`), gzipSync(contents, { level: 9 }));
}

// licenses returns the license text of each package that has a byte in the bundle.
function licenses() {
  const folders = new Set();
  for (const input of results.flatMap(r => Object.keys(r.metafile.inputs))) {
    const folder = input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1];
    if (folder) folders.add(folder);
  }
  const texts = new Map();
  for (const folder of folders) {
    const about = JSON.parse(readFileSync(join(folder, 'package.json')));
    texts.set(`${about.name} ${about.version} (${about.license})`, licenseText(folder, about));
  }
  const line = '-'.repeat(78);
  return [...texts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([title, text]) => `${title}\n\n${text.trim()}\n`)
    .join(`\n${line}\n\n`);
}

// licenseText reads a package's license. Some packages of a larger repository
// leave the file to their siblings; theirs is said in full.
function licenseText(folder, about) {
  const name = readdirSync(folder).find(f => /^(licen[sc]e|copying)/i.test(f));
  if (name) return readFileSync(join(folder, name), 'utf8');
  if (about.license !== 'MIT') throw new Error(`${about.name} has no license file and is not MIT`);
  const mit = readFileSync('node_modules/react/LICENSE', 'utf8');
  const holder = about.author?.name ?? about.author ?? `the authors of ${about.repository?.url ?? about.name}`;
  return mit.replace(/^Copyright.*$/m, `Copyright (c) ${holder}`);
}
