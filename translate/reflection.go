package translate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// reflector answers server reflection for all backends as if they were one
// server. It serves v1 and v1alpha with the same code: their messages differ in
// nothing but the package.
//
// Backends may have different files of one path. So a symbol is looked for first
// where it is served, an answer holds the file with all that it imports from the
// same backend, and a file asked for by its path comes from the backend that answered before.
type reflector struct {
	services   *pb.ListServiceResponse
	backends   []*schema.Backend          // in the order of the snapshot, the gateway's own last
	owners     map[string]*schema.Backend // by full name of a service
	extensions func() map[extendee][]protoreflect.ExtensionDescriptor
	encoded    sync.Map // protoreflect.FileDescriptor to []byte
	narrowed   sync.Map // protoreflect.FileDescriptor to *memo[[]byte], by what is hidden
	snapshot   *schema.Snapshot
	visible    func(context.Context, *schema.Method) bool // nil: all are
}

// maxNarrowed bounds in how many ways a file with hidden methods is remembered. Callers differ in few.
const maxNarrowed = 16

// extendee is a message in the files of one backend.
type extendee struct {
	backend *schema.Backend
	message protoreflect.FullName
}

func newReflector(snap *schema.Snapshot, own *schema.Backend, visible func(context.Context, *schema.Method) bool) *reflector {
	r := &reflector{
		snapshot: snap,
		visible:  visible,
		services: new(pb.ListServiceResponse),
		backends: append(slices.Clone(snap.Backends), own),
		owners:   make(map[string]*schema.Backend),
	}
	for _, s := range slices.Concat(snap.Services, own.Services) {
		r.owners[s.FullName()] = s.Backend
		r.services.Service = append(r.services.Service, &pb.ServiceResponse{Name: s.FullName()})
	}
	slices.SortFunc(r.services.Service, func(a, b *pb.ServiceResponse) int { return strings.Compare(a.Name, b.Name) })
	r.extensions = sync.OnceValue(r.indexExtensions)
	return r
}

// indexExtensions is made by the first question about extensions, which few clients ask.
func (r *reflector) indexExtensions() map[extendee][]protoreflect.ExtensionDescriptor {
	index := make(map[extendee][]protoreflect.ExtensionDescriptor)
	for _, b := range r.backends {
		add := func(xs protoreflect.ExtensionDescriptors) {
			for i := range xs.Len() {
				key := extendee{b, xs.Get(i).ContainingMessage().FullName()}
				index[key] = append(index[key], xs.Get(i))
			}
		}
		var visit func(protoreflect.MessageDescriptors)
		visit = func(ms protoreflect.MessageDescriptors) {
			for i := range ms.Len() {
				add(ms.Get(i).Extensions())
				visit(ms.Get(i).Messages())
			}
		}
		b.Files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
			add(fd.Extensions())
			visit(fd.Messages())
			return true
		})
	}
	return index
}

// handle is a [rpc.Handler].
func (r *reflector) handle(ctx context.Context, _ *rpc.Call, s rpc.Stream) error {
	c := conversation{reflector: r, ctx: ctx, sent: make(map[protoreflect.FileDescriptor]bool)}
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		request := new(pb.ServerReflectionRequest)
		if proto.Unmarshal(m, request) != nil {
			return errMalformedRequest
		}
		if err := send(s, c.answer(request)); err != nil {
			return err
		}
	}
}

// conversation is one reflection stream.
type conversation struct {
	*reflector
	ctx     context.Context //nolint:containedctx // of this one call
	backend *schema.Backend // answered last
	sent    map[protoreflect.FileDescriptor]bool
}

func (c *conversation) answer(request *pb.ServerReflectionRequest) *pb.ServerReflectionResponse {
	response := &pb.ServerReflectionResponse{ValidHost: request.GetHost(), OriginalRequest: request}
	switch q := request.GetMessageRequest().(type) {
	case *pb.ServerReflectionRequest_ListServices:
		response.MessageResponse = &pb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: c.listed()}
	case *pb.ServerReflectionRequest_FileByFilename:
		c.answerFile(response, c.fileByPath(q.FileByFilename))
	case *pb.ServerReflectionRequest_FileContainingSymbol:
		c.answerFile(response, c.fileOfSymbol(protoreflect.FullName(q.FileContainingSymbol)))
	case *pb.ServerReflectionRequest_FileContainingExtension:
		x := q.FileContainingExtension
		c.answerFile(response, c.fileOfExtension(
			protoreflect.FullName(x.GetContainingType()), protoreflect.FieldNumber(x.GetExtensionNumber())))
	case *pb.ServerReflectionRequest_AllExtensionNumbersOfType:
		c.answerNumbers(response, protoreflect.FullName(q.AllExtensionNumbersOfType))
	default:
		refuseReflection(response, codes.InvalidArgument, "the request asks nothing")
	}
	return response
}

func refuseReflection(response *pb.ServerReflectionResponse, code codes.Code, message string) {
	response.MessageResponse = &pb.ServerReflectionResponse_ErrorResponse{
		ErrorResponse: &pb.ErrorResponse{ErrorCode: int32(code), ErrorMessage: message},
	}
}

// answerFile answers with a file and those it imports, after the importing ones,
// less those the client has.
func (c *conversation) answerFile(response *pb.ServerReflectionResponse, fd protoreflect.FileDescriptor) {
	if fd == nil {
		refuseReflection(response, codes.NotFound, "not found")
		return
	}
	files := new(pb.FileDescriptorResponse)
	asked := fd
	for queue := []protoreflect.FileDescriptor{fd}; len(queue) > 0; queue = queue[1:] {
		fd := queue[0]
		if c.sent[fd] && fd != asked || fd.IsPlaceholder() {
			continue
		}
		b, err := c.encodeVisible(fd)
		if err != nil {
			refuseReflection(response, codes.Internal, "a file cannot be encoded")
			return
		}
		again := c.sent[fd]
		c.sent[fd] = true
		files.FileDescriptorProto = append(files.FileDescriptorProto, b)
		for i := range fd.Imports().Len() {
			if !again {
				queue = append(queue, fd.Imports().Get(i).FileDescriptor)
			}
		}
	}
	response.MessageResponse = &pb.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: files}
}

func (r *reflector) encode(fd protoreflect.FileDescriptor) ([]byte, error) {
	if b, ok := r.encoded.Load(fd); ok {
		return b.([]byte), nil
	}
	file := protodesc.ToFileDescriptorProto(fd)
	schema.HideInternal(file)
	b, err := proto.Marshal(file)
	if err == nil {
		r.encoded.Store(fd, b)
	}
	return b, err
}

// hides reports whether a method is not for the caller. What the gateway itself answers, and what is not served, is.
func (c *conversation) hides(service, method protoreflect.Name, of protoreflect.FullName) bool {
	if c.visible == nil {
		return false
	}
	m := c.snapshot.Method("/" + string(of.Append(service)) + "/" + string(method))
	return m != nil && !c.visible(c.ctx, m)
}

// hidesService reports whether all methods of a service are not for the caller.
func (c *conversation) hidesService(s *schema.Service) bool {
	if c.visible == nil || s == nil {
		return false
	}
	return len(s.Methods) > 0 && !slices.ContainsFunc(s.Methods, func(m *schema.Method) bool { return c.visible(c.ctx, m) })
}

// listed returns the services of which the caller may call something.
func (c *conversation) listed() *pb.ListServiceResponse {
	if c.visible == nil {
		return c.services
	}
	listed := new(pb.ListServiceResponse)
	for _, s := range c.services.GetService() {
		if !c.hidesService(c.snapshot.Service(s.GetName())) {
			listed.Service = append(listed.Service, s)
		}
	}
	return listed
}

// encodeVisible returns a file less the methods that are not for the caller, and the services that have no others. Where
// something is hidden the comments are, too: they would tell.
func (c *conversation) encodeVisible(fd protoreflect.FileDescriptor) ([]byte, error) {
	var hidden strings.Builder
	for i := range fd.Services().Len() {
		sd := fd.Services().Get(i)
		for j := range sd.Methods().Len() {
			if c.hides(sd.Name(), sd.Methods().Get(j).Name(), fd.Package()) {
				fmt.Fprintf(&hidden, "%d.%d ", i, j)
			}
		}
	}
	if hidden.Len() == 0 {
		return c.encode(fd)
	}
	ways, _ := c.narrowed.LoadOrStore(fd, &memo[[]byte]{limit: maxNarrowed})
	return ways.(*memo[[]byte]).get(hidden.String(), func(string) ([]byte, error) { return c.narrow(fd) })
}

func (c *conversation) narrow(fd protoreflect.FileDescriptor) ([]byte, error) {
	file := protodesc.ToFileDescriptorProto(fd)
	file.SourceCodeInfo = nil
	services := file.Service
	file.Service = nil
	for _, s := range services {
		had := len(s.Method)
		s.Method = slices.DeleteFunc(s.Method, func(m *descriptorpb.MethodDescriptorProto) bool {
			return c.hides(protoreflect.Name(s.GetName()), protoreflect.Name(m.GetName()), fd.Package())
		})
		if had == 0 || len(s.Method) > 0 {
			file.Service = append(file.Service, s)
		}
	}
	return proto.Marshal(file)
}

var errNoSuchExtension = errors.New("no such extension")

// find asks backends until one knows, the given one and the last one to answer first.
func (c *conversation) find(
	first *schema.Backend, in func(*schema.Backend) (protoreflect.Descriptor, error),
) protoreflect.FileDescriptor {
	for _, b := range slices.Concat([]*schema.Backend{first, c.backend}, c.backends) {
		if b == nil {
			continue
		}
		if d, err := in(b); err == nil {
			c.backend = b
			return d.ParentFile()
		}
	}
	return nil
}

func (c *conversation) fileByPath(path string) protoreflect.FileDescriptor {
	return c.find(nil, func(b *schema.Backend) (protoreflect.Descriptor, error) {
		return b.Files.FindFileByPath(path)
	})
}

func (c *conversation) fileOfSymbol(name protoreflect.FullName) protoreflect.FileDescriptor {
	if c.hidesSymbol(name) {
		return nil
	}
	owner := c.owners[string(name)]
	if owner == nil {
		owner = c.owners[string(name.Parent())] // of a method
	}
	return c.find(owner, func(b *schema.Backend) (protoreflect.Descriptor, error) {
		return b.Files.FindDescriptorByName(name)
	})
}

// hidesSymbol reports whether a name is that of a service or method that is not for the caller.
func (c *conversation) hidesSymbol(name protoreflect.FullName) bool {
	if c.hidesService(c.snapshot.Service(string(name))) {
		return true
	}
	service := name.Parent()
	return service != "" && c.hides(service.Name(), name.Name(), service.Parent())
}

func (c *conversation) fileOfExtension(of protoreflect.FullName, n protoreflect.FieldNumber) protoreflect.FileDescriptor {
	index := c.extensions()
	return c.find(nil, func(b *schema.Backend) (protoreflect.Descriptor, error) {
		for _, x := range index[extendee{b, of}] {
			if x.Number() == n {
				return x, nil
			}
		}
		return nil, errNoSuchExtension
	})
}

// answerNumbers answers with the extensions that any backend has for a message.
func (c *conversation) answerNumbers(response *pb.ServerReflectionResponse, of protoreflect.FullName) {
	if c.fileOfSymbol(of) == nil {
		refuseReflection(response, codes.NotFound, "not found")
		return
	}
	var numbers []int32
	for _, b := range c.backends {
		for _, x := range c.extensions()[extendee{b, of}] {
			numbers = append(numbers, int32(x.Number()))
		}
	}
	slices.Sort(numbers)
	response.MessageResponse = &pb.ServerReflectionResponse_AllExtensionNumbersResponse{
		AllExtensionNumbersResponse: &pb.ExtensionNumberResponse{
			BaseTypeName: string(of), ExtensionNumber: slices.Compact(numbers),
		},
	}
}
