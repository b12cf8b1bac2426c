//go:build xds

package rpc

import (
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	credentialsxds "google.golang.org/grpc/credentials/xds"
	_ "google.golang.org/grpc/xds" // addresses of xds:///, their balancers and their client
)

const withXDS = true

// xdsCredentials are what the control plane says of a cluster, and plaintext where it says nothing.
func xdsCredentials() (credentials.TransportCredentials, error) {
	return credentialsxds.NewClientCredentials(credentialsxds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
}
