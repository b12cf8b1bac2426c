package translate

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// DefaultOpenAPIBytes is how large a document may be, in bytes of JSON.
const DefaultOpenAPIBytes = 64 << 20

// DefaultOpenAPIQueryDepth is how deep fields of a request are described as query parameters.
const DefaultOpenAPIQueryDepth = 4

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
	// QueryDepth bounds the fields within fields that are described as query parameters. 0: [DefaultOpenAPIQueryDepth].
	QueryDepth int
	// Visible decides of each caller whether there is a method for it: others are not in the document that is served to
	// it, nor what they alone need. It must be quick, and is called concurrently. Nil: all are.
	Visible func(context.Context, *schema.Method) bool
	// CompressionDisabled: the document is never compressed.
	CompressionDisabled bool
	// Vary names the headers by which callers, and so what is visible, differ.
	Vary []string
}

// OpenAPI describes the routes of a REST view in OpenAPI 3.1. The document is built
// when it is first asked for, once, and the same inputs give the same bytes. It is safe
// for concurrent use.
type OpenAPI struct {
	whole    *openDocument
	narrowed *narrowedDocuments // nil: everybody is shown the whole
	vary     []string

	uncompressed bool
}

// NewOpenAPI returns the view of a snapshot and the REST view made of it. Nothing is
// built yet, and so nothing is refused yet.
func NewOpenAPI(snap *schema.Snapshot, rest *REST, o OpenAPIOptions) *OpenAPI {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultOpenAPIBytes
	}
	if o.QueryDepth == 0 {
		o.QueryDepth = DefaultOpenAPIQueryDepth
	}
	v := &OpenAPI{
		whole: newOpenDocument(func() ([]byte, error) { return newOpenBuilder(snap, o, nil).document(rest) }),
		vary:  o.Vary,

		uncompressed: o.CompressionDisabled,
	}
	if o.Visible != nil {
		v.narrowed = newNarrowedDocuments(snap, rest, o)
	}
	return v
}

// Either may be kept, and is asked for again: by everybody's cache, or by the caller's own.
var (
	cachedOpenly    = []string{"no-cache"}
	cachedPrivately = []string{"private, no-cache"}
)

// JSON returns the whole document as one line of JSON. It must not be changed. The error says
// why there is none: it would be too large.
func (v *OpenAPI) JSON() ([]byte, error) { return v.whole.json.text() }

// YAML returns the whole document as YAML. It must not be changed. The error is that of JSON.
func (v *OpenAPI) YAML() ([]byte, error) { return v.whole.yaml.text() }

// Problems builds the document and says why there is none.
func (v *OpenAPI) Problems() []schema.Problem {
	if _, err := v.whole.json.text(); err != nil {
		return []schema.Problem{{Severity: schema.Warning, Message: err.Error()}}
	}
	return nil
}

// ServeHTTP answers GET and HEAD with the document, as far as it is for the caller: as YAML where the path ends in
// .yaml, else as JSON. Clients that have it already are told so by its ETag. What depends on the caller is not for
// shared caches.
func (v *OpenAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := rpc.Refusal(r.Context()); err != nil {
		new(errorWriter).write(w, r, err)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		new(errorWriter).write(w, r, notAllowed(r.Method, "GET, HEAD"))
		return
	}
	shown, caching := v.whole, cachedOpenly
	if v.narrowed != nil {
		shown, caching = v.narrowed.of(r.Context(), v.whole), cachedPrivately
	}
	form := shown.json
	if strings.HasSuffix(r.URL.Path, ".yaml") {
		form = shown.yaml
	}
	text, err := form.text()
	if err != nil {
		Refuse(w, r, http.StatusInternalServerError, err.Error())
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{form.contentType}
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = caching
	if v.narrowed != nil {
		transport.AddVary(h, v.vary)
	}
	content, tag := form.in(v.coding(h, r, len(text)), text)
	h["Etag"] = []string{tag}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// coding returns the coding that the client gets a document in, and says so in the headers.
func (v *OpenAPI) coding(h http.Header, r *http.Request, size int) transport.Coding {
	if v.uncompressed {
		return ""
	}
	coding := transport.AnswerCoding(h, r.Header["Accept-Encoding"], size)
	if coding != "" {
		h["Content-Encoding"] = []string{string(coding)}
	}
	return coding
}
