package graph

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// The bundle is built by `make graphiql` from graphiql/src, and lies here
// compressed, as it is served. LICENSES has the texts of all that went into it.
//
//go:embed graphiql/dist
var graphiqlFiles embed.FS

// graphiqlPolicy lets the page load what we serve and nothing else. Monaco writes
// style elements, and its fonts and icons are part of the style sheet.
const graphiqlPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; " +
	"style-src 'self' 'unsafe-inline'; font-src data:; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// graphiqlFile is one file of the bundle.
type graphiqlFile struct {
	compressed  []byte
	contentType string
	etag        string
}

// graphiqlBundle has the files by name.
var graphiqlBundle = sync.OnceValue(func() map[string]graphiqlFile {
	bundle := make(map[string]graphiqlFile)
	entries, err := graphiqlFiles.ReadDir("graphiql/dist")
	if err != nil {
		return nil // there is no bundle: every file is missing
	}
	for _, e := range entries {
		data, err := graphiqlFiles.ReadFile("graphiql/dist/" + e.Name())
		name, compressed := strings.CutSuffix(e.Name(), ".gz")
		if err == nil && compressed {
			bundle[name] = newGraphiQLFile(name, data)
		}
	}
	return bundle
})

func newGraphiQLFile(name string, compressed []byte) graphiqlFile {
	contentType := "text/plain; charset=utf-8"
	switch path.Ext(name) {
	case ".html", ".css", ".js":
		contentType = mime.TypeByExtension(path.Ext(name))
	}
	sum := sha256.Sum256(compressed)
	return graphiqlFile{compressed: compressed, contentType: contentType, etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// wantsGraphiQL reports whether a GET is a browser's that shows a page, or one for
// a file of that page. Files are named in the URL's query, because one path is all that
// the graph is given. A link with `?query=` that a browser opens is the page with that query filled in;
// clients that accept JSON before HTML get the result.
func (d *door) wantsGraphiQL(r *http.Request) bool {
	if d.options.GraphiQLDisabled {
		return false
	}
	q := r.URL.Query()
	if q.Has("graphiql") {
		return true
	}
	a := negotiate(r.Header)
	return !q.Has("extensions") && a.html > 0 && a.html >= max(a.json, a.graphQL)
}

// exampleFile is the file with the query that GraphiQL starts with.
const exampleFile = "example.graphql"

func (d *door) serveGraphiQL(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("graphiql")
	if name == exampleFile {
		d.serveExample(w, r)
		return
	}
	if name == "" {
		name = "index.html"
	}
	file, ok := graphiqlBundle()[name]
	if !ok {
		http.Error(w, "GraphiQL has no such file", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Content-Security-Policy", graphiqlPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // it may be kept, and is asked about each time
	h.Set("ETag", file.etag)
	h.Set("Vary", "Accept, Accept-Encoding")
	if r.Header.Get("If-None-Match") == file.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	file.write(w, strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"))
}

// serveExample sends the query that GraphiQL starts with, which may differ from caller to caller.
func (d *door) serveExample(w http.ResponseWriter, r *http.Request) {
	query := ""
	if d.own != nil {
		query = d.own.graph.exampleQuery(r.Context())
	}
	if query == "" {
		http.Error(w, "there is no example for this caller", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, query)
}

// write sends the file as it lies here, or uncompressed to the few who ask for that.
func (f graphiqlFile) write(w http.ResponseWriter, compressed bool) {
	if compressed {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(f.compressed) // nobody is left to tell
		return
	}
	plain, err := gzip.NewReader(bytes.NewReader(f.compressed))
	if err != nil {
		http.Error(w, "GraphiQL is damaged", http.StatusInternalServerError)
		return
	}
	_, _ = io.Copy(w, plain)
}
