package test

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// FuzzRegister registers whatever a team may send, with a gateway that serves another backend: it is refused
// in words, or served within the limits, and the neighbour's clients notice nothing. Sets that are sound are also
// mixed: a part of one file is put in the place of another.
func FuzzRegister(f *testing.F) {
	for _, seed := range registerSeeds(f) {
		f.Add(seed, uint64(0))
		f.Add(seed, uint64(1))
	}
	g, stop := startGateway(f, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(f))},
		Registry: &configv1.Registry{Gate: configv1.Gate_GATE_WARN.Enum()},
	})
	f.Cleanup(stop)
	client := adminOf(f, g)
	f.Fuzz(func(t *testing.T, raw []byte, mix uint64) {
		if len(raw) > 1<<16 {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
		defer cancel()
		before := allocated()
		_, err := client.Register(ctx, &adminv1.RegisterRequest{Backend: "hostile", Address: "127.0.0.1:1", Descriptors: mixed(raw, mix)})
		switch status.Code(err) {
		case codes.OK, codes.InvalidArgument, codes.ResourceExhausted, codes.FailedPrecondition:
		default:
			t.Errorf("it is answered with %v", err)
		}
		if used := (allocated() - before) >> 20; used > mostAllocated {
			t.Errorf("%d MiB were allocated on the way", used)
		}
		if code, body := fetch(t, "http://"+g.Addr()+"/v1/greetings/ada"); code != http.StatusOK {
			t.Errorf("a neighbour's route answers %d %s", code, body)
		}
	})
}

// registerSeeds are the crafted sets that are small enough to be changed often.
func registerSeeds(t testing.TB) (seeds [][]byte) {
	t.Helper()
	add := func(raw []byte) {
		if len(raw) <= 1<<16 {
			seeds = append(seeds, raw)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hostile)) {
		one := soundFile()
		hostile[name](one)
		add(serialized(one))
	}
	for _, name := range slices.Sorted(maps.Keys(crafted)) {
		add(serialized(crafted[name]()...))
	}
	for _, template := range templates {
		add(serialized(withTemplate(template)))
	}
	add(descriptorsOf(t, "greet.proto", greeterAfter))
	if len(seeds) < 100 {
		t.Fatalf("there are %d seeds", len(seeds))
	}
	return seeds
}

// mixed puts parts of files in the places of others.
func mixed(raw []byte, mix uint64) []byte {
	set := new(descriptorpb.FileDescriptorSet)
	if mix == 0 || proto.Unmarshal(raw, set) != nil || len(set.GetFile()) == 0 {
		return raw
	}
	random := rand.New(rand.NewPCG(mix, 0))
	for range 1 + random.IntN(4) {
		a, b := set.File[random.IntN(len(set.File))], set.File[random.IntN(len(set.File))]
		switch random.IntN(5) {
		case 0:
			a.MessageType = append(a.MessageType, b.GetMessageType()...)
		case 1:
			a.Dependency = append(a.Dependency, b.GetName())
		case 2:
			a.Service = append(a.Service, b.GetService()...)
		case 3:
			a.Package = b.Package
		default:
			for _, m := range a.GetMessageType() {
				if len(m.GetField()) > 0 {
					i := random.IntN(len(m.Field))
					m.Field = append(m.Field, proto.CloneOf(m.Field[i]))
					m.Field[i].Number = proto.Int32(random.Int32N(1 << 29))
				}
			}
		}
	}
	return serialized(set.GetFile()...)
}
