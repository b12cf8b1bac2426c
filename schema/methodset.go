package schema

// MethodSet is a set of some methods of a list: a bit for each, in the order of the list. It is a string so that it
// can be a key, under which those who may call the same methods share what is made for them.
type MethodSet string

// MethodsWith returns the methods of a list for which holds is true, and whether that is so for all of them.
func MethodsWith(list []*Method, holds func(*Method) bool) (set MethodSet, all bool) {
	bits := make([]byte, (len(list)+7)/8)
	all = true
	for i, m := range list {
		if holds(m) {
			bits[i/8] |= 1 << (i % 8)
		} else {
			all = false
		}
	}
	return MethodSet(bits), all
}

// Split returns, of the list that the set is of, what is in it and what is not.
func (s MethodSet) Split(list []*Method) (in, out map[*Method]bool) {
	in, out = make(map[*Method]bool), make(map[*Method]bool)
	for i, m := range list {
		if s[i/8]&(1<<(i%8)) != 0 {
			in[m] = true
		} else {
			out[m] = true
		}
	}
	return in, out
}
