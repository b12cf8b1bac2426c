package wire_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// FuzzRandomPath compares Path.Values and Path.Messages with a walk of an object.
func FuzzRandomPath(f *testing.F) { fuzzRandom(f, checkRandomPath) }

func checkRandomPath(t *testing.T, types []byte, seed uint64, raw []byte, choice byte) {
	s := randomSchemaOf(types)
	if s == nil {
		return
	}
	m := s.randomMessage(choice)
	msg := s.randomWire(m, seed, raw, choice)
	object, err := s.object(m, msg)
	if err != nil {
		return // a path does not look at everything that a parser looks at
	}
	path := randomPath(t, m, rand.New(rand.NewPCG(seed, 4)))
	if path.Field().Message() != nil {
		s.comparePathMessages(t, path, object, msg)
		return
	}
	var got []wire.Value
	err = path.Values(msg, func(v wire.Value) bool { got = append(got, v); return true })
	want := valuesAt(object.ProtoReflect(), path)
	if isAbsentZero(path.Field(), got) && len(want) == 0 {
		return // a zero that was written is yielded
	}
	if err != nil && strings.Contains(err.Error(), "nested too deep") {
		return
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s in %x\ngot  %v, %v\nwant %v", path, msg, got, err, want)
	}
}

// object reads a message with protobuf-go.
func (s *decodeSchema) object(m *wire.Message, msg []byte) (_ proto.Message, err error) {
	defer func() {
		if recover() != nil { // dynamicpb, on a map key of another wire type
			err = errOraclePanicked
		}
	}()
	object := s.new(m)
	err = proto.UnmarshalOptions{Resolver: s.protobuf, AllowPartial: true, RecursionLimit: 100}.Unmarshal(msg, object)
	return object, err
}

// randomPath chooses a path of at most four fields.
func randomPath(t *testing.T, root *wire.Message, r *rand.Rand) *wire.Path {
	var names []string
	for m := root; m != nil && len(m.Fields()) > 0 && len(names) < 4; {
		f := m.Fields()[r.IntN(len(m.Fields()))]
		names = append(names, f.JSONName())
		if f.IsList() || f.IsMap() || r.IntN(4) == 0 {
			break
		}
		m = f.Message()
	}
	return decodePath(t, root, strings.Join(names, "."))
}

// valuesAt walks an object along a path.
func valuesAt(msg protoreflect.Message, path *wire.Path) (values []wire.Value) {
	for i, f := range path.Fields() {
		fd, v := populated(msg, f)
		switch {
		case fd == nil:
			return nil
		case i < len(path.Fields())-1:
			msg = v.Message()
		case fd.IsList():
			for j := range v.List().Len() {
				values = append(values, plainValue(fd, v.List().Get(j)))
			}
		default:
			values = append(values, plainValue(fd, v))
		}
	}
	return values
}

// populated returns the value of a field that is set, and a nil descriptor for others.
func populated(msg protoreflect.Message, f *wire.Field) (found protoreflect.FieldDescriptor, value protoreflect.Value) {
	msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Number() == f.Number() {
			found, value = fd, v
		}
		return found == nil
	})
	return found, value
}

func plainValue(fd protoreflect.FieldDescriptor, v protoreflect.Value) wire.Value {
	switch x := v.Interface().(type) {
	case bool:
		if x {
			return wire.Value{Bits: 1}
		}
		return wire.Value{}
	case int32, int64:
		return wire.Value{Bits: uint64(v.Int())}
	case uint32, uint64:
		return wire.Value{Bits: v.Uint()}
	case float32, float64:
		return wire.Value{Bits: math.Float64bits(v.Float())}
	case protoreflect.EnumNumber:
		return wire.Value{Bits: uint64(x)}
	case string:
		return wire.Value{Text: x}
	case []byte:
		return wire.Value{Text: string(x)}
	default:
		panic(fd.FullName())
	}
}

func isAbsentZero(f *wire.Field, values []wire.Value) bool {
	return !f.HasPresence() && !f.IsList() && len(values) == 1 && values[0] == wire.Value{}
}

// comparePathMessages reads what Path.Messages yields with protobuf-go and compares it with
// the object's own messages. The entries of maps have no messages there.
func (s *decodeSchema) comparePathMessages(t *testing.T, path *wire.Path, object proto.Message, msg []byte) {
	if path.Field().IsMap() {
		return
	}
	var got []protoreflect.Message
	m := s.types.Message(path.Field().Message().Descriptor())
	err := path.Messages(msg, func(element []byte) bool {
		object, err := s.object(m, element)
		if err != nil {
			t.Fatalf("%s in %x yields %x: %v", path, msg, element, err)
		}
		got = append(got, object.ProtoReflect())
		return true
	})
	if err != nil && strings.Contains(err.Error(), "nested too deep") {
		return
	}
	want := messagesAt(object.ProtoReflect(), path)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%s in %x: %d messages of %d, %v", path, msg, len(got), len(want), err)
	}
	for i := range got {
		if !proto.Equal(got[i].Interface(), want[i].Interface()) {
			t.Fatalf("%s in %x\ngot  %v\nwant %v", path, msg, got[i], want[i])
		}
	}
}

func messagesAt(msg protoreflect.Message, path *wire.Path) (found []protoreflect.Message) {
	for i, f := range path.Fields() {
		fd, v := populated(msg, f)
		switch {
		case fd == nil:
			return nil
		case fd.IsList():
			for j := range v.List().Len() {
				found = append(found, v.List().Get(j).Message())
			}
		case i < len(path.Fields())-1:
			msg = v.Message()
		default:
			found = append(found, v.Message())
		}
	}
	return found
}
