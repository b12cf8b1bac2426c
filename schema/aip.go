package schema

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What the shape of a request or response says by the API improvement proposals
// (aip.dev). Names of types follow from it, so it is decided here for everyone.

// UpdatedField returns the field of a request that its update_mask is about (AIP-134): the
// one message among its fields. It is nil where there is no such mask, or not
// exactly one such field.
func UpdatedField(request protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	mask := request.Fields().ByName("update_mask")
	if mask == nil || !isFieldMask(mask) {
		return nil
	}
	var sole protoreflect.FieldDescriptor
	for i := range request.Fields().Len() {
		fd := request.Fields().Get(i)
		if !holdsMessage(fd) {
			continue
		}
		if sole != nil {
			return nil
		}
		sole = fd
	}
	return sole
}

func isFieldMask(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && !fd.IsList() && fd.Message().FullName() == "google.protobuf.FieldMask"
}

// holdsMessage reports whether a field is one message that is not well known.
func holdsMessage(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && !fd.IsList() && !fd.IsMap() && fd.Message().ParentFile().Package() != "google.protobuf"
}

// PagedField returns the field of a response that has the elements of a page
// (AIP-158): the one list of messages. It is nil where request and response are not those of a
// method with pages: page_size, page_token and next_page_token.
func PagedField(md protoreflect.MethodDescriptor) protoreflect.FieldDescriptor {
	request, response := md.Input().Fields(), md.Output().Fields()
	if md.IsStreamingClient() || md.IsStreamingServer() ||
		!isSingular(request.ByName("page_size"), protoreflect.Int32Kind) ||
		!isSingular(request.ByName("page_token"), protoreflect.StringKind) ||
		!isSingular(response.ByName("next_page_token"), protoreflect.StringKind) {
		return nil
	}
	return soleMessageList(response)
}

func isSingular(fd protoreflect.FieldDescriptor, kind protoreflect.Kind) bool {
	return fd != nil && fd.Kind() == kind && !fd.IsList()
}

// soleMessageList returns the one field that is a list of messages with fields of their own.
func soleMessageList(fields protoreflect.FieldDescriptors) protoreflect.FieldDescriptor {
	var sole protoreflect.FieldDescriptor
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !fd.IsList() || fd.Message() == nil || isScalarInGraph(fd.Message().FullName()) {
			continue
		}
		if sole != nil {
			return nil
		}
		sole = fd
	}
	return sole
}
