package wire

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// groupEnds remembers where groups end. A group has no length, so whoever skips it
// looks through its content; without memory, every message around a group would do so again,
// and again when the group is written. The zero value is ready for use.
type groupEnds struct {
	ends []groupEnd // from region on in order of their content
	// region is where the groups of the message that is being read begin. What is
	// before it belongs to messages around, whose bytes are framed in another way.
	region int
}

// groupEnd is a group that was looked through.
type groupEnd struct{ content, end, next int32 }

// smallestKnown is the content of the smallest group that is remembered, in bytes: few
// messages fit around a smaller one.
const smallestKnown = 16

// groupMark is the state of a groupEnds, to return to.
type groupMark struct{ count, region int }

func (g *groupEnds) mark() groupMark { return groupMark{len(g.ends), g.region} }

func (g *groupEnds) release(m groupMark) {
	g.ends, g.region = g.ends[:m.count], m.region
}

// enter begins a message whose content starts at an offset. If that is a group which is known,
// so are the groups in it.
func (g *groupEnds) enter(content int32) {
	if len(g.ends) > g.region && !g.knows(content) {
		g.region = len(g.ends)
	}
}

func (g *groupEnds) knows(content int32) bool {
	_, known := g.find(content)
	return known
}

func (g *groupEnds) find(content int32) (groupEnd, bool) {
	known := g.ends[g.region:]
	if len(known) == 0 || known[len(known)-1].content < content {
		return groupEnd{}, false
	}
	i, found := slices.BinarySearchFunc(known, content, func(e groupEnd, content int32) int {
		return cmp.Compare(e.content, content)
	})
	if !found {
		return groupEnd{}, false
	}
	return known[i], true
}

// begin makes room for a group, before those in it.
func (g *groupEnds) begin(content int) int {
	g.ends = append(g.ends, groupEnd{content: int32(content)})
	return len(g.ends) - 1
}

// finish completes the group that begin made room for.
func (g *groupEnds) finish(at, end, next int) {
	e := &g.ends[at]
	if end-int(e.content) < smallestKnown {
		g.ends = g.ends[:at] // and so are those in it
		return
	}
	e.end, e.next = int32(end), int32(next)
}

// skipGroup finds the end of a group whose content begins at src[i]: where the
// content ends, and where the next record begins.
func skipGroup(src []byte, i int, number uint64, room int, known *groupEnds) (end, next int, err error) {
	if room < 0 {
		return 0, 0, errTooDeep
	}
	if e, ok := known.find(int32(i)); ok {
		return int(e.end), int(e.next), nil
	}
	at := known.begin(i)
	for i < len(src) {
		tag, behind := uvarint(src, i)
		if behind < 0 {
			return 0, 0, errVarint
		}
		if protowire.Type(tag&7) == protowire.EndGroupType {
			if tag>>3 != number {
				return 0, 0, errEndGroup
			}
			known.finish(at, i, behind)
			return i, behind, nil
		}
		r, err := readRecord(src, i, room, known)
		if err != nil {
			return 0, 0, err
		}
		i = int(r.next)
	}
	return 0, 0, errTruncated
}
