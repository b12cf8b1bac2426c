package clients

import "testing"

// rpcTools is where the npm packages of RPC clients are installed.
const rpcTools = "rpc"

// TestConnectES calls the example services with connect-es: Connect, gRPC and
// gRPC-Web, in protobuf and JSON, by Node's HTTP and by fetch.
func TestConnectES(t *testing.T) {
	runIn(t, rpcTools, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	runIn(t, rpcTools, "node", "connect.mjs", startDemo(t))
}

// TestGRPCWeb calls them with grpc-web, in bytes and in text.
func TestGRPCWeb(t *testing.T) {
	runIn(t, rpcTools, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	runIn(t, rpcTools, "node", "grpcweb.mjs", startDemo(t))
}
