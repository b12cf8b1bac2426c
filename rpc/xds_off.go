//go:build !xds

package rpc

// withXDS: xDS adds 15 MB to the binary, so it is there only where it is asked for.
const withXDS = false
