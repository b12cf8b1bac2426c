//go:build !xds

package rpc

import (
	"errors"

	"google.golang.org/grpc/credentials"
)

// withXDS: xDS adds 15 MB to the binary, so it is there only where it is asked for.
const withXDS = false

func xdsCredentials() (credentials.TransportCredentials, error) {
	return nil, errors.New("this binary was built without xDS; build it with -tags xds")
}
