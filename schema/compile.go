package schema

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/wire"
)

// Compile makes a snapshot of the input, as a new [Compiler] does. It panics if the gateway has a defect that no backend triggers.
func Compile(in Input) (*Snapshot, []Problem) {
	snapshot, problems, err := new(Compiler).Compile(context.Background(), in)
	if err != nil {
		panic(err) // a PanicError, since the context never ends
	}
	return snapshot, problems
}

// Compile makes a snapshot of the input. What it returns depends on nothing
// but its input. What of a backend does not link is left out of the snapshot, and a problem of severity [Error]
// names it; the caller may compile again with that backend's last good files. An error
// without a backend is the operator's: an overlay that could not be applied. If ctx ends on
// the way, its cause is the error, and nothing is returned. If compiling a backend panics, the backend
// has a problem with the stack; a panic that no backend triggers is returned as a [PanicError].
func (r *Compiler) Compile(ctx context.Context, in Input) (*Snapshot, []Problem, error) {
	var snapshot *Snapshot
	var problems []Problem
	try := func(backends []BackendFiles) (err error) {
		part := in
		part.Backends = backends
		snapshot, problems, err = r.compile(ctx, part)
		return err
	}
	err := Guard(func() error { return try(in.Backends) })
	if _, panicked := errors.AsType[*PanicError](err); !panicked {
		return snapshot, problems, err
	}
	_, faults, err := Isolate(in.Backends, try)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, f := range faults {
		problems = append(problems, f.Problem(f.Part.Name, "the backend is not served"))
	}
	return snapshot, problems, nil
}

func (r *Compiler) compile(ctx context.Context, in Input) (*Snapshot, []Problem, error) {
	c := &compiler{
		ctx:      ctx,
		in:       in,
		linking:  r.linking(slices.Concat(in.Overlays, in.RegisteredFields)),
		overlays: newOverlays(in),
		policies: newPolicies(in),
		said:     saidDigest(in),
		snapshot: &Snapshot{
			Methods:  make(map[string]*Method),
			services: make(map[string]*Service),
		},
	}
	c.linkBackends()
	c.linking.done()
	c.problems = append(c.problems, c.overlays.problems()...)
	c.compileServices()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	c.problems = append(c.problems, c.policies.findings()...)
	c.nameTypes()
	c.snapshot.fields = c.overlays.fields
	c.snapshot.Digest = digestInput(in, c.snapshot.Names)
	return c.snapshot, c.problems, nil
}

// compiler holds one run of Compile.
type compiler struct {
	ctx      context.Context //nolint:containedctx // its own life
	in       Input
	linking  *linking
	overlays *overlays
	policies *policies
	served   [][]string                    // by backend of the snapshot: the services wanted
	claims   []*Claims                     // by backend of the snapshot
	holders  map[protoreflect.FullName]int // by service: the backend of the snapshot that serves it
	linked   []*linkedFiles
	said     [sha256.Size]byte // what parts depend on beside their files
	types    *wire.Types       // of the part that is compiled
	snapshot *Snapshot
	problems []Problem
}

func (c *compiler) report(p Problem) { c.problems = append(c.problems, p) }

// warn reports a warning about an element of a backend's files.
func (c *compiler) warn(b *Backend, d protoreflect.Descriptor, format string, arguments ...any) {
	c.report(Problem{
		Severity: Warning,
		Backend:  b.Name,
		Element:  string(d.FullName()),
		Position: PositionOf(d),
		Message:  fmt.Sprintf(format, arguments...),
	})
}

// linkBackends adds the backends to the snapshot, with those of their files that fit together.
func (c *compiler) linkBackends() {
	names := make(map[string]bool)
	for _, in := range c.in.Backends {
		if names[in.Name] {
			c.report(Problem{Severity: Error, Backend: in.Name, Message: "a backend before this one has the same name"})
			continue
		}
		names[in.Name] = true
		if c.ctx.Err() == nil {
			c.linkBackend(in)
		}
	}
	c.snapshot.resolver = newResolver(c.snapshot.Backends)
	c.snapshot.Types = wire.NewTypes(c.snapshot.resolver)
}

func (c *compiler) linkBackend(in BackendFiles) {
	if in.Files == nil {
		c.report(Problem{Severity: Error, Backend: in.Name, Message: "no descriptors were loaded"})
		return
	}
	linked := c.linking.link(c.ctx, in.Name, in.Files, c.overlays)
	c.overlays.note(linked.overlaid)
	for _, p := range in.Files.Problems {
		p.Backend = in.Name
		c.report(p)
	}
	for _, failed := range linked.failed {
		c.report(Problem{Severity: Error, Backend: in.Name, Element: failed.element, Position: failed.path, Message: failed.message})
	}
	c.snapshot.Backends = append(c.snapshot.Backends, &Backend{
		Name:   in.Name,
		Digest: in.Files.Digest,
		Files:  linked.registry,
		files:  linked.files,
	})
	c.served = append(c.served, c.servedServices(in))
	c.claims = append(c.claims, in.Claims)
	c.linked = append(c.linked, linked)
}

// servedServices returns the services of a backend that the operator wants served.
func (c *compiler) servedServices(in BackendFiles) []string {
	services := slices.DeleteFunc(slices.Clone(in.Files.Services), isInfrastructure)
	if len(in.Served) == 0 {
		return services
	}
	for _, name := range in.Served {
		if !slices.Contains(services, name) {
			c.report(Problem{
				Severity: Warning, Backend: in.Name, Element: name,
				Message: "the backend is to serve this service and has none of that name",
			})
		}
	}
	return slices.DeleteFunc(services, func(name string) bool { return !slices.Contains(in.Served, name) })
}

func (c *compiler) compileServices() {
	c.holders = c.assignServices()
	for i := range c.snapshot.Backends {
		if c.ctx.Err() != nil {
			return
		}
		c.compileBackend(i)
	}
}

func (c *compiler) compileService(b *Backend, sd protoreflect.ServiceDescriptor) {
	s := &Service{
		Descriptor: sd,
		Backend:    b,
		Options:    extensionOf[*optionsv1.ServiceOptions](sd.Options(), optionsv1.E_Service),
	}
	for i := range sd.Methods().Len() {
		if c.ctx.Err() != nil {
			return
		}
		s.Methods = append(s.Methods, c.compileMethod(s, sd.Methods().Get(i)))
	}
	b.Services = append(b.Services, s)
}

func (c *compiler) compileMethod(s *Service, md protoreflect.MethodDescriptor) *Method {
	m := &Method{
		Descriptor:    md,
		Service:       s,
		Path:          "/" + s.FullName() + "/" + string(md.Name()),
		Input:         c.types.Message(md.Input()),
		Output:        c.types.Message(md.Output()),
		ClientStreams: md.IsStreamingClient(),
		ServerStreams: md.IsStreamingServer(),
		Options:       extensionOf[*optionsv1.MethodOptions](md.Options(), optionsv1.E_Method),
	}
	m.Bindings = c.bindings(m)
	m.NoSideEffects, m.Idempotent = sideEffects(m)
	m.Operation = c.operation(m)
	c.policies.set(m)
	m.Limits = c.limits(m)
	m.Timeout = c.timeout(m)
	m.AttemptTimeout = c.length(m, "timeout.attempt", m.Policy.GetTimeout().GetAttempt())
	m.Retry = c.retry(m)
	m.HiddenErrors = c.codeSet(m, "errors.hide", m.Policy.GetErrors().GetHide(), "nothing is hidden by it")
	m.RateLimit = c.rateLimit(m)
	return m
}

// extensionOf returns an extension of options, or an empty message where it is not set.
func extensionOf[T proto.Message](options proto.Message, extension protoreflect.ExtensionType) T {
	if !proto.HasExtension(options, extension) {
		return extension.New().Message().Interface().(T)
	}
	return proto.GetExtension(options, extension).(T)
}
