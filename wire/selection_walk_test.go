package wire_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// selectionWalk writes selections the plain way. Methods report false where a fault takes
// the place of the value.
type selectionWalk struct {
	schema *decodeSchema
	path   *wire.Path // of the join's keys
	faults []string
	keys   []string // of the join, in the order of ordinals
	unfit  error    // why the outcome cannot be compared
	silent int      // above 0, only keys are collected
}

func (w *selectionWalk) fault(at string) bool {
	if w.silent == 0 {
		w.faults = append(w.faults, at)
	}
	return false
}

func (w *selectionWalk) object(msg protoreflect.Message, set []wire.Selection, at string) (string, bool) {
	var members []string
	for i, s := range set {
		text, ok := w.selected(msg, s, at+"."+s.Key)
		if !ok && s.NonNull {
			w.silent++ // what is behind a fault is not written, and its joins count
			for _, s := range set[i+1:] {
				w.selected(msg, s, "")
			}
			w.silent--
			return "", false
		}
		if !ok {
			text = "null"
		}
		members = append(members, quoteJSON(s.Key)+":"+text)
	}
	return "{" + strings.Join(members, ",") + "}", true
}

func (w *selectionWalk) selected(msg protoreflect.Message, s wire.Selection, at string) (string, bool) {
	switch s.Kind {
	case wire.SelectOneof:
		if fd := msg.WhichOneof(msg.Descriptor().Oneofs().Get(s.Oneof)); fd != nil {
			return quoteJSON(s.Cases[fd.Number()]), true
		}
		return "null", true
	case wire.SelectJoin:
		w.keys = append(w.keys, fmt.Sprint(valuesAt(msg, w.path)))
		return "null", true
	}
	fd, v := populated(msg, s.Field)
	if fd == nil {
		return w.absent(s, at)
	}
	return w.field(fd, v, s, at)
}

func (w *selectionWalk) absent(s wire.Selection, at string) (string, bool) {
	fd := s.Field.Descriptor()
	switch {
	case fd.IsMap() && s.Children == nil:
		return "{}", true
	case fd.IsMap(), fd.IsList():
		return "[]", true
	case !fd.HasPresence() && !(s.NonNull && isNullValue(fd)):
		return w.scalar(fd, fd.Default(), at)
	case fd.HasDefault() && fd.ContainingOneof() == nil && isFinite(fd.Default()):
		return w.scalar(fd, fd.Default(), at)
	case s.NonNull:
		return "", w.fault(at)
	default:
		return "null", true
	}
}

func (w *selectionWalk) field(fd protoreflect.FieldDescriptor, v protoreflect.Value, s wire.Selection, at string) (string, bool) {
	switch {
	case fd.IsMap() && s.Children == nil:
		return w.wholeMap(fd, v.Map(), at)
	case fd.IsMap():
		return w.entries(fd, v.Map(), s, at)
	case fd.IsList():
		return w.list(v.List().Len(), at, func(i int, at string) (string, bool) { return w.element(fd, v.List().Get(i), s, at) })
	default:
		return w.element(fd, v, s, at)
	}
}

// list writes elements. The fault of one is the fault of the list.
func (w *selectionWalk) list(n int, at string, element func(i int, at string) (string, bool)) (string, bool) {
	var elements []string
	failed := false
	for i := range n {
		text, ok := element(i, fmt.Sprintf("%s.%d", at, i))
		if !ok && !failed {
			failed = true
			w.silent++
		}
		elements = append(elements, text)
	}
	if failed {
		w.silent--
		return "", false
	}
	return "[" + strings.Join(elements, ",") + "]", true
}

func (w *selectionWalk) element(fd protoreflect.FieldDescriptor, v protoreflect.Value, s wire.Selection, at string) (string, bool) {
	switch {
	case fd.Message() == nil:
		return w.scalar(fd, v, at)
	case s.Children == nil:
		return w.whole(v.Message(), at)
	default:
		return w.object(v.Message(), s.Children, at)
	}
}

// entries writes a map as a list, in order of its keys.
func (w *selectionWalk) entries(fd protoreflect.FieldDescriptor, m protoreflect.Map, s wire.Selection, at string) (string, bool) {
	var keys []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, compareMapKeys)
	return w.list(len(keys), at, func(i int, at string) (string, bool) {
		return w.entry(fd, keys[i], m.Get(keys[i]), s.Children, at)
	})
}

func compareMapKeys(a, b protoreflect.MapKey) int {
	switch a.Interface().(type) {
	case string:
		return cmp.Compare(a.String(), b.String())
	case int32, int64:
		return cmp.Compare(a.Int(), b.Int())
	case uint32, uint64:
		return cmp.Compare(a.Uint(), b.Uint())
	default:
		return cmp.Compare(fmt.Sprint(a.Bool()), fmt.Sprint(b.Bool())) // false before true
	}
}

func (w *selectionWalk) entry(fd protoreflect.FieldDescriptor, k protoreflect.MapKey, v protoreflect.Value, set []wire.Selection, at string) (string, bool) {
	var members []string
	for i, s := range set {
		text, ok := w.keyOrValue(fd, k, v, s, at+"."+s.Key)
		if !ok && s.NonNull {
			w.silent++
			for _, s := range set[i+1:] {
				w.keyOrValue(fd, k, v, s, "")
			}
			w.silent--
			return "", false
		}
		if !ok {
			text = "null"
		}
		members = append(members, quoteJSON(s.Key)+":"+text)
	}
	return "{" + strings.Join(members, ",") + "}", true
}

func (w *selectionWalk) keyOrValue(fd protoreflect.FieldDescriptor, k protoreflect.MapKey, v protoreflect.Value, s wire.Selection, at string) (string, bool) {
	if s.Field.Number() == 1 {
		return w.scalar(fd.MapKey(), k.Value(), at)
	}
	return w.element(fd.MapValue(), v, s, at)
}
