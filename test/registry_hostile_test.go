package test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// hostile are descriptor sets that no compiler writes. Each begins with a sound file.
var hostile = map[string]func(*descriptorpb.FileDescriptorProto){
	"no name":           func(f *descriptorpb.FileDescriptorProto) { f.Name = nil },
	"control in name":   func(f *descriptorpb.FileDescriptorProto) { f.Name = proto.String("a\x00b.proto") },
	"long name":         func(f *descriptorpb.FileDescriptorProto) { f.Name = proto.String(strings.Repeat("x", 1<<20)) },
	"a package of dots": func(f *descriptorpb.FileDescriptorProto) { f.Package = proto.String("....") },
	"a broken package":  func(f *descriptorpb.FileDescriptorProto) { f.Package = proto.String("9 lives/{x}") },
	"imports itself":    func(f *descriptorpb.FileDescriptorProto) { f.Dependency = append(f.Dependency, f.GetName()) },
	"imports nothing":   func(f *descriptorpb.FileDescriptorProto) { f.Dependency = append(f.Dependency, "") },
	"imports what is not there": func(f *descriptorpb.FileDescriptorProto) {
		f.Dependency = append(f.Dependency, "nowhere.proto")
	},
	"public import out of range": func(f *descriptorpb.FileDescriptorProto) { f.PublicDependency = []int32{-1, 99} },
	"syntax of tomorrow":         func(f *descriptorpb.FileDescriptorProto) { f.Syntax = proto.String("proto9") },
	"edition of tomorrow": func(f *descriptorpb.FileDescriptorProto) {
		f.Syntax, f.Edition = proto.String("editions"), descriptorpb.Edition_EDITION_MAX.Enum()
	},
	"a message twice": func(f *descriptorpb.FileDescriptorProto) { f.MessageType = append(f.MessageType, f.MessageType[0]) },
	"a service twice": func(f *descriptorpb.FileDescriptorProto) { f.Service = append(f.Service, f.Service[0]) },
	"a method twice": func(f *descriptorpb.FileDescriptorProto) {
		f.Service[0].Method = append(f.Service[0].Method, f.Service[0].Method[0])
	},
	"field number zero":     func(f *descriptorpb.FileDescriptorProto) { f.MessageType[0].Field[0].Number = proto.Int32(0) },
	"field number negative": func(f *descriptorpb.FileDescriptorProto) { f.MessageType[0].Field[0].Number = proto.Int32(-7) },
	"field number too large": func(f *descriptorpb.FileDescriptorProto) {
		f.MessageType[0].Field[0].Number = proto.Int32(1 << 30)
	},
	"a field without a type": func(f *descriptorpb.FileDescriptorProto) { f.MessageType[0].Field[0].Type = nil },
	"a type out of range": func(f *descriptorpb.FileDescriptorProto) {
		f.MessageType[0].Field[0].Type = descriptorpb.FieldDescriptorProto_Type(99).Enum()
	},
	"a oneof out of range": func(f *descriptorpb.FileDescriptorProto) { f.MessageType[0].Field[0].OneofIndex = proto.Int32(5) },
	"json names that meet": func(f *descriptorpb.FileDescriptorProto) {
		m := f.MessageType[0]
		m.Field = append(m.Field, proto.CloneOf(m.Field[0]))
		m.Field[1].Name, m.Field[1].Number = proto.String("other"), proto.Int32(2)
	},
	"a method without types": func(f *descriptorpb.FileDescriptorProto) { f.Service[0].Method[0].InputType = nil },
	"a method of a service": func(f *descriptorpb.FileDescriptorProto) {
		f.Service[0].Method[0].InputType = proto.String(".h.Things")
	},
	"a method with a slash":    func(f *descriptorpb.FileDescriptorProto) { f.Service[0].Method[0].Name = proto.String("Get/../x") },
	"a method without a name":  func(f *descriptorpb.FileDescriptorProto) { f.Service[0].Method[0].Name = nil },
	"a map entry that is none": func(f *descriptorpb.FileDescriptorProto) { mapEntry(f.MessageType[0]) },
	"an enum without values": func(f *descriptorpb.FileDescriptorProto) {
		f.EnumType = []*descriptorpb.EnumDescriptorProto{{Name: proto.String("E")}}
	},
	"an extension of nothing": func(f *descriptorpb.FileDescriptorProto) {
		f.Extension = []*descriptorpb.FieldDescriptorProto{{Name: proto.String("x"), Number: proto.Int32(1), Extendee: proto.String(".no.Such")}}
	},
	"nested too deep":          func(f *descriptorpb.FileDescriptorProto) { nest(f.MessageType[0], 60) },
	"nested as deep as may be": func(f *descriptorpb.FileDescriptorProto) { nest(f.MessageType[0], 31) },
	"fields too many":          func(f *descriptorpb.FileDescriptorProto) { widen(f.MessageType[0], 210_000) },
	"fields many":              func(f *descriptorpb.FileDescriptorProto) { widen(f.MessageType[0], 3_000) },
	"messages too many":        func(f *descriptorpb.FileDescriptorProto) { multiply(f, 21_000) },
	"messages in a ring":       func(f *descriptorpb.FileDescriptorProto) { ring(f, 300) },
	"a message of itself":      func(f *descriptorpb.FileDescriptorProto) { ring(f, 1) },
	"options that cannot be read": func(f *descriptorpb.FileDescriptorProto) {
		f.Service[0].Method[0].Options.ProtoReflect().SetUnknown([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0x01})
	},
}

// templates are http rules that nobody should write.
var templates = []string{
	"", "/", "//", "v1", "/v1/{", "/v1/}", "/v1/{name", "/v1/{name=}", "/v1/{=x}", "/v1/{name=**}/**", "/v1/{name=**}/{name=**}",
	"/v1/{no.such.field}", "/v1/{name.name.name}", "/v1/**:verb", "/v1/%", "/v1/%2", "/v1/%zz", "/v1/ ", "/v1/\x00", "/v1/é", "/v1/..", "/v1/../x",
	"/v1/{name}{name}", "/v1/{name={name}}", ":verb", "/:verb", "/v1:verb:verb", "/v1/*/*/*/*/*/*", "/**", "/{name=**}", "/graphql", "/openapi.json",
	"/h.Things/GetThing", "/v1?x=1", "/v1#x", strings.Repeat("/x", 20_000), "/v1/{name=" + strings.Repeat("*/", 5_000) + "*}",
	"/" + strings.Repeat("{name}/", 2_000) + "x",
}

func soundFile() *descriptorpb.FileDescriptorProto {
	str := descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
	return &descriptorpb.FileDescriptorProto{
		Name: proto.String("h.proto"), Package: proto.String("h"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Thing"), Field: []*descriptorpb.FieldDescriptorProto{
			{Name: proto.String("name"), JsonName: proto.String("name"), Number: proto.Int32(1), Type: str},
		}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Things"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("GetThing"), InputType: proto.String(".h.Thing"), OutputType: proto.String(".h.Thing"), Options: &descriptorpb.MethodOptions{}},
		}}},
	}
}

func mapEntry(m *descriptorpb.DescriptorProto) {
	m.NestedType = []*descriptorpb.DescriptorProto{{Name: proto.String("NameEntry"), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}}}
	m.Field[0].Type, m.Field[0].TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".h.Thing.NameEntry")
	m.Field[0].Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
}

func nest(m *descriptorpb.DescriptorProto, depth int) {
	for range depth {
		inner := &descriptorpb.DescriptorProto{Name: proto.String("Inner")}
		m.NestedType = []*descriptorpb.DescriptorProto{inner}
		m = inner
	}
}

func widen(m *descriptorpb.DescriptorProto, fields int) {
	for i := range fields {
		name := fmt.Sprint("f", i)
		m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{
			Name: &name, JsonName: &name, Number: proto.Int32(int32(100_000 + i)), Type: descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum(),
		})
	}
}

func multiply(f *descriptorpb.FileDescriptorProto, messages int) {
	for i := range messages {
		f.MessageType = append(f.MessageType, &descriptorpb.DescriptorProto{Name: proto.String(fmt.Sprint("M", i))})
	}
}

func ring(f *descriptorpb.FileDescriptorProto, messages int) {
	for i := range messages {
		f.MessageType = append(f.MessageType, &descriptorpb.DescriptorProto{
			Name: proto.String(fmt.Sprint("R", i)),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("next"), JsonName: proto.String("next"), Number: proto.Int32(1),
				Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(fmt.Sprint(".h.R", (i+1)%messages)),
			}},
		})
	}
	f.Service[0].Method[0].OutputType = proto.String(".h.R0")
}

// TestHostileRegistrations registers what teams should not be able to write. It is refused or served
// within the limits, never with an internal error, and another backend's clients notice nothing.
func TestHostileRegistrations(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))},
		Registry: &configv1.Registry{Gate: configv1.Gate_GATE_WARN.Enum()},
	})
	defer stop()
	client := adminOf(t, g)
	served, refused := 0, 0
	register := func(name string, raw []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
		defer cancel()
		start, before := time.Now(), allocated()
		_, err := client.Register(ctx, &adminv1.RegisterRequest{Backend: "hostile", Address: "127.0.0.1:1", Descriptors: raw})
		took, used := time.Since(start), (allocated()-before)>>20
		if used > mostAllocated {
			t.Errorf("%s: %d MiB were allocated on the way", name, used)
		}
		t.Logf("%-40s %-20s %8v %6d MiB of %d KiB", name, status.Code(err), took.Round(time.Millisecond), used, len(raw)>>10)
		switch status.Code(err) {
		case codes.OK:
			served++
		case codes.InvalidArgument, codes.ResourceExhausted, codes.FailedPrecondition:
			refused++
			if len(err.Error()) > 64<<10 {
				t.Errorf("%s: the refusal has %d bytes", name, len(err.Error()))
			}
		default:
			t.Errorf("%s: %v after %v", name, err, time.Since(start))
		}
		if code, body := fetch(t, "http://"+g.Addr()+"/v1/greetings/ada"); code != http.StatusOK {
			t.Errorf("%s: a neighbour's route answers %d %s", name, code, body)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hostile)) {
		f := soundFile()
		hostile[name](f)
		register(name, serialized(f))
	}
	for _, template := range templates {
		register(fmt.Sprintf("template %.40q", template), serialized(withTemplate(template)))
	}
	for _, name := range slices.Sorted(maps.Keys(crafted)) {
		register(name, serialized(crafted[name]()...))
	}
	random := rand.New(rand.NewPCG(5, 6))
	sound := descriptorsOf(t, "greet.proto", greeterAfter)
	for i := range 60 {
		register(fmt.Sprint("damaged ", i), damaged(sound, random))
	}
	t.Logf("%d served, %d refused", served, refused)
	if served+refused < 100 || served == 0 {
		t.Errorf("%d served, %d refused", served, refused)
	}
}

// TestHostileChange replaces a ring of messages by another one, so that each message of one meets each of the other: that
// cannot be compared, and is refused before it is.
func TestHostileChange(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{Registry: &configv1.Registry{Gate: configv1.Gate_GATE_WARN.Enum()}})
	defer stop()
	client := adminOf(t, g)
	register := func(messages int) error {
		ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
		defer cancel()
		f := soundFile()
		ring(f, messages)
		_, err := client.Register(ctx, &adminv1.RegisterRequest{Backend: "hostile", Address: "127.0.0.1:1", Descriptors: serialized(f)})
		return err
	}
	if err := register(9_999); err != nil {
		t.Fatal(err)
	}
	before := allocated()
	if err := register(10_000); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "register the change in parts") {
		t.Errorf("another ring: %v", err)
	}
	if used := (allocated() - before) >> 20; used > mostAllocated {
		t.Errorf("%d MiB were allocated on the way", used)
	}
	if err := register(9_999); err != nil {
		t.Errorf("the first one again: %v", err)
	}
}

// mostAllocated bounds, in MiB, what is allocated on the way of one registration, most of it garbage
// by the end of it.
const mostAllocated = 3 << 10

// allocated returns how many bytes were allocated since the process began.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func withTemplate(template string) *descriptorpb.FileDescriptorProto {
	f := soundFile()
	f.Dependency = []string{"google/api/annotations.proto"}
	f.Service[0].Method[0].Options = rule(&annotations.HttpRule{
		Pattern: &annotations.HttpRule_Get{Get: template}, Body: "no.such", ResponseBody: "neither",
	})
	return f
}

// serialized writes what has no text that is valid, too.
func serialized(files ...*descriptorpb.FileDescriptorProto) []byte {
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	if err != nil {
		panic(err) // only a proto3 string that is no UTF-8 cannot be written
	}
	return raw
}

// damaged changes some bytes.
func damaged(raw []byte, random *rand.Rand) []byte {
	raw = append([]byte(nil), raw...)
	for range 1 + random.IntN(8) {
		raw[random.IntN(len(raw))] = byte(random.Uint32())
	}
	return raw[:len(raw)-random.IntN(2)*random.IntN(len(raw)/2)]
}
