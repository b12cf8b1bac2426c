package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/99designs/gqlgen/graphql"
)

// Automatic persisted queries, as Apollo's clients speak them: an operation comes as
// the SHA-256 of its document. A client that learns that the document is not known sends
// it once, with the hash, and from then on the hash alone.
//
// The words and codes of the errors are those that clients look for.
const (
	messageNotPersisted = "PersistedQueryNotFound"
	codeNotPersisted    = "PERSISTED_QUERY_NOT_FOUND"
	messageNoPersisting = "PersistedQueryNotSupported"
	codeNoPersisting    = "PERSISTED_QUERY_NOT_SUPPORTED"
)

// persistedExtension is the member of the extensions with the hash.
const persistedExtension = "persistedQuery"

// persistedHash returns the hash that an operation comes with, in lower case. It is
// empty where there is none. A version that is not 1 is not supported.
func persistedHash(p *params) (hash string, supported bool) {
	extension, _ := p.extensions.field(persistedExtension)
	if extension.isNull() {
		return strings.ToLower(p.documentID), true
	}
	member, _ := extension.field("sha256Hash")
	hash, _ = member.text()
	version, _ := extension.field("version")
	number, _ := version.number()
	return strings.ToLower(hash), hash != "" && number == "1"
}

// resolve finds the document of an operation that came as a hash, and refuses one that
// is not what its hash says or that may not run.
func (c *Clients) resolve(params *params) (refused *graphql.Response) {
	hash, supported := persistedHash(params)
	if c.options.Trusted != nil {
		return c.options.Trusted.resolve(params, hash)
	}
	switch {
	case !supported || hash != "" && c.persisted == nil:
		return errorResponse(codeNoPersisting, messageNoPersisting)
	case hash == "":
		return nil
	case params.query != "":
		return verify(params.query, hash)
	}
	query, ok := c.persisted.documents.get(hash)
	if !ok {
		return errorResponse(codeNotPersisted, messageNotPersisted)
	}
	params.query = query
	return nil
}

// verify refuses a hash that is not that of the query, which would be a
// way to have another client's hash run something else.
func verify(query, hash string) *graphql.Response {
	if hashOf(query) != hash {
		return errorResponse(codeInput, "provided sha does not match query")
	}
	return nil
}

func hashOf(query string) string {
	sum := sha256.Sum256([]byte(query))
	return hex.EncodeToString(sum[:])
}

// persist keeps the document of an operation that was resolved and that can run.
func (c *Clients) persist(params *params) {
	if c.persisted == nil {
		return
	}
	hash, _ := persistedHash(params)
	if hash == "" {
		return
	}
	if _, known := c.persisted.documents.get(hash); !known {
		c.persisted.documents.add(hash, strings.Clone(params.query), len(params.query)+persistedOverhead)
	}
}

const (
	defaultPersistedBytes = 8 << 20
	// persistedOverhead is about what a document takes beside its text, in bytes.
	persistedOverhead = 256
)

// persistedQueries are documents by their hash.
type persistedQueries struct {
	documents *lru[string]
}

func newPersistedQueries(bytes int) *persistedQueries {
	if bytes == 0 {
		bytes = defaultPersistedBytes
	}
	return &persistedQueries{documents: newLRU[string](bytes)}
}
