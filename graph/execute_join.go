package graph

import (
	"context"
	"slices"

	"github.com/protean-gateway/protean/wire"
)

// site is where joins are selected: messages of one output, and what is joined to them.
type site struct {
	out     output
	parents [][]byte
	joins   []*joined // by number in the output
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
	// site has those of the wave's elements that were asked for here, where there are joins in turn; parentOf
	// has their indices there, by element.
	site     *site
	parentOf []int
}

// join fetches all joins of some sites, and those of their results, breadth first: the keys
// of one join are fetched together, wherever it is selected; the joins, and the calls of
// each, run at once.
func (x *execution) join(ctx context.Context, sites []*site) {
	for len(sites) > 0 {
		var selections []*joined
		waves := make(map[*join]*wave)
		for _, s := range sites {
			s.findJoins(waves)
			selections = append(selections, s.joins...)
		}
		x.fetchWaves(ctx, waves)
		var next []*site
		for _, j := range selections {
			if j.site = j.results(); j.site != nil {
				next = append(next, j.site)
			}
		}
		sites = next
	}
}

// findJoins reads the keys of all joins of a site into the waves that fetch them.
func (s *site) findJoins(waves map[*join]*wave) {
	if len(s.parents) == 0 {
		return
	}
	s.joins = make([]*joined, len(s.out.joins))
	for i, selected := range s.out.joins {
		w := waves[selected.join]
		if w == nil {
			w = newWave(selected.join)
			waves[selected.join] = w
		}
		if !slices.Contains(w.selections, selected) {
			w.selections = append(w.selections, selected)
		}
		s.joins[i] = &joined{wave: w, selected: selected}
		s.joins[i].findKeys(s.out.projection, i, s.parents)
	}
}

// results returns the site of what is joined to the results; nil where nothing is. Others may
// have asked the same wave for more.
func (j *joined) results() *site {
	if len(j.selected.output.joins) == 0 || j.wave.err != nil {
		return nil
	}
	s := &site{out: j.selected.output}
	j.parentOf = make([]int, len(j.wave.elements))
	seen := make([]bool, len(j.wave.elements))
	for _, key := range j.keyOf {
		for _, element := range j.wave.results[key] {
			if !seen[element] {
				seen[element] = true
				j.parentOf[element] = len(s.parents)
				s.parents = append(s.parents, j.wave.elements[element])
			}
		}
	}
	return s
}

// parent returns a result as the parent of what is joined to it.
func (j *joined) parent(element int) parent {
	if j.site == nil {
		return parent{}
	}
	return parent{j.site.joins, j.parentOf[element]}
}

// findKeys reads the keys from the parents. A parent that cannot be read has no
// places; writing it fails, and says why.
func (j *joined) findKeys(p *wire.Projection, number int, parents [][]byte) {
	j.first = make([]int, len(parents))
	for i, parent := range parents {
		j.first[i] = len(j.places)
		before := len(j.keyOf)
		err := p.Keys(parent, number, j.selected.key(), func(_ int, values []wire.Value) {
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

// keysAt returns the keys of a place, as indices.
func (j *joined) keysAt(parent, ordinal int) []int {
	at := j.first[parent] + ordinal
	if at+1 >= len(j.places) {
		return nil
	}
	return j.keyOf[j.places[at]:j.places[at+1]]
}
