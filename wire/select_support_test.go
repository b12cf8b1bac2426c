package wire_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/wire"
)

var loadShelf = sync.OnceValues(func() (protoreflect.FileDescriptor, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"testdata/select"}}),
	}
	files, err := compiler.Compile(context.Background(), "shelf.proto")
	if err != nil {
		return nil, err
	}
	return files[0], nil
})

// shelf returns the message of that name in shelf.proto.
func shelf(tb testing.TB, name protoreflect.Name) *wire.Message {
	tb.Helper()
	file, err := loadShelf()
	if err != nil {
		tb.Fatal(err)
	}
	return wire.NewTypes(nil).Message(file.Messages().ByName(name))
}

// fromJSON returns the wire form of a message that is given as ProtoJSON.
func fromJSON(tb testing.TB, m *wire.Message, text string) []byte {
	tb.Helper()
	object := dynamicpb.NewMessage(m.Descriptor())
	if err := protojson.Unmarshal([]byte(text), object); err != nil {
		tb.Fatal(err)
	}
	msg, err := proto.MarshalOptions{Deterministic: true}.Marshal(object)
	if err != nil {
		tb.Fatal(err)
	}
	return msg
}

// parseSelection reads a selection set in a small language: fields with optional
// aliases (`key:name`), `!` behind what cannot be null, `{ … }` for children, `$n`
// for join n, `?n` for the case of oneof n, and `=text` for raw JSON.
func parseSelection(tb testing.TB, m *wire.Message, text string) []wire.Selection {
	tb.Helper()
	p := selectionParser{tb: tb, tokens: strings.Fields(text)}
	return p.set(m)
}

type selectionParser struct {
	tb     testing.TB
	tokens []string
}

func (p *selectionParser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return token
}

func (p *selectionParser) set(m *wire.Message) []wire.Selection {
	set := []wire.Selection{}
	for {
		token := p.next()
		if token == "" || token == "}" {
			return set
		}
		set = append(set, p.selection(m, token))
	}
}

func (p *selectionParser) selection(m *wire.Message, token string) wire.Selection {
	token, nonNull := strings.CutSuffix(token, "!")
	key, name, aliased := strings.Cut(token, ":")
	if !aliased {
		name = key
	}
	s := wire.Selection{Key: key, NonNull: nonNull}
	switch name[0] {
	case '$':
		s.Kind, s.Join = wire.SelectJoin, p.number(name)
	case '?':
		s.Kind, s.Oneof = wire.SelectOneof, p.number(name)
		s.Cases = make(map[protowire.Number]string)
		for _, f := range m.Fields() {
			s.Cases[f.Number()] = strings.ToUpper(f.JSONName())
		}
	case '&':
		s.Kind, s.Oneof = wire.SelectUnion, p.number(name)
		p.next()
		s.Members = p.set(m)
	case '=':
		s.Kind, s.Raw = wire.SelectRaw, name[1:]
	default:
		s.Field = m.FieldByName(name)
		if s.Field == nil {
			p.tb.Fatalf("no field %q in %s", name, m.FullName())
		}
		if len(p.tokens) > 0 && p.tokens[0] == "{" {
			p.next()
			s.Children = p.set(s.Field.Message())
		}
	}
	return s
}

func (p *selectionParser) number(name string) int {
	n, err := strconv.Atoi(name[1:])
	if err != nil {
		p.tb.Fatal(err)
	}
	return n
}

// faultLines returns faults as lines such as `books.0.price: the number is not finite`.
func faultLines(faults []wire.Fault) string {
	var b strings.Builder
	for _, f := range faults {
		for i, place := range f.Path {
			if i > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, place)
		}
		fmt.Fprintf(&b, ": %v\n", f.Cause)
	}
	return b.String()
}
