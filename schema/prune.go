package schema

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// maxPruneWork bounds the bytes of descriptors that are linked while the faulty elements of a backend are looked for.
const maxPruneWork = 16 << 20

// pruner removes from files what does not link: an element at fault, and everything that needs it.
type pruner struct {
	registry *protoregistry.Files // of the files before
	work     int                  // bytes that were linked on trial
	failed   []linkError
}

// element is what a pruner keeps or removes as a whole: a message, enum, extension or service at the
// top level of a file.
type element struct {
	name    string   // full name with a leading dot
	needs   []string // types it refers to; nil for a service, see needed
	add     func(*descriptorpb.FileDescriptorProto)
	service *descriptorpb.ServiceDescriptorProto // nil for others
	state   elementState
}

// needed returns the names of the types that the element refers to.
func (e *element) needed() []string {
	if e.service == nil {
		return e.needs
	}
	var names []string
	for _, m := range e.service.GetMethod() {
		names = append(names, m.GetInputType(), m.GetOutputType())
	}
	return names
}

type elementState uint8

const (
	untried elementState = iota
	kept
	removed
)

// prunedFile is the pruning of one file.
type prunedFile struct {
	*pruner
	file     *descriptorpb.FileDescriptorProto
	elements []*element // in the order of the file
	sorted   []*element // those that others need stand before them, but for cycles
	declared map[string]*element
}

// prune returns the file without what does not link, or nil where nothing of it does.
func (p *pruner) prune(f *descriptorpb.FileDescriptorProto, missing []string) protoreflect.FileDescriptor {
	empty := shallowCopy(f)
	empty.MessageType, empty.EnumType, empty.Extension, empty.Service = nil, nil, nil, nil
	empty.SourceCodeInfo = nil // it counts elements by index
	if _, err := protodesc.NewFile(empty, p.registry); err != nil {
		p.removeFile(f, linkMessage(err, missing))
		return nil
	}
	pruned := &prunedFile{pruner: p, file: empty, declared: make(map[string]*element)}
	pruned.index(f)
	for _, e := range pruned.sorted {
		pruned.checkNames(e, missing)
	}
	pruned.keep(pruned.sorted)
	fd, err := protodesc.NewFile(pruned.with(nil), p.registry)
	if err == nil {
		err = p.registry.RegisterFile(fd)
	}
	if err != nil {
		p.removeFile(f, linkMessage(err, missing))
		return nil
	}
	return fd
}

// removeFile reports a file of which nothing links, and its services by name.
func (p *pruner) removeFile(f *descriptorpb.FileDescriptorProto, message string) {
	p.failed = append(p.failed, linkError{path: f.GetName(), message: message})
	for _, s := range f.GetService() {
		p.failed = append(p.failed, linkError{
			path: f.GetName(), element: join(f.GetPackage(), s.GetName()), message: "the service is not served: its file does not link",
		})
	}
}

// remove removes an element and reports why. What the caller removes only because it needs another
// element is reported for services and methods, which are what clients miss.
func (f *prunedFile) remove(e *element, message string) {
	e.state = removed
	f.failed = append(f.failed, linkError{path: f.file.GetName(), element: strings.TrimPrefix(e.name, "."), message: message})
}

// index lists the elements of a file.
func (f *prunedFile) index(file *descriptorpb.FileDescriptorProto) {
	scope := scopeOf(file)
	add := func(name string, needs []string, add func(*descriptorpb.FileDescriptorProto)) *element {
		e := &element{name: scope + "." + name, needs: needs, add: add}
		f.elements = append(f.elements, e)
		f.declared[e.name] = e
		return e
	}
	for _, enum := range file.GetEnumType() {
		add(enum.GetName(), nil, func(to *descriptorpb.FileDescriptorProto) { to.EnumType = append(to.EnumType, enum) })
	}
	for _, message := range file.GetMessageType() {
		var needs []string
		noteMessages([]*descriptorpb.DescriptorProto{message}, func(name string) { needs = append(needs, name) })
		add(message.GetName(), needs, func(to *descriptorpb.FileDescriptorProto) { to.MessageType = append(to.MessageType, message) })
	}
	for _, extension := range file.GetExtension() {
		needs := []string{extension.GetExtendee(), extension.GetTypeName()}
		add(extension.GetName(), needs, func(to *descriptorpb.FileDescriptorProto) { to.Extension = append(to.Extension, extension) })
	}
	for _, service := range file.GetService() {
		e := add(service.GetName(), nil, nil)
		e.service = service
		e.add = func(to *descriptorpb.FileDescriptorProto) { to.Service = append(to.Service, e.service) }
	}
	seen := make(map[*element]bool, len(f.elements))
	for _, e := range f.elements {
		f.order(e, seen)
	}
}

// order sorts an element behind those that it needs.
func (f *prunedFile) order(e *element, seen map[*element]bool) {
	if seen[e] {
		return
	}
	seen[e] = true
	for _, name := range e.needed() {
		if needed := f.declaring(name); needed != nil {
			f.order(needed, seen)
		}
	}
	f.sorted = append(f.sorted, e)
}

// declaring returns the element of this file that declares a type, or nil: nested types belong to the
// message at the top level.
func (f *prunedFile) declaring(name string) *element {
	for name != "" {
		if e := f.declared[name]; e != nil {
			return e
		}
		name = name[:max(strings.LastIndexByte(name, '.'), 0)]
	}
	return nil
}

// checkNames removes an element of which the names alone say that it cannot be linked, so that most
// faults are found without a trial.
func (f *prunedFile) checkNames(e *element, missing []string) {
	if other, err := f.registry.FindDescriptorByName(protoreflect.FullName(strings.TrimPrefix(e.name, "."))); err == nil {
		f.remove(e, fmt.Sprintf("not served: %s declares it too", other.ParentFile().Path()))
		return
	}
	if e.service != nil {
		f.checkMethods(e, missing)
		return
	}
	for _, name := range e.needs {
		if lacks := f.lacks(name, missing); lacks != "" {
			f.remove(e, "not served: "+lacks)
			return
		}
	}
}

// checkMethods removes the methods of which a request or an answer cannot be linked.
func (f *prunedFile) checkMethods(e *element, missing []string) {
	service := proto.CloneOf(e.service)
	service.Method = slices.DeleteFunc(service.Method, func(m *descriptorpb.MethodDescriptorProto) bool {
		for _, name := range []string{m.GetInputType(), m.GetOutputType()} {
			if lacks := f.lacks(name, missing); lacks != "" {
				f.failed = append(f.failed, linkError{
					path: f.file.GetName(), element: strings.TrimPrefix(e.name, ".") + "." + m.GetName(), message: "the method is not served: " + lacks,
				})
				return true
			}
		}
		return false
	})
	if len(service.Method) == 0 && len(e.service.Method) > 0 {
		f.remove(e, "the service is not served: none of its methods can be")
	}
	e.service = service
}

// lacks says why a type that is needed is not there; empty if it is, or where only linking can tell.
func (f *prunedFile) lacks(name string, missing []string) string {
	if !strings.HasPrefix(name, ".") {
		return ""
	}
	plain := name[1:]
	if e := f.declaring(name); e != nil {
		if e.state == removed {
			return fmt.Sprintf("it needs %s, which is not usable", plain)
		}
		return ""
	}
	if _, err := f.registry.FindDescriptorByName(protoreflect.FullName(plain)); err == nil {
		return ""
	}
	text := fmt.Sprintf("it needs %s, which is not declared or not usable", plain)
	if len(missing) > 0 {
		text += fmt.Sprintf(" (the source gave no %s)", strings.Join(missing, ", "))
	}
	return text
}

// keep tries elements together, and where they do not link, in halves.
func (f *prunedFile) keep(elements []*element) {
	elements = slices.DeleteFunc(slices.Clone(elements), f.isDecided)
	if len(elements) == 0 {
		return
	}
	tried := f.closure(elements)
	trial := f.with(tried)
	if f.work += proto.Size(trial); f.work > maxPruneWork {
		for _, e := range elements {
			f.remove(e, "not served: this backend has too many faults to look for each")
		}
		return
	}
	_, err := protodesc.NewFile(trial, f.registry)
	switch {
	case err == nil:
		for _, e := range tried {
			e.state = kept
		}
	case len(elements) == 1:
		f.remove(elements[0], linkMessage(err, nil))
	default:
		half := len(elements) / 2
		f.keep(elements[:half])
		f.keep(elements[half:])
	}
}

// isDecided reports whether an element is kept or removed, and removes it if what it needs was.
func (f *prunedFile) isDecided(e *element) bool {
	if e.state != untried {
		return true
	}
	f.checkNames(e, nil)
	return e.state == removed
}

// closure returns elements with all undecided ones that they need.
func (f *prunedFile) closure(elements []*element) []*element {
	seen := make(map[*element]bool)
	var all []*element
	var add func(e *element)
	add = func(e *element) {
		if seen[e] || e.state != untried {
			return
		}
		seen[e] = true
		all = append(all, e)
		for _, name := range e.needed() {
			if needed := f.declaring(name); needed != nil {
				add(needed)
			}
		}
	}
	for _, e := range elements {
		add(e)
	}
	return all
}

// with returns the file with the elements that are kept and those on trial, in the order of the file.
func (f *prunedFile) with(trial []*element) *descriptorpb.FileDescriptorProto {
	tried := make(map[*element]bool, len(trial))
	for _, e := range trial {
		tried[e] = true
	}
	file := shallowCopy(f.file)
	for _, e := range f.elements {
		if e.state == kept || tried[e] {
			e.add(file)
		}
	}
	return file
}
