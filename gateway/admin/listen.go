package admin

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// MaxRequestBytes is how large a request may be: a registration with the largest descriptors.
const MaxRequestBytes = 9 << 20

// Listener is the service on a listener in memory. Only who has it can connect.
type Listener struct {
	server *grpc.Server
	memory *bufconn.Listener
}

// Listen serves s until Close.
func Listen(s *Service) *Listener {
	const buffer = 64 << 10
	l := &Listener{
		server: grpc.NewServer(grpc.ChainUnaryInterceptor(s.audited, s.recovered), grpc.MaxRecvMsgSize(MaxRequestBytes), grpc.MaxSendMsgSize(2*MaxRequestBytes)),
		memory: bufconn.Listen(buffer),
	}
	adminv1.RegisterAdminServiceServer(l.server, s)
	go func() { _ = l.server.Serve(l.memory) }() // ends with Close, which waits for it
	return l
}

// Close ends the service and waits for its calls.
func (l *Listener) Close() { l.server.Stop() }

// DialContext implements [rpc.Dialer].
func (l *Listener) DialContext(ctx context.Context) (net.Conn, error) {
	return l.memory.DialContext(ctx)
}

var _ rpc.Dialer = (*Listener)(nil)

// Files returns the descriptors of the service.
func Files() (*schema.Files, error) {
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(adminv1.File_protean_admin_v1_policies_proto),
		protodesc.ToFileDescriptorProto(adminv1.File_protean_admin_v1_admin_proto),
	}}
	return schema.NewFiles(set, nil)
}
