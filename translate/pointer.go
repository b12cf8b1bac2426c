package translate

import (
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// pointers writes the fields that a google.rpc.BadRequest names as JSON Pointers (RFC 6901) into the
// request message, such as `/book/authors/1`, in the names that the client's JSON has. The zero
// value leaves them as they are.
type pointers struct {
	input      protoreflect.MessageDescriptor
	protoNames bool
}

// pointers are those of the route of an exchange, once it has one.
func (x *exchange) pointers() pointers {
	if x.route == nil {
		return pointers{}
	}
	return pointers{x.route.method.Input.Descriptor(), x.answer != nil && x.answer.options.ProtoNames}
}

// status returns the status that a client hears of an error.
func (p pointers) status(err error) *spb.Status {
	st := statusOf(err).Proto()
	if p.input == nil {
		return st
	}
	for i, d := range st.GetDetails() {
		var bad errdetails.BadRequest
		if !d.MessageIs(&bad) || d.UnmarshalTo(&bad) != nil {
			continue
		}
		for _, v := range bad.GetFieldViolations() {
			if pointer, ok := p.of(v.GetField()); ok {
				v.Field = pointer
			}
		}
		if pointed, err := anypb.New(&bad); err == nil {
			st.Details[i] = pointed
		}
	}
	return st
}

// of returns the pointer to a field that is named as in `book.authors[1]` or `roles["a.b"].name`, in
// proto or JSON names; to the message around it for a oneof. It reports false where the request
// has no such field.
func (p pointers) of(field string) (string, bool) {
	var out strings.Builder
	md := p.input
	for rest := field; rest != ""; {
		if md == nil {
			return "", false
		}
		name, after := cutName(rest)
		fd := fieldNamed(md, name)
		if fd == nil {
			return out.String(), out.Len() > 0 && after == "" && md.Oneofs().ByName(protoreflect.Name(name)) != nil
		}
		out.WriteByte('/')
		out.WriteString(p.name(fd))
		if strings.HasPrefix(after, "[") {
			element, behind, ok := cutSubscript(after)
			if !ok || !fd.IsList() && !fd.IsMap() {
				return "", false
			}
			out.WriteByte('/')
			out.WriteString(element)
			after = behind
		}
		if md = fd.Message(); fd.IsMap() {
			md = fd.MapValue().Message()
		}
		if after != "" {
			var more bool
			if after, more = strings.CutPrefix(after, "."); !more || after == "" {
				return "", false
			}
		}
		rest = after
	}
	return out.String(), out.Len() > 0
}

func (p pointers) name(fd protoreflect.FieldDescriptor) string {
	if p.protoNames {
		return string(fd.Name())
	}
	return escapePointer(fd.JSONName())
}

func fieldNamed(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
		return fd
	}
	return md.Fields().ByJSONName(name)
}

// cutName takes the first name off a path.
func cutName(path string) (name, rest string) {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// cutSubscript takes `[1]` or `["key"]` off a path and returns what is in it, escaped.
func cutSubscript(path string) (element, rest string, ok bool) {
	inside := path[1:]
	if strings.HasPrefix(inside, `"`) {
		quoted, err := strconv.QuotedPrefix(inside)
		if err != nil {
			return "", "", false
		}
		key, err := strconv.Unquote(quoted)
		rest, closed := strings.CutPrefix(inside[len(quoted):], "]")
		return escapePointer(key), rest, err == nil && closed
	}
	element, rest, ok = strings.Cut(inside, "]")
	return escapePointer(element), rest, ok
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer escapes one part of a pointer (RFC 6901, section 3).
func escapePointer(part string) string { return pointerEscapes.Replace(part) }
