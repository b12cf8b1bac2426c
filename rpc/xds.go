//go:build xds

package rpc

import _ "google.golang.org/grpc/xds" // addresses of xds:///, their balancers and their client

const withXDS = true
