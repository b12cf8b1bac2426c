package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"
)

// asAny returns a value as package json would decode it.
func asAny(v value) any {
	n := v.node()
	switch {
	case v.isNull():
		return nil
	case n.kind == jsonNumber:
		text, _ := v.number()
		return json.Number(text)
	case n.kind == jsonString:
		text, _ := v.text()
		return text
	case n.kind == jsonList:
		list := make([]any, n.size)
		for i, element := range v.elements() {
			list[i] = asAny(element)
		}
		return list
	case n.kind == jsonObject:
		object := make(map[string]any, n.size)
		for name, member := range v.json.members(v.at) {
			object[v.json.string(name)] = asAny(member)
		}
		return object
	}
	truth, _ := v.boolean()
	return truth
}

// FuzzJSON reads documents, and compares with package json.
func FuzzJSON(f *testing.F) {
	for _, document := range []string{
		`{"query":"{ a }"}`, ` { "query" : "query Q { a(b: \"c\") }\n" , "variables" : { } , "extensions" : null } `,
		`[]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `{}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{1:2}`, `{"a" 1}`, `null`, `nul`, `truer`, `true`, `false`,
		`0`, `-0`, `01`, `-`, `1.`, `.5`, `1.5e3`, `1e`, `1E+2`, `1e-`, `+1`, `"`, `"a`, `"\"`, `"\x"`, `"\u12"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`,
		`"\ud83dx"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`, "\"\x01\"", "\"0123456\x1f\"", `"01234567\"9"`, `"é\\\/"`, `{"a":1,"a":2}`, `{"a":1,"\u0061":[{"b":1,"b":2}]}`,
		``, ` `, `1 2`, `[[[[]]]]`, `{"a":[1,"b",{"c":null}],"d":true}`, `]`, `}`, `[}`, `{]`,
	} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		if !utf8.Valid(document) {
			return
		}
		var want any
		wrong := decodeJSON(document, &want)
		d := new(jsonText)
		err := d.read(bytes.Clone(document))
		if errors.Is(err, errTooManyValues) || errors.Is(err, errTooDeep) {
			return
		}
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%q: %v, and of package json %v", document, err, wrong)
		}
		if err == nil && !reflect.DeepEqual(asAny(d.root()), want) {
			t.Errorf("%q: %v, want %v", document, asAny(d.root()), want)
		}
		if err == nil {
			checkWritten(t, d.root(), want)
		}
	})
}

// checkWritten checks that what is passed on as it is written means the same, and so does a string without its escapes.
func checkWritten(t *testing.T, v value, want any) {
	t.Helper()
	var again any
	if err := decodeJSON([]byte(v.written()), &again); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("written %s: %v, want %v", v.written(), again, want)
	}
	if text, ok := want.(string); ok {
		v.json.plain(v)
		if got, _ := v.text(); got != text {
			t.Errorf("without escapes %q, want %q", got, text)
		}
	}
}

// TestManyMembers: names are compared otherwise where there are many, and the last of two counts nevertheless.
func TestManyMembers(t *testing.T) {
	for _, n := range []int{fewMembers - 1, fewMembers, fewMembers + 1, 1000} {
		document := `{"\u0061":1,` + repeated(`"m%d":1,`, n) + `"a":2,"b":[{}]}`
		d := new(jsonText)
		if err := d.read([]byte(document)); err != nil {
			t.Fatal(err)
		}
		last, _ := d.root().field("a")
		if text, _ := last.number(); text != "2" || d.root().size() != n+2 {
			t.Errorf("%d members: %s of %d", n, text, d.root().size())
		}
		if _, ok := d.root().field("c"); ok {
			t.Error("a member that is not there was found")
		}
	}
}

// TestDeepJSON: what nests deeper than it may is refused.
func TestDeepJSON(t *testing.T) {
	for depth, ok := range map[int]bool{maxJSONDepth: true, maxJSONDepth + 1: false, 1_000_000: false} {
		document := append(bytes.Repeat([]byte("["), depth), bytes.Repeat([]byte("]"), depth)...)
		if err := new(jsonText).read(document); (err == nil) != ok || err != nil && !errors.Is(err, errTooDeep) {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}
