package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
)

// codeNotTrusted is the code of a document that is not among those that may run.
const codeNotTrusted = "QUERY_NOT_IN_SAFELIST"

// TrustedDocuments are the documents that an operator lets run, each known by its
// SHA-256 and by an id of the operator's. They are immutable once they are in use.
type TrustedDocuments struct {
	byID  map[string]string
	texts map[string]struct{}
}

// NewTrustedDocuments returns documents by their ids. An id that is not the document's own hash may
// not be the hash of another.
func NewTrustedDocuments(byID map[string]string) (*TrustedDocuments, error) {
	t := &TrustedDocuments{byID: make(map[string]string, 2*len(byID)), texts: make(map[string]struct{}, len(byID))}
	for _, document := range byID {
		t.byID[hashOf(document)] = document
		t.texts[document] = struct{}{}
	}
	for id, document := range byID {
		id = documentID(id)
		if other, ok := t.byID[id]; ok && other != document {
			return nil, fmt.Errorf("two documents have the id %q", id)
		}
		t.byID[id] = document
	}
	return t, nil
}

// ParseTrustedDocuments reads a manifest: a JSON object of documents by id, as
// graphql-codegen and Relay's compiler write it, or Apollo's persisted query manifest.
func ParseTrustedDocuments(manifest []byte) (*TrustedDocuments, error) {
	var members map[string]json.RawMessage
	if err := decodeJSON(manifest, &members); err != nil || members == nil {
		return nil, errors.New("the manifest is not a JSON object")
	}
	byID := make(map[string]string, len(members))
	if _, apollo := members["operations"]; apollo {
		var operations []struct{ ID, Body string }
		if decodeJSON(members["operations"], &operations) != nil {
			return nil, errors.New("operations must be a list of objects with an id and a body")
		}
		for _, o := range operations {
			byID[o.ID] = o.Body
		}
		return NewTrustedDocuments(byID)
	}
	for id, text := range members {
		var document string
		if decodeJSON(text, &document) != nil {
			return nil, fmt.Errorf("the document %q must be a string", id)
		}
		byID[id] = document
	}
	return NewTrustedDocuments(byID)
}

// Len returns the number of ids, hashes included.
func (t *TrustedDocuments) Len() int { return len(t.byID) }

// resolve finds the document of an operation by the id that it came with, or by its text.
func (t *TrustedDocuments) resolve(params *params, id string) *graphql.Response {
	if params.query != "" {
		if _, ok := t.texts[params.query]; !ok {
			return errorResponse(codeNotTrusted, "only documents that the operator knows are run")
		}
		return nil
	}
	document, ok := t.byID[documentID(id)]
	if !ok {
		return errorResponse(codeNotPersisted, messageNotPersisted)
	}
	params.query = document
	return nil
}

// documentID takes the name of the hash off an id. Hashes are the same in either case.
func documentID(id string) string { return strings.ToLower(strings.TrimPrefix(id, "sha256:")) }
