package registry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// routed returns descriptors as [shelf] does, with a REST route.
func routed(backend, template string) []byte {
	set := &descriptorpb.FileDescriptorSet{}
	// Reading what was just written cannot fail.
	_ = proto.Unmarshal(shelf(backend, "x"), set)
	set.File[0].Dependency = []string{"google/api/annotations.proto"}
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, annotations.E_Http, &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: template}})
	set.File[0].Service[0].Method[0].Options = options
	raw, _ := proto.Marshal(set)
	return raw
}

// TestOverlapRace has two owners register routes that take the same requests, each through a replica of its own, at
// once. One of them gets it, and the other one hears who.
func TestOverlapRace(t *testing.T) {
	c := startEtcd(t, 1)
	registry := &configv1.Registry{Gate: configv1.Gate_GATE_WARN.Enum()}
	for _, name := range []string{"one", "two"} {
		t.Setenv("OWNER_"+name, fmt.Sprintf("%x", sha256.Sum256([]byte(name))))
		registry.Owners = append(registry.Owners, &configv1.Owner{
			Name: proto.String(name), Tokens: []string{"env:OWNER_" + name}, Addresses: []string{"127.0.0.1"},
		})
	}
	replicas := map[string]*replica{
		"one": startReplicaWith(t, proto.CloneOf(registry), c.endpoints(), t.TempDir()),
		"two": startReplicaWith(t, proto.CloneOf(registry), c.endpoints(), t.TempDir()),
	}
	rounds := scaled(200, 20)
	won := make(map[string]int)
	for round := range rounds {
		var mu sync.Mutex
		var accepted []string
		var registering sync.WaitGroup
		for name, r := range replicas {
			registering.Go(func() {
				backend := fmt.Sprintf("%s-%d", name, round)
				ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+name)
				template := map[string]string{"one": "/r%d/{name=things/*}", "two": "/r%d/{name=*/box}"}[name] // both take /r0/things/box
				_, err := r.admin.Register(ctx, &adminv1.RegisterRequest{
					Backend: backend, Address: "127.0.0.1:1", Descriptors: routed(name+fmt.Sprint(round), fmt.Sprintf(template, round)),
				})
				switch status.Code(err) {
				case codes.OK:
					mu.Lock()
					accepted = append(accepted, name)
					mu.Unlock()
				case codes.PermissionDenied:
				default:
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		registering.Wait()
		if len(accepted) != 1 {
			t.Fatalf("round %d: accepted of %v", round, accepted)
		}
		won[accepted[0]]++
	}
	t.Logf("%d rounds: %v", rounds, won)
}
