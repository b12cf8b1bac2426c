package registry

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// replica is a gateway within this process.
type replica struct {
	*gateway.Gateway
	admin adminv1.AdminServiceClient
	stop  func()
}

// startReplica starts a gateway on etcd, or where there are no endpoints, on its state folder.
func startReplica(t *testing.T, etcd []string, state string) *replica {
	t.Helper()
	return startReplicaWith(t, &configv1.Registry{Gate: configv1.Gate_GATE_WARN.Enum()}, etcd, state)
}

func startReplicaWith(t *testing.T, registry *configv1.Registry, etcd []string, state string) *replica {
	t.Helper()
	loopback := "127.0.0.1:0"
	config := &configv1.Config{Listen: &loopback, Admin: &loopback, State: &state, Registry: registry}
	if len(etcd) > 0 {
		config.Registry.Etcd = &configv1.Etcd{Endpoints: etcd}
	}
	g, err := gateway.New(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, nil) }()
	conn := dial(t, g.AdminAddr())
	stopped := false
	r := &replica{Gateway: g, admin: adminv1.NewAdminServiceClient(conn)}
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(r.stop)
	<-g.Ready()
	return r
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// shelf returns the descriptors of a service of a backend, which differ by content.
func shelf(backend, content string) []byte {
	label := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	text := descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
	pkg := "shelf." + backend
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String(backend + ".proto"), Package: proto.String(pkg), Syntax: proto.String("proto3"),
		Options: &descriptorpb.FileOptions{JavaPackage: proto.String(content)},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name:  proto.String("Shelf"),
			Field: []*descriptorpb.FieldDescriptorProto{{Name: proto.String("name"), Number: proto.Int32(1), Label: label, Type: text, JsonName: proto.String("name")}},
		}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Shelves"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String("GetShelf"), InputType: proto.String(fmt.Sprintf(".%s.Shelf", pkg)), OutputType: proto.String(fmt.Sprintf(".%s.Shelf", pkg)),
			}},
		}},
	}
	// Marshalling what was just made cannot fail.
	raw, _ := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	return raw
}
