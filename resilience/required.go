package resilience

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// requiredFields are the fields of a message that must be there (AIP-203): one with presence must
// be set, any other must have another value than its zero, lists and maps an element.
type requiredFields struct {
	fields map[protowire.Number]*requiredField
	order  []*requiredField // the same, as they are declared
}

type requiredField struct {
	descriptor protoreflect.FieldDescriptor
	index      int // in the order
	required   bool
	message    *requiredFields // what the message in it requires, or nil
}

// requiredTypes keeps what was compiled, by message; nil for messages that require nothing
// themselves and lead to none that does.
type requiredTypes map[protoreflect.MessageDescriptor]*requiredFields

// of compiles what a message requires, or returns nil.
func (t requiredTypes) of(md protoreflect.MessageDescriptor) *requiredFields {
	if r, ok := t[md]; ok {
		return r
	}
	demanding := make(map[protoreflect.MessageDescriptor]bool)
	messages := reachable(md)
	for changed := true; changed; { // a message that leads to a demanding one is demanding
		changed = false
		for _, m := range messages {
			if !demanding[m] && demands(m, demanding) {
				demanding[m], changed = true, true
			}
		}
	}
	for _, m := range messages {
		if _, ok := t[m]; !ok {
			t[m] = nil
			if demanding[m] {
				t[m] = new(requiredFields)
			}
		}
	}
	for _, m := range messages {
		if r := t[m]; r != nil && r.fields == nil {
			t.fill(r, m)
		}
	}
	return t[md]
}

func demands(m protoreflect.MessageDescriptor, demanding map[protoreflect.MessageDescriptor]bool) bool {
	for i := range m.Fields().Len() {
		fd := m.Fields().Get(i)
		if isRequired(fd) || fd.Message() != nil && demanding[fd.Message()] {
			return true
		}
	}
	return false
}

func (t requiredTypes) fill(r *requiredFields, md protoreflect.MessageDescriptor) {
	r.fields = make(map[protowire.Number]*requiredField)
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		f := &requiredField{descriptor: fd, index: len(r.order), required: isRequired(fd)}
		if fd.IsMap() {
			if value := fd.MapValue().Message(); value != nil {
				f.message = t[value]
			}
		} else if fd.Message() != nil {
			f.message = t[fd.Message()]
		}
		if !f.required && f.message == nil {
			continue
		}
		r.fields[fd.Number()] = f
		r.order = append(r.order, f)
	}
}

func isRequired(fd protoreflect.FieldDescriptor) bool {
	behaviors, _ := proto.GetExtension(fd.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	for _, b := range behaviors {
		if b == annotations.FieldBehavior_REQUIRED {
			return true
		}
	}
	return false
}

// updateMask returns the number of the field that says what a request updates (AIP-134), or
// 0.
func updateMask(md protoreflect.MessageDescriptor) protowire.Number {
	fd := md.Fields().ByName("update_mask")
	if fd != nil && fd.Message() != nil && fd.Message().FullName() == "google.protobuf.FieldMask" {
		return fd.Number()
	}
	return 0
}

var errBadWire = status.Error(codes.InvalidArgument, "the request is not a valid message")

// maxDepth is how deep messages may lie in one another, as for protobuf's decoders.
const maxDepth = 100

// missing returns a violation for each required field that a message in wire form lacks. Of a
// request with an update mask, the fields of what it updates are required only where the
// mask names them: all others stay as they are.
func (r *requiredFields) missing(message []byte, mask protowire.Number) ([]*errdetails.BadRequest_FieldViolation, error) {
	w := requiredWalk{}
	if mask != 0 {
		w.masked, w.paths = true, pathsOf(message, mask)
	}
	if err := w.message(r, message, 0); err != nil {
		return nil, err
	}
	return w.found, nil
}

// requiredWalk is one walk over a request.
type requiredWalk struct {
	path   []string // steps such as `books[2]`
	masked bool
	paths  []string // of the mask
	found  []*errdetails.BadRequest_FieldViolation
}

// seen is what a walk found of one field.
type seen struct {
	present bool
	parts   [][]byte // of a message; several of one that is no list are merged
	keys    []string // of a map's entries
	entries map[string]int
}

func (w *requiredWalk) message(r *requiredFields, message []byte, depth int) error {
	if depth > maxDepth {
		return errBadWire
	}
	var few [8]seen
	fields := few[:]
	if len(r.order) > len(few) {
		fields = make([]seen, len(r.order))
	}
	if err := r.scan(message, fields); err != nil {
		return err
	}
	for i, f := range r.order {
		s := &fields[i]
		if f.required && !s.present {
			w.report(f)
		}
		if f.message == nil {
			continue
		}
		if err := w.children(f, s, depth); err != nil {
			return err
		}
	}
	return nil
}

// children looks into the messages of a field.
func (w *requiredWalk) children(f *requiredField, s *seen, depth int) error {
	name := string(f.descriptor.Name())
	parts := s.parts
	if f.descriptor.Cardinality() != protoreflect.Repeated && len(parts) > 1 {
		var merged []byte
		for _, part := range parts {
			merged = append(merged, part...) // concatenation is merge
		}
		parts = [][]byte{merged}
	}
	for i, part := range parts {
		step := name
		switch {
		case f.descriptor.IsMap():
			step = name + "[" + s.keys[i] + "]"
		case f.descriptor.IsList():
			step = name + "[" + strconv.Itoa(i) + "]"
		}
		w.path = append(w.path, step)
		err := w.message(f.message, part, depth+1)
		w.path = w.path[:len(w.path)-1]
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *requiredWalk) report(f *requiredField) {
	name := string(f.descriptor.Name())
	if len(w.found) >= maxViolations || !w.isUpdated(name) {
		return
	}
	w.found = append(w.found, &errdetails.BadRequest_FieldViolation{
		Field:       strings.Join(append(w.path[:len(w.path):len(w.path)], name), "."),
		Description: "value is required",
		Reason:      "REQUIRED",
	})
}

// isUpdated reports whether the mask names a field at the current path, or what it lies in.
func (w *requiredWalk) isUpdated(name string) bool {
	if !w.masked || len(w.path) == 0 { // of the request itself nothing is masked
		return true
	}
	path := name
	if inside := w.path[1:]; len(inside) > 0 {
		path = strings.Join(inside, ".") + "." + name
	}
	for _, p := range w.paths {
		if p == "*" || p == path || strings.HasPrefix(path, p+".") {
			return true
		}
	}
	return false
}

// scan finds the fields of a message that matter, in order of their indexes.
func (r *requiredFields) scan(message []byte, fields []seen) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errBadWire
		}
		size := protowire.ConsumeFieldValue(number, kind, message[n:])
		if size < 0 {
			return errBadWire
		}
		value := message[n : n+size]
		message = message[n+size:]
		f := r.fields[number]
		if f == nil || !isOfField(f.descriptor, kind) {
			continue
		}
		if err := fields[f.index].add(f, number, kind, value); err != nil {
			return err
		}
	}
	return nil
}

// add takes notice of one occurrence of a field, of which the last one counts.
func (s *seen) add(f *requiredField, number protowire.Number, kind protowire.Type, value []byte) error {
	content := value
	switch kind {
	case protowire.BytesType:
		content, _ = protowire.ConsumeBytes(value)
	case protowire.StartGroupType:
		content, _ = protowire.ConsumeGroup(number, value)
	}
	switch fd := f.descriptor; {
	case fd.Cardinality() == protoreflect.Repeated:
		s.present = s.present || len(content) > 0 || kind != protowire.BytesType || !isPackable(fd)
	case fd.HasPresence():
		s.present = true
	default:
		s.present = !isZero(kind, content)
	}
	if f.message == nil {
		return nil
	}
	if f.descriptor.IsMap() {
		key, entry, err := entryOf(f.descriptor, content)
		if err != nil {
			return err
		}
		if i, again := s.entries[key]; again {
			s.parts[i] = entry // the last of a key counts
			return nil
		}
		if s.entries == nil {
			s.entries = make(map[string]int)
		}
		s.entries[key] = len(s.keys)
		s.keys = append(s.keys, key)
		content = entry
	}
	s.parts = append(s.parts, content)
	return nil
}

// isOfField reports whether a field is written with a wire type. With another it is not the
// field, but unknown.
func isOfField(fd protoreflect.FieldDescriptor, kind protowire.Type) bool {
	if kind == protowire.BytesType && fd.IsList() && isPackable(fd) {
		return true
	}
	switch fd.Kind() {
	case protoreflect.GroupKind:
		return kind == protowire.StartGroupType
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return kind == protowire.BytesType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return kind == protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return kind == protowire.Fixed64Type
	default:
		return kind == protowire.VarintType
	}
}

// isPackable reports whether one occurrence of a list may have any number of elements.
func isPackable(fd protoreflect.FieldDescriptor) bool {
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind, protoreflect.GroupKind:
		return false
	default:
		return true
	}
}

func isZero(kind protowire.Type, content []byte) bool {
	switch kind {
	case protowire.VarintType:
		v, _ := protowire.ConsumeVarint(content)
		return v == 0
	case protowire.Fixed32Type, protowire.Fixed64Type:
		return strings.Trim(string(content), "\x00") == ""
	default:
		return len(content) == 0
	}
}

// entryOf returns the key of a map's entry as a path has it, and the value's message.
func entryOf(fd protoreflect.FieldDescriptor, entry []byte) (key string, value []byte, err error) {
	key = keyOf(fd.MapKey().Kind(), protowire.VarintType, []byte{0})
	if fd.MapKey().Kind() == protoreflect.StringKind {
		key = `""`
	}
	for len(entry) > 0 {
		number, kind, n := protowire.ConsumeTag(entry)
		if n < 0 {
			return "", nil, errBadWire
		}
		size := protowire.ConsumeFieldValue(number, kind, entry[n:])
		if size < 0 {
			return "", nil, errBadWire
		}
		content := entry[n : n+size]
		entry = entry[n+size:]
		switch {
		case number == 1 && isOfField(fd.MapKey(), kind):
			key = keyOf(fd.MapKey().Kind(), kind, content)
		case number == 2 && isOfField(fd.MapValue(), kind):
			part, _ := protowire.ConsumeBytes(content)
			value = append(value, part...)
		}
	}
	return key, value, nil
}

func keyOf(key protoreflect.Kind, kind protowire.Type, content []byte) string {
	var bits uint64
	switch kind {
	case protowire.VarintType:
		bits, _ = protowire.ConsumeVarint(content)
	case protowire.Fixed32Type:
		v, _ := protowire.ConsumeFixed32(content)
		bits = uint64(v)
	case protowire.Fixed64Type:
		bits, _ = protowire.ConsumeFixed64(content)
	case protowire.BytesType:
		text, _ := protowire.ConsumeString(content)
		return strconv.Quote(text)
	}
	switch key {
	case protoreflect.BoolKind:
		return strconv.FormatBool(bits != 0)
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return strconv.FormatInt(protowire.DecodeZigZag(bits), 10)
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		return strconv.FormatInt(int64(int32(bits)), 10) //nolint:gosec // as the type says
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return strconv.FormatInt(int64(bits), 10) //nolint:gosec // as the type says
	default:
		return fmt.Sprint(bits)
	}
}

// pathsOf returns the paths of a FieldMask in a message, whose number is given.
func pathsOf(message []byte, mask protowire.Number) []string {
	var paths []string
	for _, content := range contentsOf(message, mask) {
		for _, path := range contentsOf(content, 1) {
			paths = append(paths, string(path))
		}
	}
	return paths
}

// contentsOf returns the values of a field of bytes, as far as the message can be read.
func contentsOf(message []byte, wanted protowire.Number) [][]byte {
	var contents [][]byte
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			break
		}
		size := protowire.ConsumeFieldValue(number, kind, message[n:])
		if size < 0 {
			break
		}
		if number == wanted && kind == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(message[n : n+size])
			contents = append(contents, content)
		}
		message = message[n+size:]
	}
	return contents
}
