package wire_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// FuzzRandomSelect compares a random selection with a walk of an object by reflection:
// the JSON, the faults, and the keys of a join.
func FuzzRandomSelect(f *testing.F) { fuzzRandom(f, checkRandomSelect) }

func checkRandomSelect(t *testing.T, types []byte, seed uint64, raw []byte, choice byte) {
	s := randomSchemaOf(types)
	if s == nil {
		return
	}
	m := s.randomMessage(choice)
	msg := s.randomWire(m, seed, raw, choice)
	maker := selectionMaker{Rand: rand.New(rand.NewPCG(seed, 5)), t: t}
	set := maker.set(m, 3)
	projection, err := m.Select(set)
	if err != nil {
		t.Fatal(err)
	}
	object, err := s.object(m, msg)
	if err != nil {
		_, _ = projection.AppendJSON(nil, msg, nil) // it may look at less than a parser
		return
	}
	walk := selectionWalk{schema: s, path: maker.key}
	s.compareSelection(t, projection, &walk, object.ProtoReflect(), set, msg)
	if maker.key != nil {
		compareKeys(t, projection, &walk, maker.key, msg)
	}
}

func (s *decodeSchema) compareSelection(t *testing.T, p *wire.Projection, walk *selectionWalk, object protoreflect.Message, set []wire.Selection, msg []byte) {
	t.Helper()
	want, ok := walk.object(object, set, "")
	if !ok {
		want = "null"
	}
	var sink wire.Sink
	got, err := p.AppendJSON(nil, msg, &sink)
	switch {
	case err == wire.ErrTooManyFaults && len(walk.faults) > wire.DefaultMaxFaults:
		return
	case walk.unfit != nil:
		return // a string of proto2 that is not UTF-8, or an Any that protojson does not know or cannot read
	case err != nil && err != wire.ErrNull && (strings.Contains(err.Error(), "required") || strings.Contains(err.Error(), "too deep")):
		return
	case err != nil && err != wire.ErrNull, (err == wire.ErrNull) == ok, string(got) != want:
		t.Fatalf("%x\ngot  %s, %v\nwant %s", msg, got, err, want)
	}
	if faults := strings.Join(walk.faults, "\n"); len(walk.faults) <= wire.DefaultMaxFaults && faultPaths(sink.Faults) != faults {
		t.Fatalf("%x\n%s\nfaults\n%s\nwant\n%s", msg, got, faultPaths(sink.Faults), faults)
	}
	compareCensus(t, p, object)
}

// compareCensus checks that a census of a message, as an encoder writes it, never counts more than is written.
func compareCensus(t *testing.T, p *wire.Projection, object protoreflect.Message) {
	t.Helper()
	msg, err := proto.Marshal(object.Interface())
	if err != nil {
		return
	}
	var sink wire.Sink
	written, err := p.AppendJSON(nil, msg, &sink)
	if err != nil || len(sink.Faults) > 0 {
		return
	}
	c := p.NewCensus(nil)
	if c.Add(msg, 1); c.LeastSize() > len(written) {
		t.Fatalf("%x\n%s\nthe census has %d bytes, %d are written", msg, written, c.LeastSize(), len(written))
	}
}

func faultPaths(faults []wire.Fault) string {
	var lines []string
	for _, f := range faults {
		line := ""
		for _, place := range f.Path {
			line += fmt.Sprintf(".%v", place)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// compareKeys checks what Keys yields for the one join that was selected.
func compareKeys(t *testing.T, p *wire.Projection, walk *selectionWalk, path *wire.Path, msg []byte) {
	t.Helper()
	var got []string
	err := p.Keys(msg, 0, path, func(ordinal int, values []wire.Value) {
		if ordinal != len(got) {
			t.Fatalf("ordinal %d comes as number %d", ordinal, len(got))
		}
		if isAbsentZero(path.Field(), values) {
			values = nil // a zero that was written is yielded
		}
		got = append(got, fmt.Sprint(values))
	})
	if err != nil {
		if strings.Contains(err.Error(), "required") || strings.Contains(err.Error(), "too deep") {
			return
		}
		t.Fatalf("%x: %v", msg, err)
	}
	if fmt.Sprint(got) != fmt.Sprint(walk.keys) {
		t.Fatalf("%s in %x\ngot  %v\nwant %v", path, msg, got, walk.keys)
	}
}

// selectionMaker makes selections with at most one join.
type selectionMaker struct {
	*rand.Rand
	t   *testing.T
	key *wire.Path // of the join, from the message that it is selected in
}

func (r *selectionMaker) set(m *wire.Message, depth int) []wire.Selection {
	set := []wire.Selection{}
	for _, f := range m.Fields() {
		if r.IntN(4) == 0 {
			continue
		}
		s := wire.Selection{Key: fmt.Sprintf("k%d", len(set)), Field: f, NonNull: r.IntN(8) == 0}
		if f.Message() != nil && depth > 0 && r.IntN(4) > 0 {
			s.Children = r.set(f.Message(), depth-1)
		}
		set = append(set, s)
	}
	for i := range m.Descriptor().Oneofs().Len() {
		if !m.Descriptor().Oneofs().Get(i).IsSynthetic() && r.IntN(2) == 0 {
			set = append(set, r.oneof(m, i))
		}
	}
	if r.key == nil && r.IntN(4) == 0 && !m.Descriptor().IsMapEntry() && len(m.Fields()) > 0 {
		if path := randomPath(r.t, m, r.Rand); path.Field().Message() == nil {
			r.key = path
			set = append(set, wire.Selection{Kind: wire.SelectJoin, Key: "join"})
		}
	}
	r.Shuffle(len(set), func(i, j int) { set[i], set[j] = set[j], set[i] })
	return set
}

func (r *selectionMaker) oneof(m *wire.Message, i int) wire.Selection {
	s := wire.Selection{Kind: wire.SelectOneof, Key: fmt.Sprintf("one%d", i), Oneof: i, Cases: make(map[protowire.Number]string)}
	for _, f := range m.Fields() {
		s.Cases[f.Number()] = fmt.Sprint(f.Number())
	}
	return s
}
