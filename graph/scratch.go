package graph

import "sync"

// scratch is what an operation needs on its way and nobody keeps. It belongs to one operation at a time.
type scratch struct {
	json      jsonText // of the request
	checker   checker
	encoder   encoder
	variables variables
	encoded   []byte // a request in the making
	response  []byte // JSON
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newScratch() *scratch { return scratches.Get().(*scratch) }

// Bounds of what is kept for the next operation: one outsized request must not hold memory for good.
const (
	maxKeptBytes = 256 << 10
	maxKeptNodes = 4 << 10
)

// release gives the scratch to the next operation. Nothing that was made with it may be in use.
func (s *scratch) release() {
	clear(s.variables)
	*s = scratch{
		json:      jsonText{nodes: kept(s.json.nodes, maxKeptNodes), coerced: kept(s.json.coerced, maxKeptBytes)},
		checker:   checker{path: kept(s.checker.path, maxKeptNodes)},
		encoder:   encoder{path: kept(s.encoder.path, maxKeptNodes)},
		variables: kept(s.variables, maxKeptNodes),
		encoded:   kept(s.encoded, maxKeptBytes),
		response:  kept(s.response, maxKeptBytes),
	}
	scratches.Put(s)
}

// kept returns room for as many elements as before, but not for more than so many.
func kept[T any](list []T, most int) []T {
	if cap(list) > most {
		return nil
	}
	return list[:0]
}
