package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/protean-gateway/protean/graph"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// maxTrustedBytes bounds the documents that an operator trusts, all together.
const maxTrustedBytes = 64 << 20

// graphClients makes what the graph knows of its clients, which outlives every snapshot. Of
// a configuration that follows another, they are the clients that were there before.
func graphClients(c *configv1.GraphQL, before *graph.Clients) (*graph.Clients, error) {
	o := graph.ClientOptions{
		MaxSockets:       int(c.GetMaxSockets()),
		MaxSubscriptions: int(c.GetMaxSubscriptions()),
	}
	if c.GetPersistedQueriesDisabled() {
		o.PersistedBytes = -1
	}
	if path := c.GetTrustedDocuments(); path != "" {
		var err error
		if o.Trusted, err = trustedDocuments(path); err != nil {
			return nil, configv1.Fault(c, "trusted_documents", err)
		}
	}
	if before != nil {
		return before.With(o), nil
	}
	return graph.NewClients(o), nil
}

// trustedDocuments reads a folder or a manifest.
func trustedDocuments(path string) (*graph.TrustedDocuments, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return trustedFolder(path)
	}
	manifest, err := readDocuments(path, maxTrustedBytes)
	if err != nil {
		return nil, err
	}
	trusted, err := graph.ParseTrustedDocuments(manifest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return trusted, nil
}

// trustedFolder reads the `.graphql` files of a folder. The name of one is its id.
func trustedFolder(folder string) (*graph.TrustedDocuments, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.graphql"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no .graphql files", folder)
	}
	byID := make(map[string]string, len(files))
	left := maxTrustedBytes
	for _, file := range files {
		document, err := readDocuments(file, left)
		if err != nil {
			return nil, err
		}
		left -= len(document)
		byID[strings.TrimSuffix(filepath.Base(file), ".graphql")] = string(document)
	}
	return graph.NewTrustedDocuments(byID)
}

func readDocuments(path string, limit int) ([]byte, error) {
	return readBounded(path, limit, fmt.Errorf("%s: more than %d bytes of documents", path, maxTrustedBytes))
}
