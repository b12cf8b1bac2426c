package schema

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// recording is a connection that keeps the files that a reflection server sends
// and hands the client on it no more than their outlines.
//
// The client (grpcreflect) knows the two versions of the protocol and their servers'
// habits. But it builds every file itself, with checks under which one file that Go
// does not support fails the whole load, and gives no access to what was sent. With
// outlines it has nothing to check and no imports to follow.
type recording struct {
	grpc.ClientConnInterface
	files *gathering
	// err is why nothing more is taken. The client would ask again otherwise.
	err error
	// refused says that the last answer was an error, not a broken stream.
	refused bool
}

// NewStream implements [grpc.ClientConnInterface].
func (r *recording) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if r.err != nil {
		return nil, r.err
	}
	opts = append(opts, grpc.MaxCallRecvMsgSize(maxFilesBytes))
	stream, err := r.ClientConnInterface.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return nil, err
	}
	return &recordedStream{ClientStream: stream, recording: r}, nil
}

type recordedStream struct {
	grpc.ClientStream
	recording *recording
}

// RecvMsg implements [grpc.ClientStream].
func (s *recordedStream) RecvMsg(m any) error {
	if s.recording.err != nil {
		return s.recording.err
	}
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	switch m := m.(type) {
	case *reflectionv1.ServerReflectionResponse:
		s.recording.refused = m.GetErrorResponse() != nil
		if answer := m.GetFileDescriptorResponse(); answer != nil {
			return s.recording.keep(&answer.FileDescriptorProto)
		}
	case *reflectionv1alpha.ServerReflectionResponse:
		s.recording.refused = m.GetErrorResponse() != nil
		if answer := m.GetFileDescriptorResponse(); answer != nil {
			return s.recording.keep(&answer.FileDescriptorProto)
		}
	}
	return nil
}

// keep takes over serialized files and puts their outlines in their place. A file that cannot be read is a
// problem.
func (r *recording) keep(raws *[][]byte) error {
	var outlines [][]byte
	for _, raw := range *raws {
		file, err := r.files.addRaw(raw)
		if errors.Is(err, errMalformed) {
			r.files.report("", "the server's reflection sent a malformed answer: "+err.Error())
			continue
		}
		if err == nil {
			raw, err = proto.Marshal(outline(file))
		}
		if err != nil {
			r.err = fmt.Errorf("the answer of its reflection is refused: %w", err)
			return r.err
		}
		outlines = append(outlines, raw)
	}
	*raws = outlines
	return nil
}

// outline returns as much of a file as the client needs to see that it got what
// it asked for.
func outline(file *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	out := &descriptorpb.FileDescriptorProto{Name: file.Name, Package: file.Package}
	for _, service := range file.GetService() {
		out.Service = append(out.Service, &descriptorpb.ServiceDescriptorProto{Name: service.Name})
	}
	return out
}
