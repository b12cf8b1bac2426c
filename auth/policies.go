package auth

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// PolicyOptions are what the policies of a snapshot need to know.
type PolicyOptions struct {
	// Authenticators are the names of those that are configured. Where there are
	// none, a method of which nothing is said is open.
	Authenticators []string
	// Authorizers by name.
	Authorizers map[string]*Authorizer
	// TrustProtoPolicies lets .proto files open methods of which the operator says nothing.
	TrustProtoPolicies bool
	// Identity is what backends are told of callers.
	Identity *configv1.Identity
	// ForwardCredentials has the names of the backends that get the client's
	// Authorization header.
	ForwardCredentials map[string]bool
	// CallerHeaders are the request headers by which the authenticators tell callers apart.
	CallerHeaders []string
	// Denied is told of each refused call. Nil: nobody is. It may be called concurrently.
	Denied func(context.Context, Denial)
}

// Policies decide about the calls of a snapshot's methods and about the fields of
// their answers. They are immutable and safe for concurrent use.
type Policies struct {
	methods  map[*schema.Method]*access // nil: everyone may call
	fields   map[*schema.Method]*fieldRules
	identity *identity
	denied   func(context.Context, Denial)

	authenticators []string
	callerHeaders  []string // by which callers differ; empty: nobody tells them apart
}

// Compile makes the policies of a snapshot. It never fails: a method with a policy
// that makes no sense is refused to everyone, and a Problem says so.
func Compile(snap *schema.Snapshot, o PolicyOptions) (*Policies, []schema.Problem) {
	p := &Policies{
		methods:  make(map[*schema.Method]*access, len(snap.Methods)),
		fields:   make(map[*schema.Method]*fieldRules),
		identity: newIdentity(o.Identity, o.ForwardCredentials),
		denied:   o.Denied,

		authenticators: o.Authenticators,
		callerHeaders:  o.CallerHeaders,
	}
	c := &accessCompiler{options: &o, environments: new(environments)}
	fields := newFieldCompiler(snap, c.environments)
	for _, s := range snap.Services {
		for _, m := range s.Methods {
			p.methods[m] = c.of(m)
			if rules := fields.of(m); rules != nil {
				p.fields[m] = rules
			}
		}
	}
	return p, append(c.problems, fields.problems...)
}

// Fields returns the fields of a method's answers that are hidden from some callers, or from all.
func (p *Policies) Fields(m *schema.Method) []*wire.Field {
	rules := p.fields[m]
	if rules == nil {
		return nil
	}
	fields := make([]*wire.Field, len(rules.rules))
	for i, rule := range rules.rules {
		fields[i] = rule.field
	}
	return fields
}

// FieldPolicy returns what is said of a field, or nil.
func FieldPolicy(fd protoreflect.FieldDescriptor) *policyv1.FieldPolicy {
	options, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.FieldOptions)
	return options.GetPolicy()
}

var (
	_ rpc.Middleware = (*Policies)(nil).Authorize
	_ rpc.Middleware = (*Policies)(nil).Redact
)
