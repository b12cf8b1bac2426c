package resilience

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/protean-gateway/protean/rpc"
)

// callKey names a call by all that its answer may depend on, so that calls with one key can
// have one answer. It is a digest, because a wrong answer must not be had by a collision.
type callKey [sha256.Size]byte

// keyer collects parts that cannot be taken for one another. It is used once.
type keyer struct{ parts []byte }

var keyers = sync.Pool{New: func() any { return new(keyer) }}

// maxKeptKeyer is the largest buffer that is used again, in bytes.
const maxKeptKeyer = 64 << 10

func (k *keyer) text(parts ...string) {
	for _, part := range parts {
		k.parts = binary.BigEndian.AppendUint64(k.parts, uint64(len(part)))
		k.parts = append(k.parts, part...)
	}
}

func (k *keyer) bytes(part []byte) {
	k.parts = binary.BigEndian.AppendUint64(k.parts, uint64(len(part)))
	k.parts = append(k.parts, part...)
}

// credentials is metadata that names a caller, where the configuration forwards it.
var credentials = [...]string{"authorization", "cookie"}

// newKeyer begins a key with the method, as its backend's files have it, the request, everything that names the
// caller to the backend and, unless answers are shared, the caller. Memory, Redis, coalescing and shared
// streams have their keys from here.
func newKeyer(ctx context.Context, c *rpc.Call, shared bool) *keyer {
	k := keyers.Get().(*keyer)
	k.parts = k.parts[:0]
	backend := c.Method.Service.Backend
	k.text(backend.Name, backend.Digest, c.Method.Path)
	k.bytes(c.Request)
	switch p := rpc.PrincipalFrom(ctx); {
	case shared:
		k.text("everyone")
	case p == nil:
		k.text("nobody")
	default:
		k.text("somebody", p.Authenticator, p.Issuer, p.Subject)
	}
	for _, name := range credentials {
		k.values(c, name)
	}
	k.parts = binary.BigEndian.AppendUint64(k.parts, uint64(len(c.Added)))
	for _, name := range c.Added {
		k.values(c, name)
	}
	return k
}

func (k *keyer) values(c *rpc.Call, name string) {
	values := c.Metadata.Get(name)
	k.text(name)
	k.parts = binary.BigEndian.AppendUint64(k.parts, uint64(len(values)))
	k.text(values...)
}

// key ends the use of k.
func (k *keyer) key() callKey {
	sum := sha256.Sum256(k.parts)
	if cap(k.parts) <= maxKeptKeyer {
		keyers.Put(k)
	}
	return sum
}

// incidental is metadata that tells calls apart and does not change their answers.
var incidental = map[string]bool{
	"x-request-id": true, "traceparent": true, "tracestate": true, "baggage": true, "user-agent": true,
	previousAttempts: true,
}

// everyValue adds all metadata but what is incidental.
func (k *keyer) everyValue(c *rpc.Call) {
	for _, name := range slices.Sorted(maps.Keys(c.Metadata)) {
		if !incidental[name] {
			k.values(c, name)
		}
	}
}
