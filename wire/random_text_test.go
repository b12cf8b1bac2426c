package wire_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// FuzzRandomText compares AppendText with protojson on the same value in JSON, alone and
// behind a body that has any values. The text is the raw bytes.
func FuzzRandomText(f *testing.F) { fuzzRandom(f, checkRandomText) }

func checkRandomText(t *testing.T, types []byte, seed uint64, raw []byte, choice byte) {
	s := randomSchemaOf(types)
	if s == nil {
		return
	}
	m := s.randomMessage(choice)
	r := rand.New(rand.NewPCG(seed, 4))
	path := randomPath(t, m, r)
	text := string(raw)
	if len(raw) == 0 {
		text = randomTexts[r.IntN(len(randomTexts))]
	}
	say := textInJSON(path.Field())
	if say == nil || leadsThroughKnown(path) || emptyExponent.MatchString(text) {
		return
	}
	out, gotErr := path.AppendText(nil, text)
	want, wantErr := s.plain(m, []byte(documentAt(path, say(text))), wire.DecodeOptions{AllowPartial: true})
	if accepts := wantErr == nil && utf8.ValidString(text); accepts != (gotErr == nil) {
		t.Fatalf("%s=%q: %v; as JSON: %v", path, text, gotErr, wantErr)
	}
	if gotErr != nil {
		return
	}
	if got := s.unmarshal(t, m, out); !proto.Equal(got, want) {
		t.Fatalf("%s=%q\ngot  %v\nwant %v", path, text, got, want)
	}
	s.checkWins(t, m, path, out, s.randomWire(m, seed, nil, choice))
}

var randomTexts = []string{
	"", "0", "-1", "1e3", "1.5", "true", "false", "E0_V0", "E1_V0", "NULL_VALUE", "NaN", "-Infinity", "AQ", "-_8=", "é", "\xff", "x y",
	"2020-01-01T00:00:00Z", "1.5s", "-0s", "18446744073709551615", "4294967296", "null",
	strings.Repeat("\xbd", 70), strings.Repeat("é", 70), strings.Repeat("9", 70),
}

// textInJSON returns how a text is said in JSON, or nil where the field takes no text
// or takes other forms than JSON does.
func textInJSON(f *wire.Field) func(string) string {
	switch {
	case f.IsMap():
		return nil
	case f.Kind() == protoreflect.BoolKind:
		return rawBool
	case f.Kind() == protoreflect.EnumKind:
		return nameOrNumber
	case f.Message() == nil:
		return quoteJSON
	}
	switch f.Message().FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.StringValue", "google.protobuf.BytesValue",
		"google.protobuf.Int64Value", "google.protobuf.UInt32Value", "google.protobuf.DoubleValue", "google.protobuf.FloatValue":
		return quoteJSON
	case "google.protobuf.BoolValue":
		return rawBool
	}
	return nil
}

// leadsThroughKnown reports whether a path leads into a message whose JSON is no
// object of its fields.
func leadsThroughKnown(path *wire.Path) bool {
	for _, f := range path.Fields() {
		if f.Descriptor().ContainingMessage().ParentFile().Package() == "google.protobuf" {
			return true
		}
	}
	return false
}

// documentAt returns the document that has a value at a path.
func documentAt(path *wire.Path, value string) string {
	if path.Field().IsList() {
		value = "[" + value + "]"
	}
	for i := len(path.Fields()) - 1; i >= 0; i-- {
		value = "{" + quoteJSON(path.Fields()[i].JSONName()) + ":" + value + "}"
	}
	return value
}

// checkWins checks that a value that is appended to a body is the one that is read.
func (s *decodeSchema) checkWins(t *testing.T, m *wire.Message, path *wire.Path, text, body []byte) {
	if path.Field().IsList() || path.Field().Message() != nil {
		return
	}
	if _, err := s.object(m, body); err != nil {
		return
	}
	values := func(msg []byte) (all []wire.Value) {
		if err := path.Values(msg, func(v wire.Value) bool { all = append(all, v); return true }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got, want := values(append(body, text...)), values(text); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s: %x behind %x: got %v, want %v", path, text, body, got, want)
	}
}
