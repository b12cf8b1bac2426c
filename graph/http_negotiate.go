package graph

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/protean-gateway/protean/translate/transport"
)

// The media types of responses.
const (
	mediaGraphQL = "application/graphql-response+json"
	mediaJSON    = "application/json"
	mediaEvents  = "text/event-stream"
	mediaHTML    = "text/html"
	// mediaParts stands for multipart/mixed with subscriptionSpec=1.0, which Apollo's clients ask for.
	mediaParts = "multipart/mixed;subscriptionSpec=1.0"
)

// acceptance is what a client's Accept header says of each media type that there
// is here: a quality from 0, not acceptable, to 1.
type acceptance struct {
	graphQL, json, events, html float64
	parts                       float64
	eventsNamed                 bool // not by a wildcard only

	compresses bool     // responses may be compressed
	codings    []string // how, as Accept-Encoding says
}

// negotiate also reads how responses may be compressed, where they may.
func (d *door) negotiate(h http.Header) acceptance {
	a := negotiate(h)
	if !d.options.CompressionDisabled {
		a.compresses, a.codings = true, h["Accept-Encoding"]
	}
	return a
}

// negotiate reads the Accept header (RFC 9110, section 12.5.1). Wildcards never
// bring a page of HTML, or a media type that only a GraphQL client knows.
func negotiate(h http.Header) acceptance {
	lines := h["Accept"]
	switch len(lines) {
	case 0:
		return acceptanceOf("")
	case 1:
		if a, ok := usual[lines[0]]; ok {
			return a
		}
	}
	return acceptanceOf(strings.Join(lines, ","))
}

// usual are the Accept headers that most clients send, read once.
var usual = func() map[string]acceptance {
	m := make(map[string]acceptance)
	for _, accept := range []string{
		"", "*/*", mediaJSON, mediaGraphQL,
		"application/graphql-response+json, application/json",
		"application/graphql-response+json,application/json;q=0.9",
		"application/graphql-response+json, application/json;q=0.9",
		"application/json, text/plain, */*",
	} {
		m[accept] = acceptanceOf(accept)
	}
	return m
}()

func acceptanceOf(accept string) acceptance {
	if strings.Trim(accept, " \t,") == "" { // no media range, which is as if the header were absent
		return acceptance{json: 1, events: 1}
	}
	quality := parseAccept(accept)
	or := func(media string, wildcards ...string) float64 {
		for _, m := range append([]string{media}, wildcards...) {
			if q, ok := quality[m]; ok {
				return q
			}
		}
		return 0
	}
	_, named := quality[mediaEvents]
	return acceptance{
		graphQL:     or(mediaGraphQL),
		json:        or(mediaJSON, "application/*", "*/*"),
		events:      or(mediaEvents, "text/*", "*/*"),
		html:        or(mediaHTML),
		parts:       or(mediaParts),
		eventsNamed: named,
	}
}

// parseAccept returns the quality of each media range. What cannot be read is left out.
func parseAccept(accept string) map[string]float64 {
	quality := make(map[string]float64)
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		if media == "multipart/mixed" && params["subscriptionspec"] == "1.0" {
			media = mediaParts
		}
		quality[media] = max(quality[media], q)
	}
	return quality
}

// single reports whether a response of one piece is acceptable.
func (a acceptance) single() bool { return a.graphQL > 0 || a.json > 0 }

// prefersEvents reports whether even an operation with one response is to be
// answered by an event stream.
func (a acceptance) prefersEvents() bool {
	return a.eventsNamed && a.events > max(a.graphQL, a.json)
}

// streams reports whether a response of several pieces is acceptable.
func (a acceptance) streams() bool { return a.events > 0 || a.parts > 0 }

// prefersParts reports whether a response of several pieces is to be multipart, rather than an event stream.
func (a acceptance) prefersParts() bool {
	return a.parts > 0 && (a.parts >= a.events || !a.eventsNamed)
}

// media is the type of a response of one piece. A client that accepts neither
// type gets its refusal as plain JSON.
func (a acceptance) media() string {
	if a.graphQL > 0 && a.graphQL >= a.json {
		return mediaGraphQL
	}
	return mediaJSON
}

// isJSON reports whether a Content-Type is JSON in UTF-8.
func isJSON(contentType string) bool {
	if contentType == mediaJSON {
		return true
	}
	media, params, err := mime.ParseMediaType(contentType)
	return err == nil && media == mediaJSON && transport.IsUTF8(params["charset"])
}
