package gate

import (
	"context"
	"iter"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// use says whether a message or enum is in requests or in answers.
type use struct{ input, output bool }

// messagePair is a message and what became of it. Their full names may differ: then a
// method or field has another message than before.
type messagePair struct {
	use
	old, updated protoreflect.MessageDescriptor
}

// enumPair is an enum and what became of it.
type enumPair struct {
	use
	old, updated protoreflect.EnumDescriptor
}

// pairWalk finds the messages and enums that methods lead to, in both snapshots side by
// side. It visits each pair once as input and once as output, however many methods there are.
type pairWalk struct {
	messages []*messagePair
	enums    []*enumPair
	cut      bool // there are more than comparedMessages, or comparedFields
	fields   int  // that were visited

	waiting []visit // messages that were seen and not walked through yet
	seen    map[visit]bool
	pairs   map[visit]*messagePair
	twins   map[visit]*enumPair
	holders map[protoreflect.Descriptor][]protoreflect.Descriptor // messages with fields of an old type
	callers map[protoreflect.Descriptor][]string                  // paths of methods with it as request or response
}

// visit is a pair on the way of requests or of answers.
type visit struct {
	old, updated protoreflect.Descriptor
	input        bool
}

func newPairWalk() *pairWalk {
	return &pairWalk{
		seen:    make(map[visit]bool),
		pairs:   make(map[visit]*messagePair),
		twins:   make(map[visit]*enumPair),
		holders: make(map[protoreflect.Descriptor][]protoreflect.Descriptor),
		callers: make(map[protoreflect.Descriptor][]string),
	}
}

// comparedMessages bounds the pairs of messages. Two snapshots whose types go by the same names have
// fewer than they have messages; where other messages took their place, each may meet each.
const (
	comparedMessages = 200_000
	comparedFields   = 4_000_000
)

// method visits the request and the response of a method.
func (w *pairWalk) method(old, updated *schema.Method) {
	for _, d := range []protoreflect.Descriptor{old.Descriptor.Input(), old.Descriptor.Output()} {
		w.callers[d] = append(w.callers[d], old.Path)
	}
	w.message(old.Descriptor.Input(), updated.Descriptor.Input(), true)
	w.message(old.Descriptor.Output(), updated.Descriptor.Output(), false)
}

// walk visits all that the messages lead to which methods take and return, until ctx ends.
func (w *pairWalk) walk(ctx context.Context) {
	for len(w.waiting) > 0 && ctx.Err() == nil && !w.cut {
		last := len(w.waiting) - 1
		v := w.waiting[last]
		w.waiting = w.waiting[:last]
		old, updated := v.old.(protoreflect.MessageDescriptor), v.updated.(protoreflect.MessageDescriptor)
		for before, after := range pairedFields(old, updated) {
			w.field(before, after, v.input)
		}
	}
}

// message notes two messages, to be walked through. One that both snapshots share, as those that one compiler made do where
// a backend's files are the same, leads to nothing else.
func (w *pairWalk) message(old, updated protoreflect.MessageDescriptor, input bool) {
	here := visit{old, updated, input}
	if old == updated || w.seen[here] || isWellKnown(old) && old.FullName() == updated.FullName() {
		return
	}
	w.seen[here] = true
	w.waiting = append(w.waiting, here)
	w.cut = w.cut || len(w.seen) > comparedMessages || w.fields > comparedFields
	key := visit{old: old, updated: updated}
	pair, known := w.pairs[key]
	if !known {
		pair = &messagePair{old: old, updated: updated}
		w.pairs[key] = pair
		w.messages = append(w.messages, pair)
	}
	pair.note(input)
}

// field visits what a field holds.
func (w *pairWalk) field(old, updated protoreflect.FieldDescriptor, input bool) {
	w.fields++
	holder := old.ContainingMessage()
	if old.IsMap() && updated.IsMap() {
		old, updated = old.MapValue(), updated.MapValue()
	}
	switch {
	case old.Message() != nil && updated.Message() != nil:
		w.holders[old.Message()] = append(w.holders[old.Message()], holder)
		w.message(old.Message(), updated.Message(), input)
	case old.Enum() != nil && updated.Enum() != nil:
		w.holders[old.Enum()] = append(w.holders[old.Enum()], holder)
		w.enum(old.Enum(), updated.Enum(), input)
	}
}

func (w *pairWalk) enum(old, updated protoreflect.EnumDescriptor, input bool) {
	key := visit{old: old, updated: updated}
	pair, known := w.twins[key]
	if !known {
		pair = &enumPair{old: old, updated: updated}
		w.twins[key] = pair
		w.enums = append(w.enums, pair)
	}
	pair.note(input)
}

func (u *use) note(input bool) {
	u.input = u.input || input
	u.output = u.output || !input
}

// where says what a message or enum is used in.
func (u *use) where() string {
	switch {
	case u.input && u.output:
		return "requests and answers"
	case u.input:
		return "requests"
	default:
		return "answers"
	}
}

// pairedFields yields the fields that have the same number in both messages.
func pairedFields(old, updated protoreflect.MessageDescriptor) iter.Seq2[protoreflect.FieldDescriptor, protoreflect.FieldDescriptor] {
	return func(yield func(a, b protoreflect.FieldDescriptor) bool) {
		for i := range old.Fields().Len() {
			before := old.Fields().Get(i)
			after := updated.Fields().ByNumber(before.Number())
			if after != nil && !yield(before, after) {
				return
			}
		}
	}
}

func isWellKnown(d protoreflect.Descriptor) bool {
	return d.ParentFile().Package() == "google.protobuf"
}
