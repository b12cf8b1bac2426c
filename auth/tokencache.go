package auth

import (
	"crypto/sha256"
	"sync"
	"time"
	"unsafe"

	"github.com/protean-gateway/protean/rpc"
)

// digest is the SHA-256 of a credential.
type digest [sha256.Size]byte

// digestOf does not copy the credential, which Sum256 does not change.
func digestOf(credential string) digest {
	return sha256.Sum256(unsafe.Slice(unsafe.StringData(credential), len(credential)))
}

// tokenCache keeps the principals of tokens that were checked, so that each is
// checked once. It keeps no tokens. Its memory is bounded: what comes in goes to the
// young generation, and when that is full the old one is forgotten.
type tokenCache struct {
	mu         sync.RWMutex
	young, old map[digest]checked
	bytes      int // of the young generation's tokens
}

// checked is a token that was found good, until it must be checked again.
type checked struct {
	principal *rpc.Principal
	until     time.Time
}

const (
	generationBytes = 4 << 20
	entryBytes      = 256 // of an entry beside its claims, about
)

// get returns the principal of a token that need not be checked again, or nil.
func (c *tokenCache) get(d digest, now time.Time) *rpc.Principal {
	c.mu.RLock()
	found, ok := c.young[d]
	if !ok {
		found = c.old[d]
	}
	c.mu.RUnlock()
	if !now.Before(found.until) {
		return nil
	}
	return found.principal
}

// put keeps the principal of a token of so many bytes.
func (c *tokenCache) put(d digest, found checked, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || c.bytes > generationBytes {
		c.young, c.old, c.bytes = make(map[digest]checked), c.young, 0
	}
	if _, again := c.young[d]; !again {
		c.bytes += size + entryBytes
	}
	c.young[d] = found
}
