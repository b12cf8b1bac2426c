package wire

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// beginLength reserves the one byte that most lengths take and returns the
// place behind it, where the content starts.
func beginLength(dst []byte) ([]byte, int) {
	dst = append(dst, 0)
	return dst, len(dst)
}

// endLength fills in the length of the content from start. It moves the content
// where the length takes more than one byte.
func endLength(dst []byte, start int) []byte {
	n := len(dst) - start
	if n < 0x80 {
		dst[start-1] = byte(n)
		return dst
	}
	size := protowire.SizeVarint(uint64(n))
	dst = slices.Grow(dst, size-1)[:len(dst)+size-1]
	copy(dst[start+size-1:], dst[start:start+n])
	protowire.AppendVarint(dst[:start-1], uint64(n))
	return dst
}

// lengths are those of a document's messages that take more than one byte. If
// each were inserted at once, a byte would move once for each message around it;
// so they are collected, and inserted when the document is complete.
type lengths struct {
	long  []longLength
	grown int // how many bytes they will add
}

// longLength is a length that one reserved byte cannot hold.
type longLength struct {
	at int // of the reserved byte
	n  int
}

// lengthMark is where the content of a message begins.
type lengthMark struct {
	start int // behind the reserved byte
	grown int // lengths.grown at that time
}

func (d *decoder) beginLength() lengthMark {
	d.dst = append(d.dst, 0)
	return lengthMark{len(d.dst), d.lengths.grown}
}

func (d *decoder) endLength(m lengthMark) { d.lengths.end(d.dst, m) }

// end fills in the length of what follows the mark, or remembers it.
func (l *lengths) end(dst []byte, m lengthMark) {
	n := len(dst) - m.start + l.grown - m.grown
	if n < 0x80 {
		dst[m.start-1] = byte(n)
		return
	}
	l.long = append(l.long, longLength{m.start - 1, n})
	l.grown += protowire.SizeVarint(uint64(n)) - 1
}

func (l *lengths) reset() {
	l.long, l.grown = l.long[:0], 0
	if cap(l.long) > maxScratch/16 {
		l.long = nil
	}
}

// insert puts the long lengths in their places, from the last to the first, so
// that each byte of dst moves at most once.
func (l *lengths) insert(dst []byte) []byte {
	slices.SortFunc(l.long, func(a, b longLength) int { return cmp.Compare(a.at, b.at) })
	end := len(dst) // of what has not moved yet
	dst = slices.Grow(dst, l.grown)[:end+l.grown]
	to := len(dst)
	for _, length := range slices.Backward(l.long) {
		to -= end - length.at - 1
		copy(dst[to:], dst[length.at+1:end])
		to -= protowire.SizeVarint(uint64(length.n))
		protowire.AppendVarint(dst[:to], uint64(length.n))
		end = length.at
	}
	return dst
}
