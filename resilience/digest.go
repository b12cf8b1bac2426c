package resilience

import (
	"crypto/sha256"
	"encoding/hex"
)

// digestOf stands for a text that is too long to keep.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
