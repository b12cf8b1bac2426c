// Package authtest has the servers that authenticators and authorizers ask, small
// and real: an OpenID Connect issuer whose keys rotate, and an introspection endpoint.
package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Audience is whom the tokens of an issuer are for.
const Audience = "protean"

// Issuer is an OpenID Connect issuer on a loopback address. It is safe for concurrent use.
type Issuer struct {
	// URL is the issuer's identifier.
	URL string

	server *httptest.Server
	mu     sync.Mutex
	keys   []*Key // published
	now    *Key   // that tokens are signed with
	made   int
	down   bool
	calls  map[string]int
	opaque map[string]map[string]any
}

// Key is a key of an issuer.
type Key struct {
	ID      string
	Private *ecdsa.PrivateKey // P-256
}

// Start starts an issuer with one key, until the test ends.
func Start(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{calls: make(map[string]int), opaque: make(map[string]map[string]any)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.serveConfiguration)
	mux.HandleFunc("GET /jwks", i.serveKeys)
	mux.HandleFunc("POST /introspect", i.serveIntrospection)
	i.server = httptest.NewServer(i.counted(mux))
	t.Cleanup(i.server.Close)
	i.URL = i.server.URL
	i.Rotate(1)
	return i
}

func (i *Issuer) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.calls[r.URL.Path]++
		down := i.down
		i.mu.Unlock()
		if down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Calls counts the requests for a path.
func (i *Issuer) Calls(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.calls[path]
}

// SetDown makes the issuer answer nothing, or answer again.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Publish makes a key and publishes it. Tokens are signed with it from Use on.
func (i *Issuer) Publish() *Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	key := newKey(fmt.Sprintf("key-%d", i.made))
	i.keys = append(i.keys, key)
	return key
}

func newKey(id string) *Key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return &Key{id, private}
}

// Use makes a key the current one.
func (i *Issuer) Use(key *Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = key
}

// Withdraw publishes a key no longer.
func (i *Issuer) Withdraw(key *Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = slices.DeleteFunc(slices.Clone(i.keys), func(k *Key) bool { return k == key })
}

// Rotate makes a new key the current one and keeps so many published in all.
func (i *Issuer) Rotate(published int) *Key {
	key := i.Publish()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = key
	if extra := len(i.keys) - published; extra > 0 {
		i.keys = i.keys[extra:]
	}
	return key
}

// Current returns the key that tokens are signed with.
func (i *Issuer) Current() *Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

// Claims are those of a good token for a subject, with more or others.
func (i *Issuer) Claims(subject string, more map[string]any) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": i.URL, "aud": Audience, "sub": subject, "iat": now, "exp": now + 3600,
	}
	maps.Copy(claims, more)
	return claims
}

// Token signs the claims of a good token with the current key.
func (i *Issuer) Token(subject string, more map[string]any) string {
	return i.Current().Token(i.Claims(subject, more))
}

// Token signs claims as ES256.
func (k *Key) Token(claims map[string]any) string {
	return k.Sign(map[string]any{"alg": "ES256", "kid": k.ID, "typ": "JWT"}, claims)
}

// Sign signs whatever header and claims say, as ES256.
func (k *Key) Sign(header, claims any) string { return k.SignText(encode(header), encode(claims)) }

// SignText signs texts that need not be JSON.
func (k *Key) SignText(header, claims string) string {
	return k.SignParts(Base64(header), Base64(claims))
}

// SignParts signs parts that need not be base64url.
func (k *Key) SignParts(header, claims string) string {
	input := header + "." + claims
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k.Private, digest[:])
	if err != nil {
		panic(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + Base64(string(signature))
}

// Public returns the public key.
func (k *Key) Public() crypto.PublicKey { return k.Private.Public() }

// JWK returns the public key as a JSON Web Key.
func (k *Key) JWK() map[string]any {
	point, err := k.Private.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return map[string]any{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": k.ID,
		"x": Base64(string(point[1:33])), "y": Base64(string(point[33:])),
	}
}

// Base64 encodes as base64url without padding.
func Base64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (i *Issuer) serveConfiguration(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/jwks"})
}

func (i *Issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var keys []any
	for _, k := range i.keys {
		keys = append(keys, k.JWK())
	}
	writeJSON(w, map[string]any{"keys": keys})
}

// Grant makes an opaque token active, with what introspection says of it.
func (i *Issuer) Grant(token string, claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.opaque[token] = claims
}

// The client that may introspect.
const (
	ClientID     = "gateway"
	ClientSecret = "s3cr&t"
)

func (i *Issuer) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id != ClientID || secret != "s3cr%26t" {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	claims, active := i.opaque[r.PostFormValue("token")]
	answer := map[string]any{"active": active}
	maps.Copy(answer, claims)
	writeJSON(w, answer)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
