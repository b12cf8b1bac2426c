package translate

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/protean-gateway/protean/wire"
)

// Google's clients send system parameters in the query beside the fields of a request
// (cloud.google.com/apis/docs/system-parameters). Those that change the meaning of a request or an answer are honoured or
// rejected; those that only serve Google's own infrastructure, and whitespace, are ignored. A field of the request takes
// precedence over a system parameter of the same name.

// systemParameter handles the value of a system parameter.
type systemParameter func(q *query, name, value string) error

var systemParameters = map[string]systemParameter{
	"fields":  (*query).addMask,
	"$fields": (*query).addMask,

	"alt":             (*query).addAlt,
	"$alt":            (*query).addAlt,
	"$outputDefaults": (*query).addOutputDefaults,

	"prettyPrint":  ignoreParameter,
	"$prettyPrint": ignoreParameter,
	"$.xgafv":      ignoreParameter, // the version of the format of errors
	"$apiVersion":  ignoreParameter,
	"$key":         ignoreParameter, // never a credential here, as URLs are logged
	"$quotaUser":   ignoreParameter,
	"$trace":       ignoreParameter,
	"$unique":      ignoreParameter,
	"$userProject": ignoreParameter,

	"$access_token": rejectParameter("send credentials in the Authorization header"),
	"$oauth_token":  rejectParameter("send credentials in the Authorization header"),
	"$callback":     rejectParameter("use CORS instead of JSONP"),
	"$ct":           rejectParameter("send the Content-Type header"),
	"$httpHeaders":  rejectParameter("send the headers as headers"),
	"$httpMethod":   rejectParameter("a request has one method, which is in its request line"),
	"$req":          rejectParameter("send the body as the body"),
}

// systemParametersOf returns the system parameters whose names are not those of fields.
func systemParametersOf(m *wire.Message) map[string]systemParameter {
	left := systemParameters
	for name := range systemParameters {
		if m.FieldByName(name) != nil {
			if len(left) == len(systemParameters) {
				left = maps.Clone(systemParameters)
			}
			delete(left, name)
		}
	}
	return left
}

func ignoreParameter(*query, string, string) error { return nil }

func rejectParameter(reason string) systemParameter {
	return func(_ *query, name, _ string) error {
		return refuse(http.StatusBadRequest, fmt.Sprintf("query parameter %q is not supported: %s", name, reason))
	}
}

// addAlt chooses the media type of the answer, and how enums are written in JSON: `json;enum-encoding=int`.
func (q *query) addAlt(name, value string) error {
	kind, params, _ := strings.Cut(value, ";")
	switch kind {
	case "", "json":
		q.setFormat(typeJSON)
	case "sse":
		q.setFormat(typeEvents)
	case "media":
		if !q.route.answer.raw() {
			return invalid(fmt.Sprintf("query parameter %q: the answer is JSON, not media", name), name, "not json or sse")
		}
	default:
		return invalid(fmt.Sprintf("query parameter %q: %q is not supported; answers are json, sse or, of google.api.HttpBody, media",
			name, kind), name, "not json, sse or media")
	}
	for param := range strings.SplitSeq(params, ";") {
		if encoding, ok := strings.CutPrefix(strings.TrimSpace(param), "enum-encoding="); ok {
			if encoding != "int" && encoding != "string" {
				return invalid(fmt.Sprintf("query parameter %q: %q is not a valid enum-encoding; use int or string", name, encoding), name, "not int or string")
			}
			q.accepted.options.EnumNumbers = encoding == "int"
		}
	}
	return nil
}

// setFormat chooses the form of a stream of answers, as an Accept header with the media type does.
func (q *query) setFormat(kind string) {
	if format, rank := q.route.formatOf(kind); rank > 0 {
		q.accepted.format = format
	}
}

func (q *query) addOutputDefaults(name, value string) error {
	defaults, err := strconv.ParseBool(value)
	if err != nil {
		return invalid(fmt.Sprintf("query parameter %q: %q is not a valid bool", name, value), name, "not a bool")
	}
	q.accepted.options.EmitDefaults = defaults
	return nil
}
