package auth

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
)

// apiKeys knows keys by their SHA-256.
type apiKeys struct {
	name   string
	header string // canonical
	fixed  []apiKey
	file   string

	current atomic.Pointer[map[digest]*apiKey] // those of the configuration and of the file
}

type apiKey struct {
	digest    digest
	principal rpc.Principal
}

// DefaultKeyHeader is the header with an API key, where nothing else is said.
const DefaultKeyHeader = "X-Api-Key"

const maxAPIKey = 4 << 10 // bytes

// newAPIKeys reads the file, if there is one, so that a wrong one is found at once.
func newAPIKeys(name string, c *configv1.APIKeys, secret func(string) (string, error)) (*apiKeys, error) {
	k := &apiKeys{name: name, header: DefaultKeyHeader, file: c.GetFile()}
	if c.GetHeader() != "" {
		k.header = http.CanonicalHeaderKey(c.GetHeader())
	}
	if k.header == authorization {
		return nil, configv1.Faultf(c, "header", "Authorization is for tokens; take another")
	}
	var err error
	if k.fixed, err = k.parse(c.GetKeys(), secret); err != nil {
		return nil, err
	}
	if err := k.reload(); err != nil {
		return nil, configv1.Fault(c, "file", err)
	}
	return k, nil
}

func (k *apiKeys) parse(list []*configv1.APIKey, secret func(string) (string, error)) ([]apiKey, error) {
	keys := make([]apiKey, 0, len(list))
	for i, c := range list {
		text, err := secret(c.GetSha256())
		if err != nil {
			return nil, configv1.Fault(c, "sha256", err)
		}
		sum, err := hex.DecodeString(text)
		if err != nil || len(sum) != len(digest{}) {
			return nil, configv1.Faultf(c, "sha256", "key %d: expected 64 hexadecimal digits", i+1)
		}
		if c.GetSubject() == "" {
			return nil, configv1.Faultf(c, "subject", "key %d: it is missing", i+1)
		}
		keys = append(keys, apiKey{digest(sum), rpc.Principal{
			Authenticator: k.name,
			Subject:       c.GetSubject(),
			Scopes:        c.GetScopes(),
			Roles:         c.GetRoles(),
		}})
		if c.GetExpires() != nil {
			keys[i].principal.Expires = c.GetExpires().AsTime()
		}
	}
	return keys, nil
}

// reload makes the current keys of those in the configuration and in the file.
func (k *apiKeys) reload() error {
	all := k.fixed
	if k.file != "" {
		text, err := readFile(k.file)
		if err != nil {
			return err
		}
		list := new(configv1.APIKeys)
		if err := protojson.Unmarshal(text, list); err != nil || list.GetHeader() != "" || list.GetFile() != "" {
			return fmt.Errorf("%s is not an APIKeys message in JSON with keys alone", k.file)
		}
		more, err := k.parse(list.GetKeys(), plain)
		if err != nil {
			return fmt.Errorf("%s: %s", k.file, err) //nolint:errorlint // the fault is the file's
		}
		all = append(all[:len(all):len(all)], more...)
	}
	byDigest := make(map[digest]*apiKey, len(all))
	for i := range all {
		if byDigest[all[i].digest] != nil {
			return errors.New("two keys have the same digest")
		}
		byDigest[all[i].digest] = &all[i]
	}
	k.current.Store(&byDigest)
	return nil
}

func plain(value string) (string, error) { return value, nil }

// run reads the file now and then. While it is wrong, the last good keys count.
func (k *apiKeys) run(ctx context.Context) {
	ticker := time.NewTicker(fileRefresh)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = k.reload()
		case <-ctx.Done():
			return
		}
	}
}

// authenticate looks a key up by its digest. How long that takes says something
// about a digest at most, from which no key can be found; digests are compared in constant time.
func (k *apiKeys) authenticate(key string, now time.Time) (*rpc.Principal, error) {
	if len(key) == 0 || len(key) > maxAPIKey {
		return nil, invalid("the API key is empty or too long")
	}
	presented := digestOf(key)
	found := (*k.current.Load())[presented]
	if found == nil || subtle.ConstantTimeCompare(found.digest[:], presented[:]) != 1 {
		return nil, invalid("no such API key")
	}
	if end := found.principal.Expires; !end.IsZero() && !now.Before(end) {
		return nil, expired("the API key of " + found.principal.Subject + " has expired")
	}
	return &found.principal, nil
}
