package wire

import (
	"errors"
	"math"
	"slices"
)

// Sink receives what a projection cannot decide: the values of joined fields and
// the faults of single fields. The zero value joins nothing: joined fields are null. A Sink
// belongs to one goroutine at a time.
type Sink struct {
	// Splice appends the JSON value of a joined field and returns the extended
	// buffer. Ordinal counts the places where that join occurs in one message, in
	// the order in which they are written, from 0, and agrees with Keys. An error
	// is recorded as a fault; [ErrNull] says that the fault is recorded already.
	//
	// Splice may call AppendJSON of another projection. Given the same Sink, that call
	// leaves its faults with paths from its own root, and the projection that called
	// Splice puts its own path before them; what Splice itself adds between, such as the
	// position in a list, it puts there by [Sink.Within]. The bound is then shared too.
	// With another Sink, Splice copies the faults that it wants to keep.
	Splice func(join, ordinal int, dst []byte) ([]byte, error)
	// Denied reports whether the caller may not see a field. A selected one is then null,
	// and a fault with [ErrDenied]; in ProtoJSON, null stands for its default where
	// that would be written. Nil: there is no such field.
	Denied func(*Field) bool
	// MaxBytes bounds what one AppendJSON may write; 0 means [DefaultMaxJSON]. It
	// is never 2 GiB or more.
	MaxBytes int
	// Done ends the writing of lists early, with [ErrAbandoned], once it is closed. Nil: it never is.
	Done <-chan struct{}
	// Faults are the faults so far, with paths from the outermost projection that
	// the sink was given to. Each fault has its null and each null of a fault its fault: where there would be too many,
	// AppendJSON fails with [ErrTooManyFaults].
	Faults []Fault
	// MaxFaults bounds Faults; 0 means [DefaultMaxFaults], and a negative number none.
	MaxFaults int

	room int // what an AppendJSON inside Splice may write; 0: not inside
}

// DefaultMaxJSON is the bound on written JSON, in bytes, where none was given.
const DefaultMaxJSON = 32 << 20

// DefaultMaxFaults is the bound on the faults of a [Sink] if none is given.
const DefaultMaxFaults = 1000

// Fault is a field that could not be written. Null stands in its place, or in
// the place of the nearest nullable field around it.
type Fault struct {
	// Path has response keys (string) and list positions (int), outermost first.
	Path  []any
	Cause error
}

// Within puts a response key or list position before the paths of the faults
// from the given index on: those that were added since it was len(s.Faults).
func (s *Sink) Within(from int, place any) {
	for i := from; i < len(s.Faults); i++ {
		s.Faults[i].Path = slices.Insert(s.Faults[i].Path, 0, place)
	}
}

// abandoned reports whether nobody waits for the JSON any more.
func (s *Sink) abandoned() bool {
	if s.Done == nil {
		return false
	}
	select {
	case <-s.Done:
		return true
	default:
		return false
	}
}

func (s *Sink) budget() int {
	limit := DefaultMaxJSON
	if s.MaxBytes > 0 {
		limit = min(s.MaxBytes, math.MaxInt32)
	}
	if s.room > 0 {
		limit = min(limit, s.room)
	}
	return limit
}

// Record adds a fault and returns [ErrNull], or [ErrTooManyFaults] if there is no room for it.
func (s *Sink) Record(cause error) error {
	most := s.MaxFaults
	if most == 0 {
		most = DefaultMaxFaults
	}
	if len(s.Faults) >= most {
		return ErrTooManyFaults
	}
	s.Faults = append(s.Faults, Fault{Cause: cause})
	return ErrNull
}

// turn reverses the paths of the faults from an index on. While a projection is
// on its way out of a fault, paths grow at their end.
func (s *Sink) turn(from int) {
	for _, f := range s.Faults[from:] {
		slices.Reverse(f.Path)
	}
}

// raise is called where an error, or faults that are already recorded, come up through a place of a
// selection: it records the error as a fault, if it is one, and notes the place.
// It returns ErrNull for a fault whose null is still to be written.
func (w *writer) raise(s *step, err error, before int, place any) error {
	if !s.selected {
		return err
	}
	switch {
	case err == nil, err == ErrNull, err == ErrTooManyFaults:
	case isFault(err):
		err = w.sink.Record(err)
	default:
		return err
	}
	for i := before; i < len(w.sink.Faults); i++ {
		w.sink.Faults[i].Path = append(w.sink.Faults[i].Path, place)
	}
	return err
}

// isFault reports whether an error concerns one field, and not the whole message.
func isFault(err error) bool {
	if err == ErrAbsent || err == ErrNotFinite || err == ErrDenied {
		return true
	}
	_, ok := errors.AsType[*badValue](err)
	return ok
}

// splice writes a joined field.
func (w *writer) splice(dst []byte, s *step) ([]byte, error) {
	ordinal := w.ordinals[s.join]
	w.ordinals[s.join]++
	if w.sink.Splice == nil {
		return s.text(dst, "null")
	}
	before, room := len(w.sink.Faults), w.sink.room
	w.sink.room = max(1, w.limit-len(dst))
	out, err := w.sink.Splice(w.joins[s.join], ordinal, dst)
	w.sink.room = room
	w.sink.turn(before)
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrAbandoned), errors.Is(err, ErrTooManyFaults):
		return dst, err
	case errors.Is(err, ErrNull):
		return dst, ErrNull
	case err != nil:
		return dst, w.sink.Record(err)
	case s.nonNull && string(out[len(dst):]) == "null":
		return dst, ErrAbsent
	default:
		return out, nil
	}
}
