package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/protean-gateway/protean/wire"
)

// The targets here run on message types that are made from the first argument, and on
// values that are made from the second, or are the raw bytes as they come.

// randomCheck is one case of a target. Types are the seed of a schema.
type randomCheck func(t *testing.T, types []byte, seed uint64, raw []byte, choice byte)

// fuzzRandom runs a check from a few hundred schemas on: every run of the tests has them too.
func fuzzRandom(f *testing.F, check randomCheck) {
	for n := range 300 {
		f.Add(randomSeed(n), uint64(n), []byte(nil), byte(n))
	}
	f.Add(randomSeed(1), uint64(1), []byte("\x08\x01\x12\x02\xc3\x28"), byte(0))
	f.Add(randomSeed(2), uint64(2), []byte("{\"f1\":{\"f2\":[1,null]}}"), byte(1))
	f.Fuzz(check)
}

var randomCases = flag.Int("random", 1000, "how many cases TestRandomCases runs of each check")

// casesPerSchema is how often a schema is used: to make one takes longer than to use it.
const casesPerSchema = 16

// TestRandomCases runs the checks of the fuzz targets on random arguments, far faster than a fuzzer
// that measures coverage: -random=1000000 takes some minutes for each.
func TestRandomCases(t *testing.T) {
	for name, check := range map[string]randomCheck{
		"out": checkRandomOut, "in": checkRandomIn, "round trip": checkRandomRoundTrip,
		"path": checkRandomPath, "text": checkRandomText, "select": checkRandomSelect, "redact": checkRandomRedact,
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(*randomCases), 6))
			for n := range *randomCases {
				types, seed, raw, choice := randomSeed(n/casesPerSchema), r.Uint64(), randomRaw(r), byte(r.Uint32())
				report := func() { t.Logf("case %d: types %x, seed %d, raw %x, choice %d", n, types, seed, raw, choice) }
				runReporting(t, report, func() { check(t, types, seed, raw, choice) })
			}
		})
	}
}

// runReporting runs a case, and reports it if it ends the test.
func runReporting(t *testing.T, report, check func()) {
	defer func() {
		if t.Failed() {
			report()
		}
	}()
	check()
}

// randomRaw returns a few random bytes, or mostly none.
func randomRaw(r *rand.Rand) []byte {
	if r.IntN(4) > 0 {
		return nil
	}
	raw := make([]byte, r.IntN(24))
	for i := range raw {
		raw[i] = byte(r.Uint32() >> r.IntN(8))
	}
	return raw
}

// randomWire returns the raw bytes, or a message of the type, or two of them in a row, or
// a message with the raw bytes behind it.
func (s *decodeSchema) randomWire(m *wire.Message, seed uint64, raw []byte, choice byte) []byte {
	if len(raw) > 0 && choice&0x80 == 0 {
		return raw
	}
	made := s.wireMaker(seed).message(m.Descriptor(), 4)
	if choice&0x40 != 0 {
		made = append(made, s.wireMaker(seed+1).message(m.Descriptor(), 3)...)
	}
	return append(made, raw...)
}

func randomOptions(choice byte) wire.Options {
	return wire.Options{EmitDefaults: choice&4 != 0, ProtoNames: choice&8 != 0, EnumNumbers: choice&16 != 0}
}

// FuzzRandomOut compares AppendJSON with dynamicpb and protojson.
func FuzzRandomOut(f *testing.F) { fuzzRandom(f, checkRandomOut) }

func checkRandomOut(t *testing.T, types []byte, seed uint64, raw []byte, choice byte) {
	s := randomSchemaOf(types)
	if s == nil {
		return
	}
	m := s.randomMessage(choice)
	s.compareJSON(t, m, s.new(m), s.randomWire(m, seed, raw, choice), randomOptions(choice))
}

// FuzzRandomIn compares AppendWire with protojson.
func FuzzRandomIn(f *testing.F) { fuzzRandom(f, checkRandomIn) }

func checkRandomIn(t *testing.T, types []byte, seed uint64, raw []byte, choice byte) {
	s := randomSchemaOf(types)
	if s == nil {
		return
	}
	m := s.randomMessage(choice)
	o := wire.DecodeOptions{IgnoreUnknown: choice&4 != 0, AllowPartial: choice&8 != 0}
	document := raw
	if len(raw) == 0 {
		document = []byte(s.documentMaker(seed).message(m, 3))
	} else if isTooDeep(raw) || deviates(raw, o) {
		return
	}
	s.compare(t, m, document, o)
}

// isTooDeep reports whether our bound on the depth of JSON may refuse a document.
func isTooDeep(document []byte) bool {
	return bytes.Count(document, []byte("{"))+bytes.Count(document, []byte("[")) > 90
}

// FuzzRandomRoundTrip writes a message as JSON, reads that, and writes it again.
func FuzzRandomRoundTrip(f *testing.F) { fuzzRandom(f, checkRandomRoundTrip) }

func checkRandomRoundTrip(t *testing.T, types []byte, seed uint64, raw []byte, choice byte) {
	s := randomSchemaOf(types)
	if s == nil {
		return
	}
	m := s.randomMessage(choice)
	o := randomOptions(choice)
	msg := s.randomWire(m, seed, raw, choice)
	first, err := m.Project(o).AppendJSON(nil, msg, nil)
	if err != nil {
		return
	}
	if !json.Valid(first) || !utf8.Valid(first) {
		t.Fatalf("%x is written as %q", msg, first)
	}
	back, err := m.AppendWire(nil, first, wire.DecodeOptions{})
	if err != nil {
		if isTooDeep(first) || strings.Contains(err.Error(), "unknown type") {
			return // of an Any, which is then written in base64
		}
		t.Fatalf("%x is written as %s, which we refuse: %v", msg, first, err)
	}
	second, err := m.Project(o).AppendJSON(nil, back, nil)
	if err == nil && bytes.Contains(first, []byte("null")) {
		return // a NullValue of any number is written as null and read as 0, which may be absence
	}
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%x\nis written as %s\nread as %x\nwritten as %s, %v", msg, first, back, second, err)
	}
}
