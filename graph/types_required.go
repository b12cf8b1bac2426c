package graph

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What input asks for is what REQUIRED fields say, less where nobody could give it, and less in
// what is changed in part.

// patchesIn reports whether the message of a field is changed in part: what an update is
// about, and the messages within it that would ask for a value otherwise. Elements of
// lists and maps and members of oneofs are given as a whole.
func (s *inputShape) patchesIn(fd protoreflect.FieldDescriptor) bool {
	if s.masks.updated != nil && fd == s.masks.updated {
		return true
	}
	return s.patch && !s.oneof && fd.Message() != nil && !fd.IsList() && !fd.IsMap() &&
		asksForValues(fd.Message(), make(map[protoreflect.FullName]bool))
}

// asksForValues reports whether a field of md, or of a message within it, is required.
func asksForValues(md protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[md.FullName()] {
		return false
	}
	seen[md.FullName()] = true
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if requiredInput(fd) || fd.Message() != nil && !fd.IsList() && !fd.IsMap() && asksForValues(fd.Message(), seen) {
			return true
		}
	}
	return false
}

// endless reports whether a required message would contain itself: no client
// could ever give it.
func endless(fd protoreflect.FieldDescriptor) bool {
	return mustHold(fd) && holdsItself(fd.Message(), fd.ContainingMessage().FullName(), make(map[protoreflect.FullName]bool))
}

// mustHold reports whether a field is one required message.
func mustHold(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && !fd.IsList() && !fd.IsMap() && requiredInput(fd)
}

// holdsItself reports whether required fields lead from md to the wanted message.
func holdsItself(md protoreflect.MessageDescriptor, wanted protoreflect.FullName, seen map[protoreflect.FullName]bool) bool {
	if md.FullName() == wanted {
		return true
	}
	if seen[md.FullName()] {
		return false
	}
	seen[md.FullName()] = true
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); mustHold(fd) && holdsItself(fd.Message(), wanted, seen) {
			return true
		}
	}
	return false
}
