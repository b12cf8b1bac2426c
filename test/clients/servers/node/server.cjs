// Serves shop.v1.Echo on a free port, which it prints, with server reflection.
//
// Usage: node server.cjs official|wrapper keep|camel

'use strict'

const path = require('node:path')
const grpc = require('@grpc/grpc-js')
const loader = require('@grpc/proto-loader')

const [reflection, names] = process.argv.slice(2)
const definition = loader.loadSync('shop.proto', {
  includeDirs: [path.join(__dirname, '..'), path.dirname(require.resolve('protobufjs/package.json'))],
  keepCase: names === 'keep',
  longs: String,
})

let server = new grpc.Server()
if (reflection === 'wrapper') {
  server = require('grpc-node-server-reflection').default(server)
}
server.addService(grpc.loadPackageDefinition(definition).shop.v1.Echo.service, {
  GetItem: (call, done) => done(null, call.request),
})
if (reflection === 'official') {
  const { ReflectionService } = require('@grpc/reflection')
  new ReflectionService(definition).addToServer(server)
}
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (err, port) => {
  if (err) throw err
  console.log(port)
})
process.stdin.on('end', () => process.exit(0)).resume()
