package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

var errDown = errors.New("the backend is down")

func mustSelect(t *testing.T, m *wire.Message, selection string) *wire.Projection {
	t.Helper()
	p, err := m.Select(parseSelection(t, m, selection))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSplice(t *testing.T) {
	tests := []struct {
		name, selection, message string
		down                     string // the `join.ordinal` that fail
		want, faults             string
	}{
		{name: "in place", selection: "name a:$7 first { b:$3 }", message: `{"name":"x","first":{}}`,
			want: `{"name":"x","a":"7.0","first":{"b":"3.0"}}`},
		{name: "ordinals go through lists and maps", selection: "books { j:$1 sequel { k:$2 } } byCode { value { l:$3 } }",
			message: `{"books":[{"sequel":{}},{},{"sequel":{}}],"byCode":{"a":{},"b":{}}}`,
			want:    `{"books":[{"j":"1.0","sequel":{"k":"2.0"}},{"j":"1.1","sequel":null},{"j":"1.2","sequel":{"k":"2.1"}}],"byCode":[{"value":{"l":"3.0"}},{"value":{"l":"3.1"}}]}`},
		{name: "a failure is null", selection: "books { j:$1 }", message: `{"books":[{},{}]}`, down: "1.1",
			want: `{"books":[{"j":"1.0"},{"j":null}]}`, faults: "books.1.j: the backend is down\n"},
		{name: "a failure moves up", selection: "first { sequel { j:$1! } title }", message: `{"first":{"sequel":{},"title":"x"}}`, down: "1.0",
			want: `{"first":{"sequel":null,"title":"x"}}`, faults: "first.sequel.j: the backend is down\n"},
		{name: "ordinals go on behind a failure", selection: "below { books { j:$1! sequel { k:$2 } } first { l:$3 } byCode { value { m:$4 } } } books { n:$5 }",
			message: `{"below":{"books":[{"sequel":{}},{"sequel":{}},{"sequel":{}}],"first":{},"byCode":{"a":{}}},"books":[{}]}`, down: "1.1",
			want:   `{"below":{"books":null,"first":{"l":"3.0"},"byCode":[{"value":{"m":"4.0"}}]},"books":[{"n":"5.0"}]}`,
			faults: "below.books.1.j: the backend is down\n"},
		{name: "ordinals of what is left out", selection: "books { sequel { j:$1 price! k:$2 } }",
			message: `{"books":[{"sequel":{}},{"sequel":{"price":"NaN"}},{"sequel":{}}]}`,
			want:    `{"books":[{"sequel":{"j":"1.0","price":0,"k":"2.0"}},{"sequel":null},{"sequel":{"j":"1.2","price":0,"k":"2.2"}}]}`,
			faults:  "books.1.sequel.price: the number is not finite\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := shelf(t, "Shelf")
			sink := wire.Sink{Splice: func(join, ordinal int, dst []byte) ([]byte, error) {
				place := fmt.Sprintf("%d.%d", join, ordinal)
				if place == tt.down {
					return append(dst, "half"...), errDown
				}
				return strconv.AppendQuote(dst, place), nil
			}}
			got, err := mustSelect(t, m, tt.selection).AppendJSON(nil, fromJSON(t, m, tt.message), &sink)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if faults := faultLines(sink.Faults); faults != tt.faults {
				t.Errorf("faults\n%s want\n%s", faults, tt.faults)
			}
		})
	}
}

func TestFaultAtTheRoot(t *testing.T) {
	m := shelf(t, "Shelf")
	var sink wire.Sink
	got, err := mustSelect(t, m, "name weight!").AppendJSON([]byte("x:"), fromJSON(t, m, `{"weight":"NaN"}`), &sink)
	if err != wire.ErrNull || string(got) != "x:null" || faultLines(sink.Faults) != "weight: the number is not finite\n" {
		t.Errorf("%s, %v, %v", got, err, sink.Faults)
	}
}

func TestSpliceNullWhereItCannotBe(t *testing.T) {
	m := shelf(t, "Shelf")
	sink := wire.Sink{Splice: func(_, _ int, dst []byte) ([]byte, error) { return append(dst, "null"...), nil }}
	got, err := mustSelect(t, m, "first { j:$1! } k:$2").AppendJSON(nil, fromJSON(t, m, `{"first":{}}`), &sink)
	if err != nil || string(got) != `{"first":null,"k":null}` || len(sink.Faults) != 1 || sink.Faults[0].Cause != wire.ErrAbsent {
		t.Errorf("%s, %v, %v", got, err, sink.Faults)
	}
}

// TestFaultPathsAcrossSplices writes a list of books from another message into
// each of the shelf's books, through the same sink.
func TestFaultPathsAcrossSplices(t *testing.T) {
	m := shelf(t, "Shelf")
	outer, inner := mustSelect(t, m, "books { joined:$1 } weight"), mustSelect(t, m, "first { price! } weight")
	elements := []string{`{"first":{"price":1}}`, `{"first":{"price":"NaN"},"weight":"NaN"}`}
	var sink wire.Sink
	sink.Splice = func(_, _ int, dst []byte) ([]byte, error) {
		dst = append(dst, '[')
		for i, element := range elements {
			before := len(sink.Faults)
			var err error
			if dst, err = inner.AppendJSON(dst, fromJSON(t, m, element), &sink); err != nil {
				return dst, err
			}
			sink.Within(before, i)
			dst = append(dst, ',')
		}
		dst[len(dst)-1] = ']'
		return dst, nil
	}
	got, err := outer.AppendJSON(nil, fromJSON(t, m, `{"books":[{},{}],"weight":"NaN"}`), &sink)
	if err != nil {
		t.Fatal(err)
	}
	const joined = `{"joined":[{"first":{"price":1},"weight":0},{"first":null,"weight":null}]}`
	if want := `{"books":[` + joined + `,` + joined + `],"weight":null}`; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want := `books.0.joined.1.first.price: the number is not finite
books.0.joined.1.weight: the number is not finite
books.1.joined.1.first.price: the number is not finite
books.1.joined.1.weight: the number is not finite
weight: the number is not finite
`
	if faults := faultLines(sink.Faults); faults != want {
		t.Errorf("faults\n%s want\n%s", faults, want)
	}
}

func TestSpliceSharesTheBound(t *testing.T) {
	m := shelf(t, "Shelf")
	outer, inner := mustSelect(t, m, "name j:$1"), mustSelect(t, m, "name")
	name := fromJSON(t, m, `{"name":"`+strings.Repeat("x", 100)+`"}`)
	for _, tt := range []struct {
		max  int
		want error
	}{{240, nil}, {200, wire.ErrTooLarge}} {
		var innerErr error
		sink := wire.Sink{MaxBytes: tt.max}
		sink.Splice = func(_, _ int, dst []byte) (_ []byte, err error) {
			dst, innerErr = inner.AppendJSON(dst, name, &sink)
			return dst, innerErr
		}
		dst, err := outer.AppendJSON([]byte("before"), name, &sink)
		if !errors.Is(err, tt.want) || !errors.Is(innerErr, tt.want) {
			t.Errorf("%d bytes: %v, and inside %v", tt.max, err, innerErr)
		}
		if err != nil && string(dst) != "before" {
			t.Errorf("dst has %q", dst)
		}
	}
}

// TestManyFaults checks that each null of a fault has its fault, up to the bound, and that nothing is written beyond it.
func TestManyFaults(t *testing.T) {
	m := shelf(t, "Shelf")
	p := mustSelect(t, m, "books { price }")
	for _, c := range []struct {
		books, most, faults int
		want                error
	}{
		{wire.DefaultMaxFaults, 0, wire.DefaultMaxFaults, nil},
		{wire.DefaultMaxFaults + 1, 0, wire.DefaultMaxFaults, wire.ErrTooManyFaults},
		{3, 3, 3, nil},
		{3, 2, 2, wire.ErrTooManyFaults},
		{1, -1, 0, wire.ErrTooManyFaults},
		{0, -1, 0, nil},
	} {
		msg := fromJSON(t, m, `{"books":[`+strings.Repeat(`{"price":"NaN"},`, c.books)+`{}]}`)
		sink := wire.Sink{MaxFaults: c.most}
		got, err := p.AppendJSON(nil, msg, &sink)
		if err != c.want || len(sink.Faults) != c.faults || err == nil && strings.Count(string(got), "null") != c.books {
			t.Errorf("%d books, %d faults at most: %d faults, %v", c.books, c.most, len(sink.Faults), err)
		}
		for i, f := range sink.Faults {
			if want := []any{"books", i, "price"}; !slices.Equal(f.Path, want) {
				t.Fatalf("fault %d is at %v", i, f.Path)
			}
		}
	}
}

// TestKeysAgreeWithSplice makes random selections, in which every object has the
// field t and, beside it, a join j on the same field. Whatever fails and is left out,
// what Keys yielded for an ordinal must be what is written beside the splice of it, and
// every fault must lead to a null.
func TestKeysAgreeWithSplice(t *testing.T) {
	m := shelf(t, "Shelf")
	schema := decodeSchemaOf(t)
	for seed := range uint64(1500) {
		maker := schema.wireMaker(seed)
		g := joinedSelection{Rand: maker.Rand}
		selections := g.object(m, 4)
		projection, err := m.Select(selections)
		if err != nil {
			t.Fatal(err)
		}
		msg := maker.message(m.Descriptor(), 4)
		keys, err := g.keys(projection, msg)
		if errors.Is(err, wire.ErrMalformed) {
			continue
		}
		sink := wire.Sink{Splice: func(join, ordinal int, dst []byte) ([]byte, error) {
			if (join*31+ordinal*17+int(seed))%5 == 0 {
				return dst, errDown
			}
			text, err := json.Marshal(keys[join][ordinal])
			return append(dst, text...), err
		}}
		out, err := projection.AppendJSON(nil, msg, &sink)
		switch {
		case errors.Is(err, wire.ErrMalformed):
			continue // a string in the middle of a message that Keys does not read
		case err != nil && err != wire.ErrNull:
			t.Fatalf("seed %d: %v", seed, err)
		}
		var root any
		if err := json.Unmarshal(out, &root); err != nil {
			t.Fatalf("seed %d: %v in %s", seed, err, out)
		}
		checkJoins(t, root)
		for _, f := range sink.Faults {
			checkFault(t, root, f)
		}
	}
}

type joinedSelection struct {
	*rand.Rand
	paths []*wire.Path // by join
}

func (g *joinedSelection) object(m *wire.Message, depth int) []wire.Selection {
	set := []wire.Selection{}
	text := m.Fields()[0] // name, title or, in entries, key
	if text.Kind() == protoreflect.StringKind {
		path, err := m.Path(text.JSONName())
		if err != nil {
			panic(err)
		}
		set = append(set, wire.Selection{Key: "t", Field: text})
		set = append(set, wire.Selection{Key: "j", Kind: wire.SelectJoin, Join: len(g.paths), NonNull: g.IntN(6) == 0})
		g.paths = append(g.paths, path)
	}
	for _, f := range m.Fields() {
		if g.IntN(3) == 0 {
			continue
		}
		s := wire.Selection{Key: f.JSONName(), Field: f, NonNull: g.IntN(10) == 0}
		if f.Message() != nil && depth > 0 && strings.HasPrefix(string(f.Message().FullName()), "shelf.") {
			s.Children = g.object(f.Message(), depth-1)
		}
		set = append(set, s)
	}
	g.Shuffle(len(set), func(i, j int) { set[i], set[j] = set[j], set[i] })
	return set
}

func (g *joinedSelection) keys(p *wire.Projection, msg []byte) ([][]string, error) {
	all := make([][]string, len(g.paths))
	for join, path := range g.paths {
		err := p.Keys(msg, join, path, func(ordinal int, values []wire.Value) {
			text := ""
			for _, v := range values {
				text = strings.Clone(v.Text)
			}
			if ordinal != len(all[join]) {
				text = "ordinals are not in order"
			}
			all[join] = append(all[join], text)
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func checkJoins(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			checkJoins(t, element)
		}
	case map[string]any:
		if j, ok := v["j"].(string); ok && j != v["t"] {
			t.Fatalf("t is %q and j is %q", v["t"], j)
		}
		for _, member := range v {
			checkJoins(t, member)
		}
	}
}

func checkFault(t *testing.T, v any, f wire.Fault) {
	t.Helper()
	for _, place := range f.Path {
		switch at := v.(type) {
		case nil:
			return
		case []any:
			v = at[place.(int)]
		case map[string]any:
			member, ok := at[place.(string)]
			if !ok {
				t.Fatalf("%v leads nowhere", f.Path)
			}
			v = member
		}
	}
	if v != nil {
		t.Fatalf("%v leads to %v", f.Path, v)
	}
}

func TestKeys(t *testing.T) {
	m := shelf(t, "Shelf")
	projection := mustSelect(t, m, "books { j:$5 } name")
	path, err := messageOf(t, m, "books").Path("copies")
	if err != nil {
		t.Fatal(err)
	}
	var got [][]uint64
	msg := fromJSON(t, m, `{"books":[{"copies":["1","2"]},{},{"copies":["-3"]}]}`)
	err = projection.Keys(msg, 5, path, func(ordinal int, values []wire.Value) {
		if ordinal != len(got) {
			t.Errorf("ordinal %d comes as number %d", ordinal, len(got))
		}
		bits := []uint64{}
		for _, v := range values {
			bits = append(bits, v.Bits)
		}
		got = append(got, bits)
	})
	want := [][]uint64{{1, 2}, {}, {1<<64 - 3}}
	if err != nil || !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v, %v", got, err)
	}
	if err := projection.Keys(msg, 6, path, nil); err == nil {
		t.Error("a join that is not there is no error")
	}
}

// messageOf returns the message of a field.
func messageOf(t *testing.T, m *wire.Message, field string) *wire.Message {
	t.Helper()
	return m.FieldByName(field).Message()
}

func TestSelectRefuses(t *testing.T) {
	m := shelf(t, "Shelf")
	title := messageOf(t, m, "books").FieldByName("title")
	tests := map[string][]wire.Selection{
		"a field of another message": {{Key: "a", Field: title}},
		"no field":                   {{Key: "a"}},
		"no such oneof":              {{Key: "a", Kind: wire.SelectOneof, Oneof: 9}},
		"a synthetic oneof":          {{Key: "a", Kind: wire.SelectOneof, Oneof: 1}},
		"no such union":              {{Key: "a", Kind: wire.SelectUnion, Oneof: 9}},
		"a union with a scalar":      {{Key: "a", Kind: wire.SelectUnion, Members: []wire.Selection{{Field: m.FieldByName("text")}}}},
		"a join twice":               {{Key: "a", Kind: wire.SelectJoin}, {Key: "b", Kind: wire.SelectJoin}},
		"children of a scalar":       {{Key: "a", Field: m.FieldByName("name"), Children: []wire.Selection{}}},
	}
	for name, selections := range tests {
		if _, err := m.Select(selections); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
