package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
	"github.com/protean-gateway/protean/examples/proto/orders"
	"github.com/protean-gateway/protean/wire"
)

var errOraclePanicked = errors.New("dynamicpb panicked")

// plainJSON writes a message by way of an object and protojson: the oracle.
func (s *decodeSchema) plainJSON(object proto.Message, msg []byte, o wire.Options) (_ []byte, err error) {
	defer func() {
		if p := recover(); p != nil { // dynamicpb, on a map key of another wire type
			err = errOraclePanicked
		}
	}()
	err = proto.UnmarshalOptions{Resolver: s.protobuf, RecursionLimit: 100}.Unmarshal(msg, object)
	if err != nil {
		return nil, err
	}
	out, err := protojson.MarshalOptions{
		Resolver:          s.protobuf,
		UseProtoNames:     o.ProtoNames,
		UseEnumNumbers:    o.EnumNumbers,
		EmitDefaultValues: o.EmitDefaults,
	}.Marshal(object)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, out)
	return compact.Bytes(), err
}

// compareJSON checks that AppendJSON and protojson write the same text, or both refuse.
func (s *decodeSchema) compareJSON(tb testing.TB, m *wire.Message, object proto.Message, msg []byte, o wire.Options) {
	tb.Helper()
	want, wantErr := s.plainJSON(object, msg, o)
	if wantErr == errOraclePanicked {
		return
	}
	if wantErr != nil && strings.Contains(wantErr.Error(), "unable to resolve") {
		return // we write an unknown Any in base64
	}
	got, err := m.Project(o).AppendJSON([]byte("before"), msg, nil)
	switch {
	case err != nil && string(got) != "before":
		tb.Fatalf("%x: refused, and dst has %q", msg, got)
	case err != nil && !errors.Is(err, wire.ErrMalformed):
		tb.Fatalf("%x: not malformed but %v", msg, err)
	case err != nil && wantErr == nil && strings.Contains(err.Error(), "nested too deep"):
		return // protobuf-go counts the levels inside an Any, and skipped groups, apart
	case err != nil && wantErr == nil:
		tb.Fatalf("%x\nwe refuse: %v\nprotojson writes %s", msg, err, want)
	case err == nil && wantErr != nil:
		tb.Fatalf("%x\nwe write %s\nprotojson refuses: %v", msg, got, wantErr)
	case err == nil && string(got) != "before"+string(want):
		tb.Fatalf("%x\nwe write         %s\nprotojson writes %s", msg, got[6:], want)
	}
}

var fuzzedMessages = []protoreflect.FullName{"rich.Rich", "legacy.Legacy", "edition.Edition", "google.protobuf.Any"}

// FuzzAppendJSON compares AppendJSON with dynamicpb and protojson: on raw as it
// is, and on a message with the fields of the type that is made from the seed.
func FuzzAppendJSON(f *testing.F) {
	schema := decodeSchemaOf(f)
	for seed := range uint64(64) {
		f.Add(seed, []byte(nil), byte(seed))
	}
	f.Add(uint64(0), []byte("\x72\x02\xc3\x28"), byte(0))
	f.Fuzz(func(t *testing.T, seed uint64, raw []byte, choice byte) {
		m := schema.message(fuzzedMessages[int(choice)%len(fuzzedMessages)])
		o := wire.Options{EmitDefaults: choice&4 != 0, ProtoNames: choice&8 != 0, EnumNumbers: choice&16 != 0}
		msg := raw
		if len(raw) == 0 {
			msg = schema.wireMaker(seed).message(m.Descriptor(), 4)
		}
		schema.compareJSON(t, m, dynamicpb.NewMessage(m.Descriptor()), msg, o)
	})
}

func TestAppendJSONOnRandomMessages(t *testing.T) {
	schema := decodeSchemaOf(t)
	for seed := range uint64(4000) {
		m := schema.message(fuzzedMessages[int(seed)%len(fuzzedMessages)])
		msg := schema.wireMaker(seed).message(m.Descriptor(), 4)
		schema.compareJSON(t, m, dynamicpb.NewMessage(m.Descriptor()), msg, wire.Options{EmitDefaults: seed&4 != 0, EnumNumbers: seed&8 != 0, ProtoNames: seed&16 != 0})
	}
}

// TestAppendJSONOnExamples compares with generated code.
func TestAppendJSONOnExamples(t *testing.T) {
	schema := decodeSchemaOf(t)
	for _, example := range []proto.Message{
		&catalogv1.ListBooksResponse{}, &catalogv1.Author{}, &orders.OrderList{}, &orders.CancelResult{},
		&trackingv1.ParcelEvent{}, &trackingv1.RouteSummary{},
	} {
		m := wire.NewTypes(schema).Message(example.ProtoReflect().Descriptor())
		for seed := range uint64(300) {
			msg := schema.wireMaker(seed).message(m.Descriptor(), 3)
			schema.compareJSON(t, m, example.ProtoReflect().New().Interface(), msg, wire.Options{EmitDefaults: seed&1 != 0})
		}
	}
}

// wireMaker makes wire bytes that mostly fit a descriptor: fields in any order, again
// and again, packed or not, and now and then with a wrong wire type or a cut end.
type wireMaker struct {
	*rand.Rand
	schema *decodeSchema
}

func (s *decodeSchema) wireMaker(seed uint64) wireMaker {
	return wireMaker{rand.New(rand.NewPCG(seed, 1)), s}
}

func (r wireMaker) oneIn(n int) bool { return r.IntN(n) == 0 }

func (r wireMaker) message(md protoreflect.MessageDescriptor, depth int) (msg []byte) {
	if md.FullName() == "google.protobuf.Any" && !r.oneIn(8) {
		return r.any(md, depth)
	}
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); fd.Cardinality() == protoreflect.Required && !r.oneIn(50) {
			msg = r.field(msg, fd, depth)
		}
	}
	fields := r.fields(md)
	for range r.IntN(8) {
		if len(fields) == 0 {
			break
		}
		fd := fields[r.IntN(len(fields))]
		for n := 1 + r.IntN(3)*r.IntN(2); n > 0; n-- {
			msg = r.field(msg, fd, depth)
		}
	}
	if r.oneIn(200) && len(msg) > 0 {
		msg = msg[:r.IntN(len(msg))]
	}
	return msg
}

func (r wireMaker) fields(md protoreflect.MessageDescriptor) (fields []protoreflect.FieldDescriptor) {
	for i := range md.Fields().Len() {
		fields = append(fields, md.Fields().Get(i))
	}
	return append(fields, r.schema.ExtensionsOf(md.FullName())...)
}

func (r wireMaker) any(md protoreflect.MessageDescriptor, depth int) (msg []byte) {
	name := r.schema.inAny[r.IntN(len(r.schema.inAny))]
	msg = protowire.AppendTag(msg, 1, protowire.BytesType)
	msg = protowire.AppendString(msg, "a/"+name)
	if depth == 0 {
		return msg
	}
	msg = protowire.AppendTag(msg, 2, protowire.BytesType)
	return protowire.AppendBytes(msg, r.message(r.schema.FindMessageByName(protoreflect.FullName(name)), depth-1))
}

func (r wireMaker) field(msg []byte, fd protoreflect.FieldDescriptor, depth int) []byte {
	kind, n := fd.Kind(), fd.Number()
	switch {
	case r.oneIn(100):
		return protowire.AppendVarint(protowire.AppendTag(msg, n, protowire.VarintType), r.Uint64())
	case kind == protoreflect.GroupKind:
		msg = protowire.AppendTag(msg, n, protowire.StartGroupType)
		if depth > 0 {
			msg = append(msg, r.message(fd.Message(), depth-1)...)
		}
		return protowire.AppendTag(msg, n, protowire.EndGroupType)
	case kind == protoreflect.MessageKind:
		msg = protowire.AppendTag(msg, n, protowire.BytesType)
		if depth == 0 {
			return append(msg, 0)
		}
		return protowire.AppendBytes(msg, r.message(fd.Message(), depth-1))
	case kind == protoreflect.StringKind, kind == protoreflect.BytesKind:
		return protowire.AppendString(protowire.AppendTag(msg, n, protowire.BytesType), r.text())
	case fd.IsList() && r.oneIn(2):
		var list []byte
		for range r.IntN(4) {
			list = r.number(list, fd)
		}
		return protowire.AppendBytes(protowire.AppendTag(msg, n, protowire.BytesType), list)
	default:
		return r.number(protowire.AppendTag(msg, n, wireTypeOf(kind)), fd)
	}
}

func (r wireMaker) text() string {
	parts := []string{"", "a", "b", "foo_bar", "quote\"", "\\", "\x00\x1f\n\t", "ümläut", "日本語", "😀", "<&>", strings.Repeat("x", 20)}
	if r.oneIn(300) {
		return "\xff"
	}
	return parts[r.IntN(len(parts))] + parts[r.IntN(len(parts))]
}

func (r wireMaker) number(b []byte, fd protoreflect.FieldDescriptor) []byte {
	numbers := []uint64{0, 1, 2, 3, 127, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 52, 1<<64 - 1, 1 << 63, 0x7ff << 52, 0xff << 23, 0x3ff8 << 48, r.Uint64()}
	v := numbers[r.IntN(len(numbers))]
	if fd.Name() == "nanos" && !r.oneIn(10) {
		v %= 1e9
	}
	if fd.Name() == "seconds" && !r.oneIn(10) {
		v %= 1 << 35
	}
	switch wireTypeOf(fd.Kind()) {
	case protowire.Fixed32Type:
		return protowire.AppendFixed32(b, uint32(v))
	case protowire.Fixed64Type:
		return protowire.AppendFixed64(b, v)
	default:
		return protowire.AppendVarint(b, v)
	}
}

func wireTypeOf(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	default:
		return protowire.VarintType
	}
}

func unhex(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
