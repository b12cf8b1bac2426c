package rpc

// invocations is a list of those that are under way. Its owner guards it and the places in it.
type invocations struct{ first *place }

// place is that of an invocation in a list, and a part of it.
type place struct {
	of             *invocation // nil: it is in no list
	next, previous *place
}

func (l *invocations) add(p *place, i *invocation) {
	*p = place{of: i, next: l.first}
	if p.next != nil {
		p.next.previous = p
	}
	l.first = p
}

// remove takes out what may be in the list.
func (l *invocations) remove(p *place) {
	if p.of == nil {
		return
	}
	if p.previous == nil {
		l.first = p.next
	} else {
		p.previous.next = p.next
	}
	if p.next != nil {
		p.next.previous = p.previous
	}
	*p = place{}
}

// take returns all that are in the list, and empties it.
func (l *invocations) take() (all []*invocation) {
	for l.first != nil {
		all = append(all, l.first.of)
		l.remove(l.first)
	}
	return all
}
