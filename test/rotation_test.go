package test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/auth/authtest"
)

// TestPromiseKeyRotation replaces the keys of an issuer before a gateway, with the pauses that a gateway
// makes, while callers call as REST and gRPC. In small, TestRotation of package auth does the same.
func TestPromiseKeyRotation(t *testing.T) {
	if !*fullPromises {
		t.Skip("it takes minutes")
	}
	h := startVault(t, nil)
	_, conn := h.dial(t, "")
	var turn atomic.Int64
	good, bad := h.issuer.RotateUnderLoad(t, authtest.Rotation{
		Times: 6, Callers: 8, Down: 15 * time.Second,
		Call: func(token string) error {
			if turn.Add(1)%2 == 0 {
				return h.getKnown(t, token)
			}
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
			return conn.Invoke(ctx, "/vault.v1.Vault/Known", &rawMessage{}, &rawMessage{}, grpc.ForceCodec(rawCodec{}))
		},
	})
	if !t.Failed() {
		t.Logf("ROTATION PASS 6 keys replaced, the issuer down for 15 s each time: 0 of %d good tokens refused, 0 of %d bad ones accepted", good, bad)
	}
}

// getKnown calls a method that is for all who are known, as REST.
func (h *vaultHouse) getKnown(t *testing.T, token string) error {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.address+"/v1/known/x", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
