package translate

import (
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Connect serves methods by the Connect protocol (connectrpc.com/docs/protocol),
// version 1, over any version of HTTP. It is immutable and safe for concurrent use.
//
// A method without streams is a plain POST of one message, or a GET where it has no
// side effects; one with streams has frames in both directions.
type Connect struct{ methods *Methods }

// NewConnect returns the Connect door to methods.
func NewConnect(m *Methods) *Connect { return &Connect{m} }

// Takes reports whether a request is Connect, and not REST at the default path of
// a method: it says so in the header Connect-Protocol-Version, in a content type that only
// Connect has, or in the query of a GET.
func (c *Connect) Takes(r *http.Request) bool {
	if r.Header[protocolVersion] != nil {
		return true
	}
	switch kind := mediaType(r.Header); {
	case strings.HasPrefix(kind, "application/connect+"):
		return true
	case r.Method == http.MethodPost:
		return kind == typeProto && c.serves(r) || foreign(kind, r.Header) && c.servesNoRaw(r)
	default:
		return isConnectGet(r) && c.serves(r)
	}
}

// saysConnect is [Connect.Takes] for a request whose method may not exist.
func saysConnect(r *http.Request) bool {
	return r.Header[protocolVersion] != nil || mediaType(r.Header) == typeProto || isConnectGet(r)
}

func isConnectGet(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.RawQuery, "connect=v1")
}

// foreign reports whether a body has a media type that no door speaks, from a client that does
// not say either what it reads. Such a client is not known to speak REST, whose errors are JSON: the
// refusal is all in the status and in Accept-Post, as RPC has it.
func foreign(kind string, h http.Header) bool {
	if kind == "" || acceptsSomething(h) {
		return false
	}
	switch kind {
	case typeJSON, typeNDJSON, typeForm, typeMultipart:
		return false
	default:
		return !strings.HasSuffix(kind, "+json")
	}
}

// acceptsSomething reports whether an Accept header names a media range. One that is empty counts as absent.
func acceptsSomething(h http.Header) bool {
	return slices.ContainsFunc(h["Accept"], func(line string) bool { return strings.Trim(line, " \t,") != "" })
}

const (
	protocolVersion = "Connect-Protocol-Version"
	typeProto       = "application/proto"
)

func (c *Connect) serves(r *http.Request) bool {
	_, err := c.methods.lookup(r)
	return err == nil
}

// servesNoRaw is serves for methods that do not take bodies of every type.
func (c *Connect) servesNoRaw(r *http.Request) bool {
	m, err := c.methods.lookup(r)
	return err == nil && !isHTTPBody(m.Input)
}

// ServeHTTP carries out one call. Requests that are no Connect get an HTTP error
// in plain text, all others what the protocol has for errors.
func (c *Connect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		c.serveGet(w, r)
		return
	}
	if onlyPost(w, r, "Connect") {
		return
	}
	kind := mediaType(r.Header)
	if format, ok := connectStreamFormats[kind]; ok {
		c.serveStream(w, r, format)
		return
	}
	if format, ok := connectFormats[kind]; ok {
		c.servePost(w, r, format)
		return
	}
	unsupported(w, unaryTypes+", "+streamTypes)
}

// connectFormats are the media types of methods without streams.
var connectFormats = map[string]rpcFormat{
	typeProto:          {contentType: []string{typeProto}},
	"application/json": {contentType: contentTypeJSON, codec: jsonCodec},
}

// connectStreamFormats are the media types of methods with streams.
var connectStreamFormats = map[string]rpcFormat{
	"application/connect+proto": {contentType: []string{"application/connect+proto"}},
	"application/connect+json":  {contentType: []string{"application/connect+json"}, codec: jsonCodec},
}

const (
	unaryTypes  = "application/proto, application/json"
	streamTypes = "application/connect+proto, application/connect+json"
)

// unsupported refuses a content type.
func unsupported(w http.ResponseWriter, accepted string) {
	w.Header().Set("Accept-Post", accepted)
	http.Error(w, "the content type must be one of "+accepted, http.StatusUnsupportedMediaType)
}

// checkVersion refuses versions of the protocol that are not known. A client that
// names none speaks the first.
func checkVersion(h http.Header) error {
	if v := h.Get(protocolVersion); v != "" && v != "1" {
		return status.Error(codes.InvalidArgument, "connect-protocol-version must be 1")
	}
	return nil
}
