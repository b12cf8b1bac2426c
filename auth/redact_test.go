package auth_test

import (
	"bytes"
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// seen returns what a caller sees of an answer.
func seen(t testing.TB, p *auth.Policies, m *schema.Method, who *rpc.Principal, answer []byte) ([]byte, error) {
	t.Helper()
	ctx := t.Context()
	if who != nil {
		ctx = rpc.WithPrincipal(ctx, who)
	}
	response, err := rpc.Unary(ctx, p.Redact(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		return s.Send(answer)
	}), &rpc.Call{Method: m, Denied: new(rpc.Denied)})
	return response.Message, err
}

func openVault(t testing.TB) (*auth.Policies, *schema.Method, *schema.Snapshot) {
	t.Helper()
	snap := compileVault(t)
	p, _ := auth.Compile(snap, auth.PolicyOptions{})
	return p, rpctest.Method(t, snap, "/vault.v1.Vault/Open"), snap
}

const fullBox = `{"owner":"o","pin":"1","phone":"2","notes":["3","4"],
	"inside":[{"pin":"5","owner":"p"},{"phone":"6"}],
	"labelled":{"a":{"pin":"7","phone":"8"}},
	"wrapped":{"@type":"type.googleapis.com/vault.v1.Envelope","box":{"pin":"9","phone":"10","owner":"q"}},
	"crate":{"box":{"pin":"11","phone":"12"}},
	"plain":{"text":"13"}}`

func TestRedact(t *testing.T) {
	p, m, snap := openVault(t)
	answer := boxOf(t, snap, m, fullBox)
	for _, c := range []struct {
		who  *rpc.Principal
		want string
	}{
		{nil, `{"owner":"o","phone":"***",
			"inside":[{"owner":"p"},{"phone":"***"}],
			"labelled":{"a":{"phone":"***"}},
			"wrapped":{"@type":"type.googleapis.com/vault.v1.Envelope","box":{"phone":"***","owner":"q"}},
			"crate":{"box":{"phone":"***"}},
			"plain":{"text":"13"}}`},
		{alice, `{"owner":"o","pin":"1","phone":"2",
			"inside":[{"pin":"5","owner":"p"},{"phone":"6"}],
			"labelled":{"a":{"pin":"7","phone":"8"}},
			"wrapped":{"@type":"type.googleapis.com/vault.v1.Envelope","box":{"pin":"9","phone":"10","owner":"q"}},
			"crate":{"box":{"pin":"11","phone":"12"}},
			"plain":{"text":"13"}}`},
	} {
		before := bytes.Clone(answer)
		got, err := seen(t, p, m, c.who, answer)
		if err != nil {
			t.Fatal(err)
		}
		if want := boxOf(t, snap, m, c.want); !sameMessage(t, m.Output.Descriptor(), got, want) {
			t.Errorf("%+v:\n got %x\nwant %x", c.who, got, want)
		}
		if !bytes.Equal(answer, before) {
			t.Error("the answer was changed")
		}
	}
}

// boxOf encodes JSON whose Any may hold the vault's messages.
func boxOf(t testing.TB, snap *schema.Snapshot, m *schema.Method, json string) []byte {
	t.Helper()
	message := dynamicpb.NewMessage(m.Output.Descriptor())
	if err := (protojson.UnmarshalOptions{Resolver: dynamicTypes(t, snap)}).Unmarshal([]byte(json), message); err != nil {
		t.Fatal(err)
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func dynamicTypes(t testing.TB, snap *schema.Snapshot) *dynamicpb.Types {
	t.Helper()
	return dynamicpb.NewTypes(registry(t, snap))
}

func sameMessage(t testing.TB, md protoreflect.MessageDescriptor, a, b []byte) bool {
	t.Helper()
	x, y := dynamicpb.NewMessage(md), dynamicpb.NewMessage(md)
	if err := proto.Unmarshal(a, x); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b, y); err != nil {
		t.Fatal(err)
	}
	return proto.Equal(x, y)
}

// TestRedactOddBytes hides fields in encodings that only some parsers read.
func TestRedactOddBytes(t *testing.T) {
	p, m, _ := openVault(t)
	for name, c := range map[string]struct{ in, want []byte }{
		"field as varint": {[]byte{0x10, 0x07, 0x0a, 0x01, 'o'}, []byte{0x0a, 0x01, 'o'}},
		"field as group":  {[]byte{0x13, 0x0a, 0x01, 's', 0x14}, []byte{}},
		"overlong tag":    {[]byte{0x92, 0x80, 0x00, 0x01, 's'}, []byte{}},
		// What no parser reads as that message stays, as an unknown field does.
		"message as varint":      {[]byte{0x28, 0x07}, []byte{0x28, 0x07}},
		"group as bytes":         {[]byte{0x42, 0x04, 0x0a, 0x02, 0x12, 0x00}, []byte{0x42, 0x04, 0x0a, 0x02, 0x12, 0x00}},
		"unknown field":          {[]byte{0xfa, 0x06, 0x01, 's'}, []byte{0xfa, 0x06, 0x01, 's'}},
		"twice, the first empty": {[]byte{0x12, 0x00, 0x12, 0x01, 's'}, []byte{}},
	} {
		got, err := seen(t, p, m, nil, c.in)
		if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for name, broken := range map[string][]byte{
		"cut off":          {0x2a, 0x05, 0x12},
		"cut off inside":   {0x2a, 0x02, 0x12, 0x05},
		"end of no group":  {0x14},
		"field number 0":   {0x00, 0x00},
		"nested too deep":  deep(120),
		"broken in an Any": append([]byte{0x3a, 0x19}, append(append([]byte{0x0a, 0x13}, "x.y/vault.v1.Crate\x00"[:19]...), 0x12, 0x01)...),
	} {
		if got, err := seen(t, p, m, nil, broken); status.Code(err) != codes.Internal {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

func deep(levels int) []byte {
	var message []byte
	for range levels {
		size := len(message)
		head := []byte{0x2a}
		for ; size >= 0x80; size >>= 7 {
			head = append(head, byte(size)|0x80)
		}
		message = append(append(head, byte(size)), message...)
	}
	return message
}

func TestDeniedIsTold(t *testing.T) {
	p, m, _ := openVault(t)
	denied := new(rpc.Denied)
	call := &rpc.Call{Method: m, Denied: denied}
	_, err := rpc.Unary(t.Context(), p.Redact(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send(nil) }), call)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"pin": true, "phone": false, "notes": false, "owner": false} {
		if got := denied.Has(m.Output.FieldByName(name)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// FuzzRedact compares the mask on wire bytes with one on messages.
func FuzzRedact(f *testing.F) {
	p, m, snap := openVault(f)
	f.Add(boxOf(f, snap, m, fullBox))
	f.Add(deep(10))
	f.Fuzz(func(t *testing.T, answer []byte) {
		message, ok := parse(m.Output.Descriptor(), answer)
		if !ok {
			return
		}
		got, err := seen(t, p, m, nil, answer)
		if err != nil {
			return // the mask is stricter about nesting inside an Any
		}
		left, ok := parse(m.Output.Descriptor(), got)
		if !ok {
			t.Fatalf("what is left of %x is no message: %x", answer, got)
		}
		strip(message)
		if !equalKnown(message, left) {
			t.Errorf("%x became %x", answer, got)
		}
	})
}

// parse survives dynamicpb's panics.
func parse(md protoreflect.MessageDescriptor, b []byte) (m *dynamicpb.Message, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	m = dynamicpb.NewMessage(md)
	return m, proto.UnmarshalOptions{RecursionLimit: 90}.Unmarshal(b, m) == nil
}

// strip does to a message what the rules ask for. What is in an Any it empties.
func strip(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	if m.Descriptor().FullName() == "google.protobuf.Any" {
		m.Clear(fields.ByName("value"))
	}
	if m.Descriptor().FullName() == "vault.v1.Box" {
		m.Clear(fields.ByName("pin"))
		m.Clear(fields.ByName("notes"))
		if phone := fields.ByName("phone"); m.Has(phone) {
			m.Set(phone, protoreflect.ValueOfString("***"))
		}
	}
	m.SetUnknown(nil)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				strip(v.Message())
				return true
			})
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				strip(v.List().Get(i).Message())
			}
		case fd.Message() != nil && !fd.IsMap():
			strip(v.Message())
		}
		return true
	})
}

func equalKnown(a, b protoreflect.Message) bool {
	strip(b)
	return proto.Equal(a.Interface(), b.Interface())
}

func registry(t testing.TB, snap *schema.Snapshot) *protoregistry.Files {
	t.Helper()
	files, ok := snap.Backends[0].Files.(*protoregistry.Files)
	if !ok {
		t.Fatalf("the backend's files are %T", snap.Backends[0].Files)
	}
	return files
}
