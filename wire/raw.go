package wire

import (
	"encoding/binary"
	"strings"
	"unsafe"
)

// The functions here read and write without a check of bounds: the caller has checked once, for
// a whole member, that there are bytes enough. Taking a part of a slice for each of some ten
// words costs more than copying them; this is a third of what it costs to write a list of books.

// at returns the address of p[i].
func at(p []byte, i int) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(unsafe.SliceData(p)), i) }

// loadWord reads the eight bytes at p[i], the first one lowest.
func loadWord(p unsafe.Pointer, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, i))[:])
}

func loadByte(p unsafe.Pointer, i int) byte { return *(*byte)(unsafe.Add(p, i)) }

// storeWord writes the eight bytes at p[i].
func storeWord(p unsafe.Pointer, i int, word uint64) {
	binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(p, i))[:], word)
}

func storeByte(p unsafe.Pointer, i int, b byte) { *(*byte)(unsafe.Add(p, i)) = b }

// storePair writes two bytes.
func storePair(p unsafe.Pointer, i int, first, second byte) {
	*(*[2]byte)(unsafe.Add(p, i)) = [2]byte{first, second}
}

// loadShort returns a text of one to seven bytes, with spaces behind it.
func loadShort(text unsafe.Pointer, n int) uint64 {
	word := ' ' * everyByte << (8 * n & 63)
	if n >= 4 {
		first, last := *(*[4]byte)(text), *(*[4]byte)(unsafe.Add(text, n-4))
		return word | uint64(binary.LittleEndian.Uint32(first[:])) | uint64(binary.LittleEndian.Uint32(last[:]))<<(8*(n-4)&63)
	}
	first, middle, last := loadByte(text, 0), loadByte(text, n/2), loadByte(text, n-1) // some of them are the same byte
	return word | uint64(first) | uint64(middle)<<(8*(n/2)&63) | uint64(last)<<(8*(n-1)&63)
}

// shortText is a text of up to 16 bytes that can be compared in two steps.
type shortText struct{ words, masks [2]uint64 }

// newShortText returns a text to compare with; an empty or a longer one begins nothing.
func newShortText(text string) (t shortText) {
	var padded, mask [16]byte
	if copy(padded[:], text) != len(text) || text == "" {
		return shortText{words: [2]uint64{1, 0}}
	}
	copy(mask[:], strings.Repeat("\xff", len(text)))
	for i := range t.words {
		t.words[i] = binary.LittleEndian.Uint64(padded[8*i:])
		t.masks[i] = binary.LittleEndian.Uint64(mask[8*i:])
	}
	return t
}

// begins reports whether the text begins at p[i]. There must be 16 bytes.
func (t *shortText) begins(p unsafe.Pointer, i int) bool {
	first, second := loadWord(p, i)&t.masks[0]^t.words[0], loadWord(p, i+8)&t.masks[1]^t.words[1]
	return first|second == 0
}
