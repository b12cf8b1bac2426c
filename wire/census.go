package wire

import (
	"math"
	"math/bits"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Census tells how much JSON the selection of a projection makes of messages, without writing it. It reads each value once,
// however often it is selected, so that a large answer is rejected at the cost of reading it.
//
// The size is that of an answer in which no field fails. Where more would have to be known, it is less: escapes, elements of packed
// lists, entries of maps, messages with a JSON form of their own and joined fields count for little or nothing.
type Census struct {
	projection *Projection
	root       *objectCensus
	denied     func(*Field) bool
	groups     groupEnds
}

// objectCensus counts the messages in one place of a selection.
type objectCensus struct {
	objects int
	columns map[protowire.Number]*column // of selected fields
}

// column counts the values of one selected field.
type column struct {
	field  *Field
	values int
	bytes  int           // of JSON, of scalars
	inner  *objectCensus // of messages whose fields are selected
	object int           // the object that had the last value, and its bytes: a later value replaces it
	last   int
}

// NewCensus returns a census of no messages. Denied is that of the [Sink].
func (p *Projection) NewCensus(denied func(*Field) bool) *Census {
	c := &Census{projection: p, root: new(objectCensus), denied: denied}
	c.root.follow(p)
	return c
}

// follow adds columns for what a projection selects.
func (o *objectCensus) follow(p *Projection) {
	if !p.selected {
		return
	}
	for i := range p.steps {
		s := &p.steps[i]
		if s.field != nil {
			o.followStep(s)
		}
		for _, member := range s.members {
			o.followStep(member)
		}
	}
}

func (o *objectCensus) followStep(s *step) {
	if o.columns == nil {
		o.columns = make(map[protowire.Number]*column)
	}
	col := o.columns[s.field.number]
	if col == nil {
		col = &column{field: s.field, object: -1}
		o.columns[s.field.number] = col
	}
	if s.value.child == nil || s.field.isMap {
		return
	}
	if col.inner == nil {
		col.inner = new(objectCensus)
	}
	col.inner.follow(s.value.child)
}

// Add counts a message that is written so many times. What cannot be read counts for nothing: writing it fails.
func (c *Census) Add(msg []byte, times int) {
	if len(msg) <= math.MaxInt32 {
		c.groups.release(groupMark{})
		c.add(c.root, msg, 0, times, maxMessageDepth)
	}
}

// add counts the message from an offset to the end of src.
func (c *Census) add(o *objectCensus, src []byte, start, times, room int) {
	if room == 0 {
		return
	}
	known := c.groups.mark()
	defer c.groups.release(known)
	c.groups.enter(int32(start))
	o.objects += times
	object := o.objects
	for i := start; i < len(src) && len(o.columns) > 0; {
		r, ok := shortRecord(src, i)
		if !ok {
			var err error
			if r, err = readRecord(src, i, room, &c.groups); err != nil {
				return
			}
		}
		i = int(r.next)
		if col := o.columns[r.number()]; col != nil && r.wire() == col.field.wireType {
			c.count(col, object, src[:r.end], int(r.value), times, room)
		}
	}
}

// count adds a value. Of several values of a field that is no list the last one counts; messages of which there are several are
// merged, and only the first is read.
func (c *Census) count(col *column, object int, src []byte, start, times, room int) {
	again := !col.field.repeated && col.object == object
	size := 0
	if col.field.message == nil {
		size = leastSize(col.field, src[start:]) * times
	}
	if again {
		size -= col.last
	} else {
		col.values += times
		if col.inner != nil {
			c.add(col.inner, src, start, times, room-1)
		}
	}
	col.bytes += size
	col.object, col.last = object, size
}

// leastSize returns how many bytes of JSON a scalar takes, at least.
func leastSize(f *Field, value []byte) int {
	switch f.kind {
	case protoreflect.StringKind:
		return len(value) + len(`""`)
	case protoreflect.BytesKind:
		return (len(value)+2)/3*4 + len(`""`)
	case protoreflect.FloatKind, protoreflect.DoubleKind, protoreflect.EnumKind, protoreflect.BoolKind:
		return 1
	default:
		return leastDigits(loadNumber(value, f.kind, 0))
	}
}

// leastDigits returns how many digits a number has, at least: three for ten bits.
func leastDigits(number uint64) int {
	if int64(number) < 0 {
		return len("-1")
	}
	return 1 + (bits.Len64(number)-1)*3/10
}

// LeastSize returns how many bytes of JSON the messages so far take.
func (c *Census) LeastSize() int { return c.size(c.projection, c.root) }

func (c *Census) size(p *Projection, o *objectCensus) int {
	switch {
	case !p.selected:
		return o.objects // one digit at least, of a wrapper
	case len(p.steps) == 0:
		return o.objects * len("{}")
	}
	total := o.objects * len("{") // each member has a comma or the brace behind it
	for i := range p.steps {
		s := &p.steps[i]
		total += o.objects*(len(s.key)+len(",")) + c.stepSize(s, o)
		if total > math.MaxInt32 {
			return math.MaxInt32
		}
	}
	return total
}

func (c *Census) stepSize(s *step, o *objectCensus) int {
	switch {
	case s.shape == shapeRaw:
		return o.objects * len(s.raw)
	case s.shape == shapeUnion:
		return c.unionSize(s, o)
	case s.field == nil:
		return 0
	}
	col := o.columns[s.field.number]
	switch {
	case c.denied != nil && c.denied(s.field):
		return o.objects * len("null")
	case s.field.isMap:
		return o.objects * len("[]")
	case s.field.repeated:
		return o.objects*len("[") + col.values*len(",") + c.valuesSize(s, col)
	default:
		return max(0, o.objects-col.values)*len(s.absent) + c.valuesSize(s, col)
	}
}

func (c *Census) unionSize(s *step, o *objectCensus) int {
	size := 0
	for _, member := range s.members {
		size += c.valuesSize(member, o.columns[member.field.number])
	}
	return size
}

func (c *Census) valuesSize(s *step, col *column) int {
	if s.value.child == nil {
		return col.bytes
	}
	return c.size(s.value.child, col.inner)
}

// Selections returns how many fields the projection of a selection writes if each list has one element.
func (p *Projection) Selections() int {
	n := len(p.steps)
	for i := range p.steps {
		if child := p.steps[i].value.child; child != nil && child.selected {
			n += child.Selections()
		}
		for _, member := range p.steps[i].members {
			n += member.value.child.Selections()
		}
	}
	return n
}

// unmeasured is how much JSON is written before the rest is measured, in bytes.
const unmeasured = 1 << 20

// reserve is called when the JSON has grown over [unmeasured] or over the limit. The first time it measures the whole
// message: an answer that is too large is rejected before most of it is written, and any other has its room at once.
func (w *writer) reserve(dst []byte) ([]byte, error) {
	if len(dst) > w.limit || w.measured {
		return dst, w.withinLimit(len(dst))
	}
	w.measured, w.soft = true, w.limit
	c := w.root.NewCensus(w.sink.Denied)
	c.Add(w.src, 1)
	end := w.start + c.LeastSize()
	if err := w.withinLimit(end); err != nil {
		return dst, err
	}
	end = min(end+(end-w.start)/8, w.limit) // there may be more of it
	return slices.Grow(dst, max(0, end-len(dst))+roomBehind), nil
}

func (w *writer) withinLimit(length int) error {
	if length > w.limit {
		return ErrTooLarge
	}
	return nil
}
