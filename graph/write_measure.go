package graph

// manyPlaces is how many elements times selections are written without being measured first.
const manyPlaces = 50_000

// fits reports whether the answer of a root field fits into so many bytes, as far as elements of lists and results of joins
// can tell. They are measured before the first one is written; a list within one message measures itself.
func (w *responseWriter) fits(f *rootField, a *answer, room int) bool {
	switch {
	case a.err != nil:
		return true
	case a.page != nil:
		for _, node := range f.connection.nodes {
			room -= w.sizeOf(node, a.page.elements)
		}
	case a.list != nil && f.output.projection != nil:
		room -= w.sizeOf(f.output, a.list)
	}
	for _, s := range a.sites {
		room -= w.sizeOfJoined(s)
	}
	return room >= 0
}

// sizeOf returns the bytes of JSON that messages take, at least.
func (w *responseWriter) sizeOf(o output, messages [][]byte) int {
	if len(messages)*o.projection.Selections() < manyPlaces {
		return 0
	}
	c := o.projection.NewCensus(w.sink.Denied)
	for _, msg := range messages {
		c.Add(msg, 1)
	}
	return c.LeastSize()
}

// sizeOfJoined returns the bytes that all that is joined at a site takes, and to the results in turn.
func (w *responseWriter) sizeOfJoined(s *site) int {
	size := 0
	for _, j := range s.joins {
		if j.selected.join == nil || j.wave.err != nil {
			continue
		}
		if size += w.sizeOfResults(j); j.site != nil {
			size += w.sizeOfJoined(j.site)
		}
	}
	return size
}

// sizeOfResults counts each result wherever it is written, and reads it once.
func (w *responseWriter) sizeOfResults(j *joined) int {
	projection := j.selected.output.projection
	if len(j.keyOf)*projection.Selections() < manyPlaces {
		return 0
	}
	times := make([]int, len(j.wave.elements))
	for _, key := range j.keyOf {
		for _, element := range j.wave.results[key] {
			times[element]++
		}
	}
	c := projection.NewCensus(w.sink.Denied)
	for element, n := range times {
		if n > 0 {
			c.Add(j.wave.elements[element], n)
		}
	}
	return c.LeastSize()
}
