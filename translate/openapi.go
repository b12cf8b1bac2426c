package translate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// DefaultOpenAPIBytes is how large a document may be, in bytes of JSON.
const DefaultOpenAPIBytes = 16 << 20

// OpenAPIOptions are the settings of the description. The zero value has the defaults.
type OpenAPIOptions struct {
	// Title and Version go before what the .proto files say. Empty: theirs, or else
	// "API" and the first digits of the snapshot's digest.
	Title, Version string
	// AllMethods describes POST /pkg.Service/Method for every method. Default: only for
	// methods without a binding.
	AllMethods bool
	// SecuritySchemes are the ways in which callers can say who they are. Where there are none, those
	// that the .proto files declare for grpc-gateway's generators of documents are described.
	SecuritySchemes []SecurityScheme
	// Needs says what callers of a method must have. Nil: nothing.
	Needs func(*schema.Method) SecurityNeed
	// MaxBytes bounds the document, in bytes of JSON. 0: [DefaultOpenAPIBytes].
	MaxBytes int
}

// OpenAPI describes the routes of a REST view in OpenAPI 3.1. The document is built
// when it is first asked for, once, and the same inputs give the same bytes. It is safe
// for concurrent use.
type OpenAPI struct {
	json, yaml func() ([]byte, error)
	jsonTag    func() string
	yamlTag    func() string
}

// NewOpenAPI returns the view of a snapshot and the REST view made of it. Nothing is
// built yet, and so nothing is refused yet.
func NewOpenAPI(snap *schema.Snapshot, rest *REST, o OpenAPIOptions) *OpenAPI {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultOpenAPIBytes
	}
	v := &OpenAPI{}
	v.json = sync.OnceValues(func() ([]byte, error) { return newOpenBuilder(snap, o).document(rest) })
	v.yaml = sync.OnceValues(func() ([]byte, error) {
		document, err := v.json()
		if err != nil {
			return nil, err
		}
		return toYAML(document)
	})
	v.jsonTag = sync.OnceValue(func() string { return entityTag(v.json) })
	v.yamlTag = sync.OnceValue(func() string { return entityTag(v.yaml) })
	return v
}

func entityTag(document func() ([]byte, error)) string {
	text, err := document()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// JSON returns the document as one line of JSON. It must not be changed. The error says
// why there is none: it would be too large.
func (v *OpenAPI) JSON() ([]byte, error) { return v.json() }

// YAML returns the document as YAML. It must not be changed. The error is that of JSON.
func (v *OpenAPI) YAML() ([]byte, error) { return v.yaml() }

// Problems builds the document and says why there is none.
func (v *OpenAPI) Problems() []schema.Problem {
	if _, err := v.json(); err != nil {
		return []schema.Problem{{Severity: schema.Warning, Message: err.Error()}}
	}
	return nil
}

// ServeHTTP answers GET and HEAD with the document: as YAML where the path ends in
// .yaml, else as JSON. Clients that have it already are told so by its ETag.
func (v *OpenAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := rpc.Refusal(r.Context()); err != nil {
		new(errorWriter).write(w, r, err, pointers{})
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		new(errorWriter).write(w, r, notAllowed(r.Method, "GET, HEAD"), pointers{})
		return
	}
	contentType, document, tag := typeJSON, v.json, v.jsonTag
	if strings.HasSuffix(r.URL.Path, ".yaml") {
		contentType, document, tag = "application/yaml", v.yaml, v.yamlTag
	}
	text, err := document()
	if err != nil {
		Refuse(w, r, http.StatusInternalServerError, err.Error())
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{contentType}
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = []string{"no-cache"} // may be kept, and is asked for again
	h["Etag"] = []string{tag()}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}
