package graph

import (
	"strings"
	"testing"
)

// TestTrustedDocuments: they run by id, by hash and by their text, and nothing else does.
func TestTrustedDocuments(t *testing.T) {
	trusted, err := ParseTrustedDocuments([]byte(`{"hello-1": "{ hello }"}`))
	if err != nil {
		t.Fatal(err)
	}
	server, _ := serveShop(t, HTTPOptions{Clients: NewClients(ClientOptions{Trusted: trusted})})
	const works = `"data":{"hello":"Hello"}`
	for body, want := range map[string]string{
		`{"documentId":"hello-1"}`:                                                                   works,
		`{"documentId":"sha256:` + hashOf("{ hello }") + `"}`:                                        works,
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hashOf("{ hello }") + `"}}}`: works,
		`{"query":"{ hello }"}`:                                                                      works,
		`{"query":"{hello}"}`:                                                                        codeNotTrusted,
		`{"query":"{ __typename }"}`:                                                                 codeNotTrusted,
		`{"query":"{ silent }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hashOf("{ silent }") + `"}}}`: codeNotTrusted,
		`{"documentId":"hello-2"}`: codeNotPersisted,
		`{}`:                       "query is missing",
	} {
		got := exchange(t, server.Client(), server.URL, []byte("POST /\nContent-Type: application/json\n\n"+body))
		if !strings.Contains(got, want) {
			t.Errorf("%s\ngot %s", body, got)
		}
	}
}

func TestManifests(t *testing.T) {
	for manifest, want := range map[string]string{
		`{"a": "{ hello }"}`: "",
		`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a","body":"{ hello }","name":"x","type":"query"}]}`: "",
		`{}`:                               "",
		`[]`:                               "not a JSON object",
		`{"a": 1}`:                         `the document "a" must be a string`,
		`{"operations": {}}`:               "operations must be a list",
		`{"a": "{ hello }", "A": "{ b }"}`: "two documents",
		`{"` + hashOf("{ b }") + `": "{ hello }", "b": "{ b }"}`: "two documents",
	} {
		trusted, err := ParseTrustedDocuments([]byte(manifest))
		switch {
		case want == "" && (err != nil || strings.Contains(manifest, "hello") && trusted.byID["a"] != "{ hello }"):
			t.Errorf("%s: %v", manifest, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", manifest, err, want)
		}
	}
}

// TestPersistingCanBeRefused, in the words that make clients send whole documents.
func TestPersistingCanBeRefused(t *testing.T) {
	server, _ := serveShop(t, HTTPOptions{Clients: NewClients(ClientOptions{PersistedBytes: -1})})
	got := exchange(t, server.Client(), server.URL, []byte("POST /\nContent-Type: application/json\n\n"+
		`{"query":"{ hello }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"`+hashOf("{ hello }")+`"}}}`))
	if !strings.Contains(got, messageNoPersisting) || !strings.Contains(got, codeNoPersisting) {
		t.Errorf("got %s", got)
	}
}
