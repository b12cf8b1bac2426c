package auth

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// fieldAction is what a mask does with the records of a field.
type fieldAction struct {
	// text replaces each value; nil: the records are left out.
	text []byte
}

// anyTypes finds the message inside an Any by its full name, or nil.
type anyTypes func(protoreflect.FullName) *wire.Message

// fieldMask leaves out or replaces fields of messages on their wire bytes, wherever
// in a message they are: in lists, maps, groups and Any. It is immutable.
type fieldMask struct {
	actions map[*wire.Field]fieldAction
	byName  map[protoreflect.FullName]fieldAction
	types   anyTypes
	// clean has the messages that contain nothing with an action, at any depth. They are
	// copied unread. Of messages that it does not have, nothing is known.
	clean map[*wire.Message]bool
}

func newFieldMask(actions map[*wire.Field]fieldAction, clean map[*wire.Message]bool, types anyTypes) *fieldMask {
	f := &fieldMask{actions: actions, types: types, clean: clean, byName: make(map[protoreflect.FullName]fieldAction)}
	for field, action := range actions {
		f.byName[field.Descriptor().FullName()] = action
	}
	return f
}

// actionOf returns what happens to a field of a message. That of a message which was
// found inside an Any may be another backend's twin of the one with the rule.
func (f *fieldMask) actionOf(m *wire.Message, field *wire.Field) (fieldAction, bool) {
	if _, known := f.clean[m]; known {
		action, held := f.actions[field]
		return action, held
	}
	action, held := f.byName[field.Descriptor().FullName()]
	return action, held
}

var errMalformed = errors.New("malformed message")

// maxNesting is how deep messages may nest.
const maxNesting = 100

// apply returns a message without what the mask takes out of it. The result may
// be the message itself, which is never changed.
func (f *fieldMask) apply(m *wire.Message, message []byte) ([]byte, error) {
	return f.message(make([]byte, 0, len(message)+16), m, message, 0)
}

// message appends what is left of a message.
func (f *fieldMask) message(dst []byte, m *wire.Message, src []byte, depth int) ([]byte, error) {
	if depth == maxNesting {
		return nil, errMalformed
	}
	if isAny(m) {
		return f.any(dst, src, depth)
	}
	for len(src) > 0 {
		number, kind, tag := protowire.ConsumeTag(src)
		if tag < 0 {
			return nil, errMalformed
		}
		size := protowire.ConsumeFieldValue(number, kind, src[tag:])
		if size < 0 {
			return nil, errMalformed
		}
		record := src[:tag+size]
		src = src[tag+size:]
		var err error
		if dst, err = f.record(dst, m, number, kind, record, tag, depth); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// record appends what is left of one record, whose value begins at an offset. A
// record of a field that is left out goes whatever its wire type is: who reads it otherwise
// than we do shall find nothing there either.
func (f *fieldMask) record(
	dst []byte, m *wire.Message, number protowire.Number, kind protowire.Type, record []byte, value, depth int,
) ([]byte, error) {
	field := m.FieldByNumber(number)
	if field == nil {
		return append(dst, record...), nil
	}
	if action, held := f.actionOf(m, field); held {
		if action.text == nil || kind != protowire.BytesType {
			return dst, nil
		}
		dst = protowire.AppendTag(dst, number, kind)
		return protowire.AppendBytes(dst, action.text), nil
	}
	inside := field.Message()
	switch {
	case inside == nil || f.clean[inside]:
		return append(dst, record...), nil
	case kind == protowire.BytesType && field.Kind() != protoreflect.GroupKind:
		body, _ := protowire.ConsumeBytes(record[value:])
		return f.prefixed(append(dst, record[:value]...), inside, body, depth)
	case kind == protowire.StartGroupType && field.Kind() == protoreflect.GroupKind:
		body, _ := protowire.ConsumeGroup(number, record[value:])
		dst, err := f.message(append(dst, record[:value]...), inside, body, depth+1)
		return protowire.AppendTag(dst, number, protowire.EndGroupType), err
	default:
		return dst, nil // no parser reads it as that message
	}
}

// prefixed appends what is left of a message behind its length.
func (f *fieldMask) prefixed(dst []byte, m *wire.Message, body []byte, depth int) ([]byte, error) {
	start := len(dst)
	dst, err := f.message(dst, m, body, depth+1)
	if err != nil {
		return nil, err
	}
	size := len(dst) - start
	prefix := protowire.SizeVarint(uint64(size))
	dst = append(dst, make([]byte, prefix)...)
	copy(dst[start+prefix:], dst[start:start+size])
	protowire.AppendVarint(dst[:start], uint64(size))
	return dst, nil
}

// Fields of google.protobuf.Any.
const (
	anyURL   = 1
	anyValue = 2
)

// any appends an Any whose message was masked. Of records that occur twice the last
// counts, as for a parser, and only that is written. What nobody here knows has no policy.
func (f *fieldMask) any(dst, src []byte, depth int) ([]byte, error) {
	var url, value []byte
	for rest := src; len(rest) > 0; {
		number, kind, tag := protowire.ConsumeTag(rest)
		if tag < 0 {
			return nil, errMalformed
		}
		size := protowire.ConsumeFieldValue(number, kind, rest[tag:])
		if size < 0 {
			return nil, errMalformed
		}
		if kind == protowire.BytesType {
			body, _ := protowire.ConsumeBytes(rest[tag:])
			switch number {
			case anyURL:
				url = body
			case anyValue:
				value = body
			}
		}
		rest = rest[tag+size:]
	}
	name := string(url[strings.LastIndexByte(string(url), '/')+1:])
	inside := f.types(protoreflect.FullName(name))
	if inside == nil {
		return append(dst, src...), nil
	}
	dst = protowire.AppendTag(dst, anyURL, protowire.BytesType)
	dst = protowire.AppendBytes(dst, url)
	dst = protowire.AppendTag(dst, anyValue, protowire.BytesType)
	return f.prefixed(dst, inside, value, depth)
}

func isAny(m *wire.Message) bool { return m.FullName() == "google.protobuf.Any" }
