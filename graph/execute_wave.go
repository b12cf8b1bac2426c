package graph

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/wire"
)

// wave is what one join fetches for all the messages that it is selected from, in
// however many places and under however many keys of the response.
type wave struct {
	join       *join              // nil: there is nothing to fetch
	selections []*joinOutput      // of the join, each once
	mask       []byte             // the read mask of each request
	known      map[wire.Value]int // key to index
	keys       []wire.Value       // distinct
	// failures and results are by key.
	failures []error
	results  [][]int // indices of elements
	// elements are the results, each once however often it is written.
	elements [][]byte
	err      error // everything failed
}

func newWave(j *join) *wave { return &wave{join: j, known: make(map[wire.Value]int)} }

// indexOf returns the index of a key, which may be new.
func (w *wave) indexOf(v wire.Value) int {
	n, ok := w.known[v]
	if !ok {
		n = len(w.keys)
		w.known[v] = n
		w.keys = append(w.keys, v)
	}
	return n
}

func (x *execution) fetchWaves(ctx context.Context, waves map[*join]*wave) {
	list := make([]*wave, 0, len(waves))
	for _, w := range waves {
		if w.join != nil {
			list = append(list, w)
		}
	}
	x.each(len(list), func(i int) {
		list[i].err = x.protect(ctx, func() error {
			x.fetchWave(ctx, list[i])
			return nil
		})
	})
}

// chunk is the keys from one index to another, fetched by one call.
type chunk struct {
	from, to int
	elements [][]byte
	err      error
}

// fetchWave fetches the results of all keys: in chunks of as many as one call takes.
func (x *execution) fetchWave(ctx context.Context, w *wave) {
	w.makeRoom()
	w.mask = w.readMask()
	chunks := x.chunksOf(w)
	x.each(len(chunks), func(i int) { x.fetchChunk(ctx, w, chunks[i]) })
	for _, c := range chunks {
		if c.err == nil {
			c.err = w.match(c)
		}
		if c.err != nil {
			w.fail(c.from, c.to, c.err)
		}
	}
}

// makeRoom makes room for one result of each key.
func (w *wave) makeRoom() {
	n := len(w.keys)
	w.failures = make([]error, n)
	w.results = make([][]int, n)
	w.elements = make([][]byte, 0, n)
	one := make([]int, n)
	for i := range w.results {
		w.results[i] = one[i : i : i+1]
	}
}

// chunksOf splits the keys. Those for which the operation has no calls left have failed.
func (x *execution) chunksOf(w *wave) []*chunk {
	size := 1
	if w.join.batch {
		size = w.join.maxKeys
	}
	var chunks []*chunk
	for from := 0; from < len(w.keys); {
		if err := x.take(); err != nil {
			w.fail(from, len(w.keys), err)
			break
		}
		to := w.chunkEnd(from, size)
		chunks = append(chunks, &chunk{from: from, to: to})
		from = to
	}
	return chunks
}

// chunkEnd returns where a chunk of so many keys ends. Composite keys that differ in their extras alone
// would get each other's results in one call.
func (w *wave) chunkEnd(from, size int) int {
	to := min(from+size, len(w.keys))
	if w.join.composite == nil || len(w.join.composite.extras) == 0 {
		return to
	}
	seen := make(map[string]bool)
	for i := from; i < to; i++ {
		if seen[own(w.keys[i])] {
			return i
		}
		seen[own(w.keys[i])] = true
	}
	return to
}

func (w *wave) fail(from, to int, err error) {
	for i := from; i < to; i++ {
		w.failures[i] = err
	}
}

// fetchChunk makes the call of a chunk and finds the results in the response.
func (x *execution) fetchChunk(ctx context.Context, w *wave, c *chunk) {
	c.err = x.protect(ctx, func() error { return x.fetchKeys(ctx, w, c, c.from, c.to) })
}

// fetchKeys fetches some keys of a chunk with a call that was taken.
func (x *execution) fetchKeys(ctx context.Context, w *wave, c *chunk, from, to int) error {
	request, err := w.join.request(w.keys[from:to])
	if err != nil {
		return err
	}
	response, err := x.call(ctx, w.join.method, append(request, w.mask...))
	switch {
	case status.Code(err) == codes.NotFound && to-from == 1:
		return nil // what the key names is not there
	case status.Code(err) == codes.NotFound:
		return x.fetchHalves(ctx, w, c, from, to)
	case err != nil:
		return err
	case w.join.result == nil:
		c.elements = append(c.elements, response)
		return nil
	}
	c.elements = slices.Grow(c.elements, to-from)
	return w.join.result.Messages(response, func(element []byte) bool {
		c.elements = append(c.elements, element)
		return true
	})
}

// fetchHalves fetches keys of which one is missing, at least: batch methods may fail as a whole then
// (AIP-231), and the others are to be had nevertheless. A half that fails takes its own keys along.
func (x *execution) fetchHalves(ctx context.Context, w *wave, c *chunk, from, to int) error {
	middle := from + (to-from)/2
	for _, half := range [][2]int{{from, middle}, {middle, to}} {
		err := x.take()
		if err == nil {
			err = x.fetchKeys(ctx, w, c, half[0], half[1])
		}
		if err != nil {
			w.fail(half[0], half[1], err)
		}
	}
	return nil
}

// match gives the results of a chunk to their keys: by value where it has
// several keys, for backends answer in any order and leave out what is missing.
func (w *wave) match(c *chunk) error {
	if !w.join.batch {
		for _, element := range c.elements {
			w.give(c.from, element)
		}
		return nil
	}
	if w.join.composite != nil {
		return w.matchComposite(c)
	}
	for _, element := range c.elements {
		err := w.join.resultKey.Values(element, func(v wire.Value) bool {
			if key, ok := w.known[v]; ok && key >= c.from && key < c.to {
				w.give(key, element)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *wave) matchComposite(c *chunk) error {
	byKey := make(map[string]int, c.to-c.from)
	for i := c.from; i < c.to; i++ {
		byKey[own(w.keys[i])] = i
	}
	for _, element := range c.elements {
		key, err := w.join.composite.keyOf(element)
		if err != nil {
			return err
		}
		if i, ok := byKey[string(key)]; ok {
			w.give(i, element)
		}
	}
	return nil
}

// give adds a result to a key. Without many, the first counts.
func (w *wave) give(key int, element []byte) {
	if len(w.results[key]) > 0 && !w.join.many {
		return
	}
	w.results[key] = append(w.results[key], len(w.elements))
	w.elements = append(w.elements, element)
}
