package graph

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/wire"
)

// wave is what one join fetches for all the messages that it is selected from, in
// however many places and under however many keys of the response.
type wave struct {
	join  *join
	known map[wire.Value]int // key to index
	keys  []wire.Value       // distinct
	// failures and results are by key.
	failures []error
	results  [][]int // indices of elements
	// elements are the results, each once however often it is written.
	elements [][]byte
	err      error // everything failed
}

// joined is one selection of a join: where in the parents it is written, and
// what is joined to its results in turn.
type joined struct {
	wave     *wave
	selected *joinOutput
	// first[i] is the place of the i-th parent's ordinal 0; places[p] and places[p+1] enclose
	// the keys of a place in keyOf, which has indices of the wave's keys.
	first  []int
	places []int
	keyOf  []int
	joins  []*joined
}

// join fetches all joins of an output for its messages. The keys of one
// join are fetched together; the joins, and the calls of each, run at once.
func (x *execution) join(ctx context.Context, out output, parents [][]byte) []*joined {
	if len(out.joins) == 0 || len(parents) == 0 {
		return nil
	}
	selections := make([]*joined, len(out.joins))
	var waves []*wave
	byJoin := make(map[*join]*wave)
	for i, selected := range out.joins {
		w := byJoin[selected.join]
		if w == nil {
			w = &wave{join: selected.join, known: make(map[wire.Value]int)}
			byJoin[selected.join] = w
			waves = append(waves, w)
		}
		selections[i] = &joined{wave: w, selected: selected}
		selections[i].findKeys(out.projection, i, parents)
	}
	x.each(len(waves), func(i int) {
		waves[i].err = x.protect(ctx, func() error {
			x.fetchWave(ctx, waves[i])
			return nil
		})
	})
	x.each(len(selections), func(i int) {
		j := selections[i]
		if err := x.protect(ctx, func() error {
			j.joins = x.join(ctx, j.selected.output, j.wave.elements)
			return nil
		}); err != nil {
			j.wave = &wave{err: err}
		}
	})
	return selections
}

// findKeys reads the keys from the parents. A parent that cannot be read has no
// places; writing it fails, and says why.
func (j *joined) findKeys(p *wire.Projection, number int, parents [][]byte) {
	j.first = make([]int, len(parents))
	for i, parent := range parents {
		j.first[i] = len(j.places)
		before := len(j.keyOf)
		err := p.Keys(parent, number, j.wave.join.key, func(_ int, values []wire.Value) {
			j.places = append(j.places, len(j.keyOf))
			for _, v := range values {
				j.keyOf = append(j.keyOf, j.wave.indexOf(v))
			}
		})
		if err != nil {
			j.places, j.keyOf = j.places[:j.first[i]], j.keyOf[:before]
		}
	}
	j.places = append(j.places, len(j.keyOf))
}

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

// keysAt returns the keys of a place, as indices.
func (j *joined) keysAt(parent, ordinal int) []int {
	at := j.first[parent] + ordinal
	if at+1 >= len(j.places) {
		return nil
	}
	return j.keyOf[j.places[at]:j.places[at+1]]
}

// chunk is the keys from one index to another, fetched by one call.
type chunk struct {
	from, to int
	elements [][]byte
	err      error
}

// fetchWave fetches the results of all keys: in chunks of as many as one call takes.
func (x *execution) fetchWave(ctx context.Context, w *wave) {
	w.failures = make([]error, len(w.keys))
	w.results = make([][]int, len(w.keys))
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

// chunksOf splits the keys. Those for which the operation has no calls left have failed.
func (x *execution) chunksOf(w *wave) []*chunk {
	size := 1
	if w.join.batch {
		size = w.join.maxKeys
	}
	var chunks []*chunk
	for from := 0; from < len(w.keys); from += size {
		if err := x.take(); err != nil {
			w.fail(from, len(w.keys), err)
			break
		}
		chunks = append(chunks, &chunk{from: from, to: min(from+size, len(w.keys))})
	}
	return chunks
}

func (w *wave) fail(from, to int, err error) {
	for i := from; i < to; i++ {
		w.failures[i] = err
	}
}

// fetchChunk makes the call of a chunk and finds the results in the response.
func (x *execution) fetchChunk(ctx context.Context, w *wave, c *chunk) {
	c.err = x.protect(ctx, func() error {
		request, err := w.join.argument.AppendValues([]byte{}, w.keys[c.from:c.to])
		if err != nil {
			return err
		}
		response, err := x.call(ctx, w.join.method, request)
		if status.Code(err) == codes.NotFound && !w.join.batch {
			return nil // one key, and what it names is not there
		}
		if err != nil {
			return err
		}
		if w.join.result == nil {
			c.elements = [][]byte{response}
			return nil
		}
		return w.join.result.Messages(response, func(element []byte) bool {
			c.elements = append(c.elements, element)
			return true
		})
	})
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

// give adds a result to a key. Without many, the first counts.
func (w *wave) give(key int, element []byte) {
	if len(w.results[key]) > 0 && !w.join.many {
		return
	}
	w.results[key] = append(w.results[key], len(w.elements))
	w.elements = append(w.elements, element)
}
