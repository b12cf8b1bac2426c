package wire

import (
	"bytes"
	"hash/maphash"
)

// seenFields has one bit for each field and oneof of the objects being read, the
// innermost object last.
type seenFields []uint64

// push makes room for the bits of m and returns where they begin.
func (s *seenFields) push(m *Message) (frame int) {
	frame = len(*s)
	for range (len(m.fields) + m.oneofs + 63) / 64 {
		*s = append(*s, 0)
	}
	return frame
}

func (s *seenFields) pop(frame int) { *s = (*s)[:frame] }

// add sets a bit and reports whether it was not set before.
func (s seenFields) add(frame, bit int) bool {
	if s.has(frame, bit) {
		return false
	}
	s[frame+bit/64] |= 1 << (bit % 64)
	return true
}

func (s seenFields) has(frame, bit int) bool {
	return s[frame+bit/64]&(1<<(bit%64)) != 0
}

// keySet has the keys of the maps being read. Only the innermost map grows, so
// all maps share two stacks. Small maps are searched, larger ones hashed with a
// seed that no client knows.
type keySet struct {
	keys  []keySpan
	slots []int32 // open addressing: positions in keys plus one, 0 for none
}

// keySpan is where the wire form of a key is in the decoder's output. It does not
// move before the document is complete.
type keySpan struct{ start, end int }

// keyFrame is the part of a keySet that belongs to one map.
type keyFrame struct{ keys, slots int }

// maxSearched is how many keys are compared one by one.
const maxSearched = 12

var keySeed = maphash.MakeSeed()

func (s *keySet) push() keyFrame { return keyFrame{len(s.keys), len(s.slots)} }

func (s *keySet) pop(f keyFrame) {
	s.keys = s.keys[:f.keys]
	s.slots = s.slots[:f.slots]
}

func (s *keySet) reset() {
	s.pop(keyFrame{})
	if cap(s.keys) > maxScratch/16 {
		*s = keySet{}
	}
}

// add adds a key that the map does not have. Out is the decoder's output.
func (s *keySet) add(f keyFrame, out []byte, key keySpan) {
	s.keys = append(s.keys, key)
	switch count := len(s.keys) - f.keys; {
	case count <= maxSearched:
	case 2*count > len(s.slots)-f.slots:
		s.hashAll(f, out)
	default:
		s.hash(f, out, len(s.keys)-1)
	}
}

// has reports whether the key is in the map.
func (s *keySet) has(f keyFrame, out []byte, key keySpan) bool {
	wanted := out[key.start:key.end]
	if len(s.slots) > f.slots {
		slot := s.probe(f, out, wanted)
		return s.slots[slot] != 0
	}
	for _, k := range s.keys[f.keys:] {
		if bytes.Equal(out[k.start:k.end], wanted) {
			return true
		}
	}
	return false
}

// probe returns the slot of a key, or the free one that it would take.
func (s *keySet) probe(f keyFrame, out, wanted []byte) int {
	mask := uint64(len(s.slots) - f.slots - 1)
	at := maphash.Bytes(keySeed, wanted) & mask
	for {
		slot := f.slots + int(at)
		if s.slots[slot] == 0 {
			return slot
		}
		k := s.keys[f.keys+int(s.slots[slot])-1]
		if bytes.Equal(out[k.start:k.end], wanted) {
			return slot
		}
		at = (at + 1) & mask
	}
}

// hash gives the key at position i a slot.
func (s *keySet) hash(f keyFrame, out []byte, i int) {
	k := s.keys[i]
	s.slots[s.probe(f, out, out[k.start:k.end])] = int32(i - f.keys + 1)
}

// hashAll gives all keys of the map a slot, out of four for each.
func (s *keySet) hashAll(f keyFrame, out []byte) {
	size := 1
	for size < 4*(len(s.keys)-f.keys) {
		size *= 2
	}
	s.slots = s.slots[:f.slots]
	for range size {
		s.slots = append(s.slots, 0)
	}
	for i := f.keys; i < len(s.keys); i++ {
		s.hash(f, out, i)
	}
}
