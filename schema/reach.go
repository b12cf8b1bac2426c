package schema

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// reachedType is a message or enum that served methods lead to, with the
// descriptors of all backends that lead to it.
type reachedType struct {
	fullName    string
	backend     *Backend // the first that leads here
	descriptors []reachedDescriptor
	derivations []derivation // in the order in which they were met
	derived     map[derivation]bool
	joins       []string // methods that joins of messages lead to
	claim       *claim
}

type reachedDescriptor struct {
	backend *Backend
	protoreflect.Descriptor
}

func (t *reachedType) first() protoreflect.Descriptor { return t.descriptors[0].Descriptor }

// derive notes a type that this one brings with it, once.
func (t *reachedType) derive(d derivation) {
	if t.derived[d] {
		return
	}
	t.derived[d] = true
	t.derivations = append(t.derivations, d)
}

// reach walks from methods through fields. The order of what it finds is that of
// backends, methods and fields.
type reach struct {
	types   []*reachedType
	at      map[string]int // of types, where those of backends are merged
	byName  map[string]*reachedType
	inputs  map[protoreflect.Descriptor]bool
	outputs map[protoreflect.Descriptor]bool
	patches map[protoreflect.Descriptor]bool
}

// reachKey is where what a backend's methods lead to is kept with it.
type reachKey struct{}

// reachFrom returns what the methods of all backends lead to.
func reachFrom(backends []*Backend) *reach {
	if len(backends) == 1 {
		return reachOf(backends[0])
	}
	all := new(reach)
	for _, b := range backends {
		of := reachOf(b)
		for _, t := range of.types {
			all.merge(t)
		}
	}
	for _, t := range all.types {
		if t.claim == nil { // of several backends
			t.finish()
		}
	}
	return all
}

// reachOf returns what the methods of one backend lead to. It is immutable.
func reachOf(b *Backend) *reach {
	return b.Derived(reachKey{}, func() any {
		r := newReach()
		for _, s := range b.Services {
			r.service(s)
		}
		for _, t := range r.types {
			t.finish()
		}
		return r
	}).(*reach)
}

// merge adds a type of a further backend.
func (r *reach) merge(t *reachedType) {
	i, known := r.at[t.fullName]
	if !known {
		if r.at == nil {
			r.at = make(map[string]int)
		}
		r.at[t.fullName] = len(r.types)
		r.types = append(r.types, t)
		return
	}
	both := *r.types[i]
	both.claim = nil
	both.descriptors = slices.Concat(both.descriptors, t.descriptors)
	both.joins = slices.Concat(both.joins, t.joins)
	both.derivations, both.derived = slices.Clone(both.derivations), maps.Clone(both.derived)
	for _, d := range t.derivations {
		both.derive(d)
	}
	r.types[i] = &both
}

// finish spells out what follows from a type that is complete.
func (t *reachedType) finish() {
	t.claim = typeClaim(t.backend, t.first())
	for _, d := range t.derivations {
		t.claim.derived = append(t.claim.derived, brought(t.fullName, d))
	}
}

// claims returns what the types want, in the order of their first use.
func (r *reach) claims() []*claim {
	claims := make([]*claim, len(r.types))
	for i, t := range r.types {
		claims[i] = t.claim
	}
	return claims
}

func newReach() *reach {
	return &reach{
		byName:  make(map[string]*reachedType),
		inputs:  make(map[protoreflect.Descriptor]bool),
		outputs: make(map[protoreflect.Descriptor]bool),
		patches: make(map[protoreflect.Descriptor]bool),
	}
}

func (r *reach) service(s *Service) {
	for _, m := range s.Methods {
		r.message(s.Backend, m.Descriptor.Input(), true)
		r.message(s.Backend, m.Descriptor.Output(), false)
		if fd := UpdatedField(m.Descriptor.Input()); fd != nil {
			r.patch(s.Backend, fd.Message())
		}
		if fd := PagedField(m.Descriptor); fd != nil && m.Options.GetGraphql().GetConnection() {
			r.connection(s.Backend, fd.Message())
		}
	}
}

// patch visits a message that an update changes in part, and those within it.
func (r *reach) patch(b *Backend, md protoreflect.MessageDescriptor) {
	if r.patches[md] {
		return
	}
	r.patches[md] = true
	r.typeOf(b, md).derive(derivation{kind: patchType})
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); holdsMessage(fd) {
			r.patch(b, fd.Message())
		}
	}
}

// connection visits the elements of a list that is a connection.
func (r *reach) connection(b *Backend, md protoreflect.MessageDescriptor) {
	t := r.typeOf(b, md)
	t.derive(derivation{kind: connectionType})
	t.derive(derivation{kind: edgeType})
}

// message visits a message, once as input and once as output.
func (r *reach) message(b *Backend, md protoreflect.MessageDescriptor, input bool) {
	if isScalarInGraph(md.FullName()) || !r.enter(md, input) {
		return
	}
	t := r.typeOf(b, md)
	if input {
		t.derive(derivation{kind: inputType})
	}
	for i := range md.Fields().Len() {
		r.field(b, t, md.Fields().Get(i), input)
	}
	for i := range md.Oneofs().Len() {
		if od := md.Oneofs().Get(i); !od.IsSynthetic() {
			t.derive(derivation{string(od.Name()), either(input, inputType, outputKind(md, od))})
		}
	}
}

// outputKind returns the type that a oneof brings with it in answers.
func outputKind(md protoreflect.MessageDescriptor, od protoreflect.OneofDescriptor) string {
	unions := extensionOf[*optionsv1.MessageOptions](md.Options(), optionsv1.E_Message).GetUnions()
	return either(slices.Contains(unions, string(od.Name())), unionType, caseType)
}

func (r *reach) field(b *Backend, t *reachedType, fd protoreflect.FieldDescriptor, input bool) {
	if fd.IsMap() {
		t.derive(derivation{string(fd.Name()), either(input, entryInputType, entryType)})
		fd = fd.MapValue()
	}
	if md := fd.Message(); md != nil {
		r.message(b, md, input)
	}
	if ed := fd.Enum(); ed != nil && r.enter(ed, false) {
		r.typeOf(b, ed)
	}
}

// enter reports whether a descriptor is visited for the first time.
func (r *reach) enter(d protoreflect.Descriptor, input bool) bool {
	seen := r.outputs
	if input {
		seen = r.inputs
	}
	if seen[d] {
		return false
	}
	seen[d] = true
	return true
}

func (r *reach) typeOf(b *Backend, d protoreflect.Descriptor) *reachedType {
	name := string(d.FullName())
	t := r.byName[name]
	if t == nil {
		t = &reachedType{fullName: name, backend: b, derived: make(map[derivation]bool)}
		r.byName[name] = t
		r.types = append(r.types, t)
	}
	for _, known := range t.descriptors {
		if known.Descriptor == d {
			return t
		}
	}
	t.descriptors = append(t.descriptors, reachedDescriptor{b, d})
	if md, ok := d.(protoreflect.MessageDescriptor); ok {
		for _, join := range extensionOf[*optionsv1.MessageOptions](md.Options(), optionsv1.E_Message).GetJoins() {
			t.joins = append(t.joins, join.GetMethod())
		}
	}
	return t
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// isScalarInGraph reports whether a well-known type is a scalar in GraphQL, so that it
// takes no name and nothing in it is reached.
func isScalarInGraph(name protoreflect.FullName) bool {
	switch name {
	case "google.protobuf.Any", "google.protobuf.Timestamp", "google.protobuf.Duration",
		"google.protobuf.FieldMask", "google.protobuf.Struct", "google.protobuf.Value",
		"google.protobuf.ListValue", "google.protobuf.Empty",
		"google.protobuf.DoubleValue", "google.protobuf.FloatValue",
		"google.protobuf.Int64Value", "google.protobuf.UInt64Value",
		"google.protobuf.Int32Value", "google.protobuf.UInt32Value",
		"google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue":
		return true
	}
	return false
}
