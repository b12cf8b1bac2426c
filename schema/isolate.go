package schema

import (
	"errors"
	"slices"
	"sort"
)

// Fault is a part that [Isolate] excluded.
type Fault[T any] struct {
	Part T
	Err  error // with this part and the kept parts before it
}

// Problem returns the fault of a backend as a problem.
func (f Fault[T]) Problem(backend, message string) Problem {
	p := Problem{Severity: Error, Backend: backend, Message: message + ": " + f.Err.Error()}
	if defect, ok := errors.AsType[*PanicError](f.Err); ok {
		p.Stack = defect.Stack
	}
	return p
}

// maxFaults bounds the searches of one [Isolate], each of which calls try about log2(len(parts)) times.
const maxFaults = 16

// Isolate finds the parts because of which try fails, and returns the others, for which try succeeds: the last part of the
// shortest prefix that fails is at fault, and the search goes on without it. Parts later in order give way to earlier ones.
// After maxFaults searches the rest of the parts is excluded too. Isolate always calls try with the parts that it returns, in its last call.
//
// If try fails without any part, Isolate returns that error.
func Isolate[T any](parts []T, try func([]T) error) (kept []T, faults []Fault[T], err error) {
	kept = slices.Clone(parts)
	for {
		err := Guard(func() error { return try(kept) })
		if err == nil {
			return kept, faults, nil
		}
		if len(kept) == 0 {
			return nil, faults, err
		}
		n := shortestFailing(kept, try)
		if cause := Guard(func() error { return try(kept[:n]) }); cause != nil {
			err = cause
		}
		end := n
		if len(faults) >= maxFaults-1 {
			end = len(kept)
		}
		for _, part := range kept[n-1 : end] {
			faults = append(faults, Fault[T]{part, err})
		}
		kept = slices.Delete(kept, n-1, end)
	}
}

// shortestFailing returns the length of the shortest prefix that fails, if all parts together do.
func shortestFailing[T any](parts []T, try func([]T) error) int {
	return 1 + sort.Search(len(parts)-1, func(i int) bool {
		return Guard(func() error { return try(parts[:i+1]) }) != nil
	})
}
