package transport

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Headers decides which headers of a client become metadata for a backend, and
// which metadata of a backend become headers. The zero value has the defaults. It
// is immutable and safe for concurrent use.
//
// Three kinds of headers never pass from a client by themselves:
//
//   - reserved: grpc-* and connect-*, which are the protocols' own; x-protean-*,
//     which is how the gateway tells a backend who is calling; hop-by-hop headers
//     (RFC 9110, section 7.6.1); what describes the HTTP message and not the call.
//     No configuration opens these, but under the names that grpc-gateway gives to headers of
//     HTTP itself, such as grpcgateway-user-agent.
//   - credentials: authorization, cookie. A gateway that is asked for them checks
//     them itself; a configuration may name them.
//   - claims about the client's address, forwarded, x-forwarded-*, x-real-ip, and what looks
//     as if grpc-gateway had said it, grpcgateway-*. A configuration may name them.
//
// Names are compared without regard to case, and `_` and `.` count as `-`:
// backends that map headers to variables cannot tell them apart.
type Headers struct {
	// forward maps a folded header name to the metadata key it passes under.
	forward map[string]string
	// credentials are the folded names of headers that the gateway itself reads.
	credentials []string
}

// tracing are the headers that every door passes.
var tracing = [...]string{"traceparent", "tracestate", "baggage", "accept-language", "x-request-id"}

// metadataPrefix is grpc-gateway's way to say "this header is metadata". It is
// open only to names in the configuration, such as grpc-metadata-tenant, which
// passes as tenant.
var metadataPrefix = strings.ToLower(runtime.MetadataHeaderPrefix)

// forwarded returns the header that a name in the configuration stands for, and the
// metadata key that it passes under. Headers of HTTP itself have a second name, under
// which grpc-gateway passes all of them: grpcgateway-user-agent is User-Agent. There is no
// header where a name of that kind stands for none.
func forwarded(name string) (header, key string) {
	name = strings.ToLower(name)
	permanent, ok := strings.CutPrefix(name, runtime.MetadataPrefix)
	if !ok {
		return name, strings.TrimPrefix(name, metadataPrefix)
	}
	if _, known := runtime.DefaultHeaderMatcher(permanent); !known || permanent == "host" { // which net/http takes out
		return "", name
	}
	return permanent, name
}

// NewHeaders returns a policy that passes the named headers on every door, on
// top of the defaults, and never those that the gateway reads credentials from. A name
// that is reserved, or is both, is an error.
func NewHeaders(forward []string, credentials ...string) (*Headers, error) {
	h := &Headers{forward: make(map[string]string, len(forward))}
	for _, name := range credentials {
		h.credentials = append(h.credentials, fold(name))
	}
	for _, name := range forward {
		header, key := forwarded(name)
		if !validKey(key) || header == "" {
			return nil, fmt.Errorf("header %q is no name of gRPC metadata", name)
		}
		if reserved(fold(key)) {
			return nil, fmt.Errorf("header %q is reserved and never passes to a backend", name)
		}
		if slices.Contains(h.credentials, fold(key)) || slices.Contains(h.credentials, fold(header)) {
			return nil, fmt.Errorf("header %q holds credentials, which the gateway checks itself", name)
		}
		if other, named := h.forward[fold(header)]; named && other != key {
			return nil, fmt.Errorf("header %q is to pass as %q already", name, other)
		}
		h.forward[fold(header)] = key
	}
	return h, nil
}

// Chosen returns the metadata that doors without metadata of their own (REST,
// GraphQL) pass to a backend: the tracing headers and what the configuration names. An error is
// an INVALID_ARGUMENT status about a `-bin` header that is not base64.
func (h *Headers) Chosen(from http.Header) (metadata.MD, error) {
	return h.collect(from, false, nil)
}

// Read is Chosen, and shows every header to seen on the way, whatever the error: one pass does for all that a door wants
// to know.
func (h *Headers) Read(from http.Header, seen func(name string, values []string)) (metadata.MD, error) {
	return h.collect(from, false, seen)
}

// All returns the metadata that RPC doors pass to a backend: every header that
// is not reserved, no credential and no claim about an address. Errors are those of Chosen.
func (h *Headers) All(from http.Header) (metadata.MD, error) {
	return h.collect(from, true, nil)
}

func (h *Headers) collect(from http.Header, all bool, seen func(name string, values []string)) (md metadata.MD, err error) {
	md = make(metadata.MD)
	var scratch [longFold]byte
	var hop []string
	for name, values := range from {
		if seen != nil {
			seen(name, values)
		}
		folded := appendFold(scratch[:0], name)
		key, ok := h.key(name, folded, all)
		if !ok {
			continue
		}
		if hop == nil {
			hop = connectionNames(from)
		}
		if slices.Contains(hop, string(folded)) {
			continue
		}
		if fault := addValues(md, key, values); fault != nil {
			err = fault
		}
	}
	if err != nil {
		return nil, err
	}
	return md, nil
}

// longFold is the length of names that are folded without allocating.
const longFold = 64

// key returns the metadata key that a header passes under.
func (h *Headers) key(name string, folded []byte, all bool) (string, bool) {
	for _, key := range tracing {
		if string(folded) == key {
			return key, true
		}
	}
	if len(h.forward) > 0 {
		if key, ok := h.forward[string(folded)]; ok {
			return key, true
		}
	}
	if !all {
		return "", false
	}
	if folded := string(folded); reserved(folded) || personal(folded) || slices.Contains(h.credentials, folded) {
		return "", false
	}
	key := strings.ToLower(name)
	return key, validKey(key)
}

// addValues appends values in the form metadata has. Values that metadata
// cannot carry are left out, as gRPC's HTTP/2 mapping permits.
func addValues(md metadata.MD, key string, values []string) error {
	if !strings.HasSuffix(key, "-bin") {
		if before := md[key]; len(before) == 0 && len(values) == 1 && validValue(values[0]) {
			md[key] = values[:1:1]
			return nil
		}
		for _, v := range values {
			if validValue(v) {
				md[key] = append(md[key], v)
			}
		}
		return nil
	}
	for _, v := range values {
		for _, part := range strings.Split(v, ",") {
			decoded, err := decodeBinary(strings.TrimSpace(part))
			if err != nil {
				return status.Errorf(codes.InvalidArgument, "header %s is not base64", key)
			}
			md[key] = append(md[key], decoded)
		}
	}
	return nil
}

// decodeBinary reads base64 with or without padding, as gRPC demands of receivers.
func decodeBinary(s string) (string, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return string(b), err
}

// challengeKey is the metadata with which a backend says which credentials it wants (RFC 9110, section 11.6.1).
const challengeKey = "www-authenticate"

// CopyChallenge adds to the headers of a response which credentials a backend wants, unless they say so: a
// call that failed at once has its metadata in the trailers.
func CopyChallenge(to http.Header, trailer metadata.MD) {
	const name = "Www-Authenticate"
	if to[name] == nil {
		copyValues(to, name, challengeKey, trailer[challengeKey])
	}
}

// CopyHeader adds the metadata that comes before a backend's messages to the headers of a response, as CopyResponse does. What
// says how a response may be cached (RFC 9111) has no prefix, since it means in metadata what it means in HTTP, and neither has www-authenticate; the
// values of `vary` are keys of request metadata there, and become the names of the headers that pass under these keys.
func (h *Headers) CopyHeader(to http.Header, prefix string, md metadata.MD) {
	for key, values := range md {
		switch key {
		case "vary":
			AddVary(to, h.varies(values))
		case "age", "cache-control", challengeKey:
			copyValues(to, http.CanonicalHeaderKey(key), key, values)
		default:
			h.copyKey(to, prefix, key, values)
		}
	}
}

// CopyResponse adds a backend's metadata to the headers of a response, with
// prefix before each name: empty on RPC doors, Grpc-Metadata- or Grpc-Trailer- on REST as
// grpc-gateway has it, [http.TrailerPrefix] for trailers. Reserved names are left out, `-bin`
// values become base64 without padding.
func (h *Headers) CopyResponse(to http.Header, prefix string, md metadata.MD) {
	for key, values := range md {
		h.copyKey(to, prefix, key, values)
	}
}

func (h *Headers) copyKey(to http.Header, prefix, key string, values []string) {
	if reserved(fold(key)) || !validKey(key) {
		return
	}
	name := http.CanonicalHeaderKey(prefix + key)
	if strings.HasPrefix(prefix, http.TrailerPrefix) {
		name = prefix + key
	}
	copyValues(to, name, key, values)
}

func copyValues(to http.Header, name, key string, values []string) {
	for _, v := range values {
		if strings.HasSuffix(key, "-bin") {
			v = base64.RawStdEncoding.EncodeToString([]byte(v))
		}
		if validValue(v) {
			to[name] = append(to[name], v)
		}
	}
}

// varies returns the headers that pass under keys of metadata, in the form that Vary has (RFC 9110, section 12.5.5).
func (h *Headers) varies(lines []string) []string {
	var names []string
	for _, line := range lines {
		for key := range strings.SplitSeq(line, ",") {
			key = strings.ToLower(strings.TrimSpace(key))
			if key != "*" && !validKey(key) {
				continue
			}
			names = append(names, http.CanonicalHeaderKey(key))
			names = append(names, h.aliases(key)...)
		}
	}
	return names
}

// aliases returns the headers with other names that the configuration forwards under a key of metadata, sorted.
func (h *Headers) aliases(key string) []string {
	var names []string
	for header, passes := range h.forward {
		if passes == key && header != fold(key) {
			names = append(names, http.CanonicalHeaderKey(header))
		}
	}
	slices.Sort(names)
	return names
}

// fold gives all spellings of a header name one form.
func fold(name string) string {
	clean := true
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' || c == '_' || c == '.' {
			clean = false
			break
		}
	}
	if clean {
		return name
	}
	return string(appendFold(nil, name))
}

func appendFold(dst []byte, name string) []byte {
	start := len(dst)
	dst = append(dst, name...)
	for i, c := range dst[start:] {
		switch {
		case 'A' <= c && c <= 'Z':
			dst[start+i] = c + 'a' - 'A'
		case c == '_' || c == '.':
			dst[start+i] = '-'
		}
	}
	return dst
}

// reserved reports whether a folded name never passes, in either direction.
func reserved(folded string) bool {
	switch folded {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
		"te", "trailer", "proxy-authenticate", "proxy-authorization", "http2-settings",
		"host", "date", "expect", "user-agent", "accept-encoding",
		"content-type", "content-length", "content-encoding",
		"x-request-timeout":
		return true
	}
	return strings.HasPrefix(folded, "grpc-") ||
		strings.HasPrefix(folded, "connect-") ||
		strings.HasPrefix(folded, "x-protean-") ||
		strings.HasPrefix(folded, ":")
}

// personal reports whether a folded name is a credential, a claim about the client's address,
// or in grpc-gateway's name.
func personal(folded string) bool {
	switch folded {
	case "authorization", "cookie", "forwarded", "x-real-ip":
		return true
	}
	return strings.HasPrefix(folded, "x-forwarded-") || strings.HasPrefix(folded, runtime.MetadataPrefix)
}

// connectionNames returns the headers that the Connection header makes
// hop-by-hop, folded. It is never nil.
func connectionNames(from http.Header) []string {
	names := []string{}
	for _, line := range from["Connection"] {
		for _, name := range strings.Split(line, ",") {
			names = append(names, fold(strings.TrimSpace(name)))
		}
	}
	return names
}

// validKey reports whether a lower-case name can be a metadata key.
func validKey(key string) bool {
	for i := range len(key) {
		c := key[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return key != ""
}

// validValue reports whether a text can be the value of a key without `-bin`.
func validValue(v string) bool {
	for i := range len(v) {
		if v[i] < 0x20 || v[i] > 0x7e {
			return false
		}
	}
	return true
}
