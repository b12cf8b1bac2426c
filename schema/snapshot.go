// Package schema knows where descriptors come from and compiles them.
//
// A [Source] loads the files of one backend; [Compile] makes one immutable
// [Snapshot] of all backends' files and the operator's overlay; a [Registry]
// keeps sources loaded and says when there is something new to compile.
package schema

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/wire"
)

// Input is everything that a snapshot depends on.
type Input struct {
	// Backends in the order of precedence. The first that has a service serves it, unless the
	// [Claims] of registered backends decide otherwise.
	Backends []BackendFiles
	// Overlays are merged into the files before anything is compiled.
	Overlays []*configv1.Overlay
	// Policies attach to methods by selector.
	Policies []*configv1.PolicyRule
	// Registered are policies that were said while the gateway runs. They go before
	// those of overlays and Policies, whatever the selectors.
	Registered []*configv1.PolicyRule
	// RegisteredFields are policies of fields that were said while the gateway runs. They go
	// before those of Overlays.
	RegisteredFields []*configv1.Overlay
	// Positions says where overlays, policy rules and the blocks of their policies
	// stand, as file:line:column, as far as that is known.
	Positions map[proto.Message]string
	// Names is the lock of GraphQL names given so far. Nil: none.
	Names *Names
	// AIPVerbsOff stops taking Get…, List… and their kin for queries.
	AIPVerbsOff bool
	// PrefixFields puts the service in front of the name of every root field that no option names.
	PrefixFields bool
}

// BackendFiles are the files that a source loaded for a backend.
type BackendFiles struct {
	Name   string
	Files  *Files
	Served []string // full names of services to serve; empty: all in Files.Services
	Claims *Claims  // of a registered backend; nil: the backend is configured
}

// Files are the descriptors of one backend. They are immutable once made.
type Files struct {
	// Set holds every file after those it imports. Options are parsed: known
	// extensions are set on them, not left as unknown bytes.
	Set *descriptorpb.FileDescriptorSet
	// Services are the full names of the services found, sorted.
	Services []string
	// Digest is SHA-256 over Set and Services, in hexadecimal.
	Digest string
	// Problems say what of the source could not be used and is not among Set and Services. Their
	// backend is empty.
	Problems []Problem
}

// Snapshot is a compiled schema. It is immutable and safe for concurrent use. Backends, with their services
// and methods, may be those of an earlier snapshot.
type Snapshot struct {
	// Digest is SHA-256 over all inputs, in hexadecimal. The lock of names counts as
	// it comes out, so that compiling again with it gives the same digest.
	Digest string
	// Backends in the order of the input, less those without files.
	Backends []*Backend
	// Services in the order of the backends, and in the order of the files within one.
	Services []*Service
	// Methods by path, `/pkg.Service/Method`.
	Methods map[string]*Method
	// Groups are the backends that serve something, so that those of one group have nothing to do with those of another:
	// no type of the same name, and no join.
	Groups [][]*Backend
	// Types compiles messages that no method leads to, and those that an Any may hold.
	Types *wire.Types
	// Names is the lock with what this snapshot added.
	Names *Names

	resolver *resolver
	services map[string]*Service
	fields   map[protoreflect.FullName]Said // policies that are not from a field's own option
}

// FieldSaid tells where the policy of a field comes from. It is to be asked only of fields that have one.
func (s *Snapshot) FieldSaid(fd protoreflect.FieldDescriptor) Said {
	if said, ok := s.fields[fd.FullName()]; ok {
		return said
	}
	return Said{By: ByField, Selector: string(fd.FullName()), Position: PositionOf(fd)}
}

// Method finds a method by its path, `/pkg.Service/Method`. It returns nil where
// there is none.
func (s *Snapshot) Method(path string) *Method { return s.Methods[path] }

// Service finds a service by its full name. It returns nil where there is none.
func (s *Snapshot) Service(name string) *Service { return s.services[name] }

// FindMessage returns the message of the first backend whose files have it, and
// nil where none has. A message that no method reaches is compiled when it is first asked for.
func (s *Snapshot) FindMessage(name protoreflect.FullName) *wire.Message {
	for _, b := range s.Backends {
		if md := b.message(name); md != nil {
			if b.closed[name] {
				return b.types.Message(md)
			}
			return s.Types.Message(md)
		}
	}
	return nil
}

// Resolver finds the messages that an Any or an error detail names: those of the
// backends, in their order, then google.protobuf and google.rpc.
func (s *Snapshot) Resolver() wire.Resolver { return s.resolver }

// Backend is one backend's part of a snapshot.
type Backend struct {
	Name     string
	Digest   string // of its files
	Services []*Service
	// Files resolves the backend's own files, by path and by name.
	Files FileResolver

	files   []protoreflect.FileDescriptor // each after those it imports
	types   *wire.Types                   // of the messages that its methods lead to, where no other backend has to do with them
	closed  map[protoreflect.FullName]bool
	derived sync.Map // see Derived
}

// Derived returns what is derived from the backend alone, once for each key: it lives as long as the backend, which may
// be a part of many snapshots. Where two ask at once, both may make it, and one is kept. A key is of a type of its
// own, as those of contexts are.
func (b *Backend) Derived(key any, derive func() any) any {
	if made, ok := b.derived.Load(key); ok {
		return made
	}
	made, _ := b.derived.LoadOrStore(key, derive())
	return made
}

// message finds a message in the backend's files; nil where there is none.
func (b *Backend) message(name protoreflect.FullName) protoreflect.MessageDescriptor {
	d, err := b.Files.FindDescriptorByName(name)
	if err != nil {
		return nil
	}
	md, _ := d.(protoreflect.MessageDescriptor)
	return md
}

// FileResolver finds files and what they declare, as protodesc.Resolver does.
type FileResolver interface {
	FindFileByPath(path string) (protoreflect.FileDescriptor, error)
	FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error)
	RangeFiles(func(protoreflect.FileDescriptor) bool)
}

// Service is a compiled service.
type Service struct {
	Descriptor protoreflect.ServiceDescriptor
	Backend    *Backend
	Methods    []*Method
	// Options are never nil.
	Options *optionsv1.ServiceOptions
}

// FullName returns the service's name with its package.
func (s *Service) FullName() string { return string(s.Descriptor.FullName()) }

// Operation says which GraphQL root type carries a method.
type Operation uint8

// The operations.
const (
	Hidden       Operation = iota // not in the graph
	Query                         // unary without side effects, or a server stream that is collected
	Mutation                      // unary or client stream
	Subscription                  // server stream
)

// Method is a compiled method.
type Method struct {
	Descriptor protoreflect.MethodDescriptor
	Service    *Service
	// Path is `/pkg.Service/Method`, the name of the method on every RPC door.
	Path          string
	Input, Output *wire.Message
	ClientStreams bool
	ServerStreams bool
	// NoSideEffects: the answer may be cached and shared, the call repeated. Said by
	// idempotency_level, by an http GET rule, or by the option that makes it a query.
	NoSideEffects bool
	// Idempotent: the call may be repeated. NoSideEffects implies it.
	Idempotent bool
	Operation  Operation
	// Bindings are the http rule and its additional bindings; nil where there is none.
	Bindings []*Binding
	// Options are never nil.
	Options *optionsv1.MethodOptions
	// Policy is what all origins together say. It is never nil.
	Policy *policyv1.Policy
	// Operator is what the operator alone says, in the configuration and through the
	// admin API. It is never nil.
	Operator *policyv1.Policy
	// Said tells where each block of Policy comes from, by the name of its kind.
	Said map[protoreflect.Name]Said
	// Limits are Policy.Limits with all defaults filled in.
	Limits Limits
	// Timeout is the longest time for a call; 0 is no bound.
	Timeout time.Duration
	// AttemptTimeout is the longest time for one attempt of a call, or until a stream's
	// first answer; 0 is no bound of its own.
	AttemptTimeout time.Duration
	Retry          Retry
	// HiddenErrors are the codes of the backend's errors whose messages and details clients do not see.
	HiddenErrors CodeSet
	// RateLimit is how often the method may be called; nil is no bound.
	RateLimit *RateLimit
}

// FullName returns `pkg.Service.Method`.
func (m *Method) FullName() string { return string(m.Descriptor.FullName()) }

// Streams reports whether the method streams in either direction.
func (m *Method) Streams() bool { return m.ClientStreams || m.ServerStreams }

// Limits are the bounds of a method's messages, in bytes, and of its streams.
type Limits struct {
	RequestBytes  int
	ResponseBytes int
	JSONBytes     int
	// Idle is how long a stream may be silent, MaxLife how long it may live; 0 is no bound.
	Idle, MaxLife time.Duration
	// SlowConsumer is how long a client of a stream may take to accept one message.
	SlowConsumer time.Duration
	// StreamMessages and StreamBytes bound all messages of a stream, in each
	// direction; 0 is no bound.
	StreamMessages, StreamBytes uint64
}

// The default limits.
const (
	DefaultRequestBytes  = 4 << 20
	DefaultResponseBytes = 4 << 20
	DefaultTimeout       = 30 * time.Second // of unary calls
	DefaultSlowConsumer  = 30 * time.Second
)

// Binding is one google.api.http rule of a method: an HTTP method, a path
// template, and where the body goes. The template's syntax has not been checked.
type Binding struct {
	Method *Method
	// Verb is the HTTP method, such as GET, or `*` for any.
	Verb string
	// Template is the path template, such as `/v1/{name=books/*}`.
	Template string
	// Body is `*`, a field path, or empty for no body.
	Body string
	// ResponseBody is a field of the response, or empty for all of it.
	ResponseBody string
	// Position is where the rule stands, as `file.proto:line:column`, or `overlay` for
	// a rule of the operator without a known place. It is only the file where no more is known.
	Position string
}
