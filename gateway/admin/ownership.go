package admin

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

// checkOwnership refuses what belongs to others: services in their packages, types under their
// names, and routes that take a request of theirs. The message holds the proof.
func (s *Service) checkOwnership(ctx context.Context, o *owner, p *proposal, preview *Preview) error {
	served := servedOf(p.files, p.revision.GetServices())
	for _, service := range served {
		if err := s.checkService(o, service); err != nil {
			return err
		}
	}
	if o.operator {
		return nil
	}
	holders, err := s.holders(ctx)
	if err != nil {
		return err
	}
	for _, snapshot := range []*schema.Snapshot{preview.Current, preview.Snapshot} {
		if err := checkServed(o, holders, p.revision.GetBackend(), served, snapshot); err != nil {
			return err
		}
	}
	if err := s.checkTypes(o, p, preview.Snapshot); err != nil {
		return err
	}
	return s.checkRoutes(ctx, o, p, holders, preview.Routes)
}

// holders returns the owners of registered backends by the backends' names.
func (s *Service) holders(ctx context.Context) (map[string]string, error) {
	heads, err := s.store.Heads(ctx)
	if heads == nil && err != nil {
		return nil, s.storeError(ctx, err)
	}
	holders := make(map[string]string, len(heads))
	for _, r := range heads {
		holders[r.GetBackend()] = r.GetOwner()
	}
	return holders, nil
}

// checkService looks at the package of a service.
func (s *Service) checkService(o *owner, service string) error {
	for _, other := range s.owners().list {
		for _, prefix := range other.packages {
			if other.name != o.name && !o.operator && within(service, prefix) {
				return status.Errorf(codes.PermissionDenied, "the service %s lies in the package %s, which belongs to %s", service, prefix, other.name)
			}
		}
	}
	if len(o.packages) == 0 {
		return nil
	}
	for _, prefix := range o.packages {
		if within(service, prefix) {
			return nil
		}
	}
	return status.Errorf(codes.PermissionDenied, "the service %s lies in none of your packages: %s", service, strings.Join(o.packages, ", "))
}

// checkServed refuses a service that a backend of somebody else serves already.
func checkServed(o *owner, holders map[string]string, backend string, services []string, next *schema.Snapshot) error {
	for _, name := range services {
		service := next.Service(name)
		if service == nil || service.Backend.Name == backend {
			continue
		}
		if holder, registered := holders[service.Backend.Name]; !registered || holder != o.name {
			return status.Errorf(codes.PermissionDenied, "the service %s is served by the backend %s of %s", name, service.Backend.Name, nameOf(holder))
		}
	}
	return nil
}

// checkTypes lets a type of another owner be declared only as its owner declares it: the copy that
// comes with an import.
func (s *Service) checkTypes(o *owner, p *proposal, next *schema.Snapshot) error {
	var candidate *schema.Backend
	for _, b := range next.Backends {
		if b.Name == p.revision.GetBackend() {
			candidate = b
		}
	}
	if candidate == nil {
		return nil
	}
	for _, other := range s.owners().list {
		if other.name == o.name {
			continue
		}
		for _, prefix := range other.types {
			if err := s.checkTypesBelow(prefix, other.name, candidate, next); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) checkTypesBelow(prefix, holder string, candidate *schema.Backend, next *schema.Snapshot) (err error) {
	candidate.Files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			if within(string(m.FullName()), prefix) && !declaredSame(m, candidate, next) {
				err = status.Errorf(codes.PermissionDenied, "%s: the type %s belongs to %s, who declares it otherwise or not yet", f.Path(), m.FullName(), holder)
				return false
			}
		}
		for i := range f.Enums().Len() {
			e := f.Enums().Get(i)
			if within(string(e.FullName()), prefix) && !declaredSame(e, candidate, next) {
				err = status.Errorf(codes.PermissionDenied, "%s: the type %s belongs to %s, who declares it otherwise or not yet", f.Path(), e.FullName(), holder)
				return false
			}
		}
		return true
	})
	return err
}

// declaredSame reports whether another backend declares a type in the same way.
func declaredSame(d protoreflect.Descriptor, candidate *schema.Backend, next *schema.Snapshot) bool {
	for _, b := range next.Backends {
		if b == candidate {
			continue
		}
		if theirs, err := b.Files.FindDescriptorByName(d.FullName()); err == nil {
			return proto.Equal(descriptorOf(d), descriptorOf(theirs))
		}
	}
	return false
}

func descriptorOf(d protoreflect.Descriptor) proto.Message {
	switch d := d.(type) {
	case protoreflect.MessageDescriptor:
		return protodesc.ToDescriptorProto(d)
	case protoreflect.EnumDescriptor:
		return protodesc.ToEnumDescriptorProto(d)
	}
	return nil
}

// checkRoutes refuses a route that takes a request of another owner: one below its paths, or one
// that a route of its backends takes.
func (s *Service) checkRoutes(ctx context.Context, o *owner, p *proposal, holders map[string]string, routes []translate.Route) error {
	for _, mine := range routes {
		if mine.Method.Service.Backend.Name != p.revision.GetBackend() {
			continue
		}
		for _, other := range s.owners().list {
			if other.name == o.name {
				continue
			}
			for _, path := range other.paths {
				if witness := path.overlap(mine); witness != "" {
					return status.Errorf(codes.PermissionDenied, "%s %s of %s takes %s, which lies below %s of %s",
						mine.Verb, mine.Template, mine.Method.FullName(), witness, path.prefix, other.name)
				}
			}
		}
		if ctx.Err() != nil {
			return status.FromContextError(ctx.Err()).Err()
		}
		for _, theirs := range routes {
			holder, registered := holders[theirs.Method.Service.Backend.Name]
			if theirs.Method.Service.Backend.Name == p.revision.GetBackend() || registered && holder == o.name {
				continue
			}
			if witness, ok := mine.Overlap(theirs); ok {
				return status.Errorf(codes.PermissionDenied, "%s %s of %s takes %s, and so does %s %s of %s, which belongs to %s",
					mine.Verb, mine.Template, mine.Method.FullName(), witness, theirs.Verb, theirs.Template, theirs.Method.FullName(), nameOf(holder))
			}
		}
	}
	return nil
}
