package translate

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// Of the fields of a oneof a request can set one. On the wire the last one wins, and readers
// of the text before may take the first: two of them are refused, wherever they stand.

// choice is a field of a oneof, on the way to a field of the request.
type choice struct {
	oneof string // by its place in the request
	field protoreflect.FieldNumber
}

// choices returns the oneofs that the last of a path's fields sets, itself or by being in a message that does.
func choices(path []*wire.Field) (list []choice) {
	at := ""
	for _, f := range path {
		fd := f.Descriptor()
		if od := realOneof(fd); od != nil {
			list = append(list, choice{at + string(od.Name()), fd.Number()})
		}
		at += string(fd.Name()) + "."
	}
	return list
}

// realOneof returns the oneof of a field; that of proto3's optional is none.
func realOneof(fd protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
		return od
	}
	return nil
}

// rivals reports whether two lists have different fields of one oneof.
func rivals(a, b []choice) bool {
	for _, m := range a {
		for _, n := range b {
			if m.oneof == n.oneof && m.field != n.field {
				return true
			}
		}
	}
	return false
}

// rivalsOf returns the paths of the fields that a field excludes.
func rivalsOf(m *wire.Message, p *wire.Path) (paths []*wire.Path, err error) {
	at := ""
	for _, f := range p.Fields() {
		if od := realOneof(f.Descriptor()); od != nil {
			for i := range od.Fields().Len() {
				if fd := od.Fields().Get(i); fd != f.Descriptor() {
					rival, err := m.Path(at + string(fd.Name()))
					if err != nil {
						return nil, err
					}
					paths = append(paths, rival)
				}
			}
		}
		at += string(f.Descriptor().Name()) + "."
	}
	return paths, nil
}

// checkRivals refuses a body that sets a field which a path variable excludes.
func (v *boundVariable) checkRivals(body []byte) error {
	for _, rival := range v.rivals {
		set, err := isSet(rival, body)
		if err != nil {
			return err
		}
		if set {
			return invalid(fmt.Sprintf("the body has %s, and the path %s, of which there can be one", rival, v.field),
				rival.String(), "is excluded by the path")
		}
	}
	return nil
}

// isSet reports whether a message has the field of a oneof.
func isSet(p *wire.Path, msg []byte) (set bool, err error) {
	found := func() bool {
		set = true
		return false
	}
	if p.Field().Message() != nil {
		err = p.Messages(msg, func([]byte) bool { return found() })
	} else {
		err = p.Values(msg, func(wire.Value) bool { return found() })
	}
	return set, err
}
