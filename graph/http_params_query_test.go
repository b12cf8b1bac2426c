package graph

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/99designs/gqlgen/graphql"
)

// plainQuery is decodeQuery by means of encoding/json.
func plainQuery(document []byte) (*graphql.RawParams, bool) {
	var members map[string]any
	if json.Unmarshal(document, &members) != nil {
		return nil, false
	}
	if _, isText := members["operationName"].(string); members["operationName"] != nil && !isText {
		return nil, false
	}
	p := new(graphql.RawParams)
	p.Query, _ = members["query"].(string)
	p.OperationName, _ = members["operationName"].(string)
	for _, name := range []string{"variables", "extensions"} {
		if object, ok := members[name].(map[string]any); members[name] != nil && (!ok || len(object) > 0) {
			return nil, false
		}
	}
	return p, true
}

func FuzzDecodeQuery(f *testing.F) {
	for _, document := range []string{
		`{"query":"{ a }"}`,
		` { "query" : "query Q { a(b: \"c\") }\n" , "operationName" : "Q" , "variables" : { } , "extensions" : null } `,
		`{"query":"{ a }","operationName":null}`,
		`{"query":"\u0041"}`, `{"query":"{ a }","query":"{ b }"}`, `{"Query":"{ a }"}`, `{"query":1}`, `{"query":"\"}`, `[]`, `{}`, `null`,
		`{"query":"{ a }","operationName":"Q","operationName":null}`, `{"query":"{ a }","operationName":{}}`,
		`{"query":"{ a }","variables":{"a":1}}`, `{"query":"{ a }"}}`, `{"qu\u0065ry":"{ a }"}`, `{"query":"é\\\/"}`, `"`, ``,
	} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var got graphql.RawParams
		if !decodeQuery(document, &got) {
			if got.Query != "" {
				t.Errorf("%q: params of what was not decoded: %v", document, got)
			}
			return
		}
		want, ok := plainQuery(document)
		if !ok {
			t.Fatalf("%q was decoded: %v", document, got)
		}
		// decodeParams has refused what is not UTF-8 before.
		if json.Valid(document) && !reflect.DeepEqual(*want, got) && string([]rune(string(document))) == string(document) {
			t.Errorf("%q: %v, want %v", document, got, *want)
		}
	})
}
