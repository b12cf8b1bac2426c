package translate

import (
	"net/http"
	"strings"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// What a client says in Accept decides how a stream is written, and may ask for other
// JSON than the service's options do:
//
//	Accept: application/json; emit-defaults=true; enum-numbers=true
//
// The parameters are those of jsonParameters, each true or false. They hold for
// any of the media types below.

// Media types of answers, besides that of google.api.HttpBody.
const (
	typeJSON    = "application/json"
	typeNDJSON  = "application/x-ndjson"
	typeEvents  = "text/event-stream"
	typeProblem = "application/problem+json" // of errors
)

// streamFormat is how a stream of answers is written.
type streamFormat uint8

const (
	formatFrames    streamFormat = iota // NDJSON
	formatEnvelopes                     // as grpc-gateway does
	formatArray
	formatEvents // SSE
	formatRaw    // google.api.HttpBody
)

var errNotAcceptable = refuse(http.StatusNotAcceptable,
	"streams are answered as "+typeNDJSON+", "+typeEvents+" or "+typeJSON)

// accepted is what the Accept header comes to.
type accepted struct {
	format  streamFormat
	options wire.Options
}

// accept reads the lines of an Accept header for a route. It reports false if the client accepts none of the forms of a
// stream. A header without a media range counts as absent.
func (r *route) accept(lines []string) (a accepted, ok bool) {
	a = accepted{format: r.streams, options: r.answer.options}
	if len(lines) == 0 || len(lines) == 1 && lines[0] == "*/*" {
		return a, true
	}
	best, empty := 0, true
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			kind, params, _ := strings.Cut(item, ";")
			if kind = strings.TrimSpace(kind); kind == "" {
				continue
			}
			empty = false
			format, rank := r.formatOf(strings.ToLower(kind))
			if rank > 0 {
				rank += 2 * transport.Weight(params)
			}
			if rank > 2 && rank > best { // 2: a weight of nothing
				best = rank
				a.format = format
				a.options = jsonOptionsOf(params, r.answer.options)
			}
		}
	}
	return a, empty || best > 0 || r.streams == formatRaw
}

// formatOf returns the form of a stream for a media range. Of two that are liked
// equally, the one with the higher rank is taken: what is named before a wildcard. A range that
// stands for none has no rank.
func (r *route) formatOf(kind string) (f streamFormat, rank int) {
	if r.streams == formatRaw {
		return formatRaw, 1
	}
	switch kind {
	case "*/*", "application/*":
		return r.streams, 1
	case typeNDJSON:
		return formatFrames, 2
	case typeEvents:
		return formatEvents, 2
	case typeJSON:
		if r.streams == formatEnvelopes { // that is what their media type is called
			return formatEnvelopes, 2
		}
		return formatArray, 2
	default:
		return 0, 0
	}
}

// formatFor is how streams are written for clients that name no form.
func formatFor(o *optionsv1.RESTService) streamFormat {
	if o.GetStreams() == optionsv1.RESTService_STREAM_FORMAT_GRPC_GATEWAY {
		return formatEnvelopes
	}
	return formatFrames
}

// jsonParameters are the parameters of a media type that ask for JSON of another kind.
var jsonParameters = map[string]func(*wire.Options) *bool{
	"emit-defaults": func(o *wire.Options) *bool { return &o.EmitDefaults },
	"proto-names":   func(o *wire.Options) *bool { return &o.ProtoNames },
	"enum-numbers":  func(o *wire.Options) *bool { return &o.EnumNumbers },
	"html-safe":     func(o *wire.Options) *bool { return &o.HTMLSafe },
}

// jsonOptionsOf changes options as the parameters of a media type ask. What is no such
// parameter is ignored, as in any Accept header.
func jsonOptionsOf(params string, o wire.Options) wire.Options {
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		option := jsonParameters[strings.ToLower(name)]
		if option == nil || value != "true" && value != "false" {
			continue
		}
		*option(&o) = value == "true"
	}
	return o
}
