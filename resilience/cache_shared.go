package resilience

import (
	"bytes"
	"time"

	"github.com/protean-gateway/protean/rpc"
)

// Share keeps answers in a store that others use, too, where policies say so; nil goes back to keeping
// them here alone.
func (p *Cache) Share(with *Redis) { p.redis.Store(with) }

// lookup asks the shared store once for all who want the same answer.
type lookup struct {
	done  chan struct{}
	found *keptAnswer // once done is closed; nil: none
}

// look returns what the shared store has for a call, and keeps it here; nil: nothing. It takes
// the budget of that store at the most.
func (p *Cache) look(key callKey, c *rpc.Call) *keptAnswer {
	store := p.redis.Load()
	if store == nil || !c.Method.Policy.GetCache().GetRedis() {
		return nil
	}
	p.mu.Lock()
	if l := p.looking[key]; l != nil {
		p.mu.Unlock()
		<-l.done
		return l.found
	}
	l := &lookup{done: make(chan struct{})}
	p.looking[key] = l
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.looking, key)
		p.mu.Unlock()
		close(l.done)
	}()
	l.found = p.fetch(store, key, c)
	return l.found
}

// fetch asks the shared store. What it has is checked as if a stranger had put it there. Its age goes by
// the clock of that store alone.
func (p *Cache) fetch(store *Redis, key callKey, c *rpc.Call) *keptAnswer {
	value, left, err := store.fetch(key)
	if err != nil {
		p.sharedFails.Add(1)
		return nil
	}
	answered, good, err := store.seal().open(key, value, c.Method.Limits.ResponseBytes, time.Now())
	if err != nil || left > good {
		p.sharedMisses.Add(1)
		return nil
	}
	p.sharedHits.Add(1)
	found := &keptAnswer{answer: answer{Response: answered}, since: time.Now().Add(left - good), good: left}
	p.answers.Set(key, found)
	return found
}

// renewedElsewhere reports whether another gateway has fetched an answer anew already, which is then kept here.
func (p *Cache) renewedElsewhere(key callKey, c *rpc.Call) bool {
	found := p.look(key, c)
	return found != nil && time.Since(found.since) < c.Method.Policy.GetCache().GetTtl().AsDuration()
}

// share puts an answer into the shared store, on no call's time. Of several that answer the same
// question at once, such as all who shared a call, one is enough.
func (p *Cache) share(key callKey, kept *keptAnswer) {
	store := p.redis.Load()
	if store == nil {
		return
	}
	if kept.bytes() > store.o.ValueBytes || len(kept.Header)+len(kept.Trailer) > maxValueNames {
		p.sharedDropped.Add(1)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if under := p.sharing[key]; under != nil {
		if !bytes.Equal(under.Message, kept.Message) {
			p.sharing[key] = kept
		}
		return
	}
	if len(p.sharing) >= maxSharing || p.stopped.Err() != nil {
		p.sharedDropped.Add(1)
		return
	}
	p.sharing[key] = kept
	p.background.Go(func() { p.send(store, key) })
}

// send puts the newest answer to a question into the shared store.
func (p *Cache) send(store *Redis, key callKey) {
	var sent *keptAnswer
	for kept := p.toSend(key, sent); kept != nil; kept = p.toSend(key, sent) {
		err := store.keep(p.stopped, key, store.seal().seal(key, kept.Response, kept.good, time.Now()), kept.good-time.Since(kept.since))
		if err == nil {
			p.sharedKept.Add(1)
		} else {
			p.sharedDropped.Add(1)
		}
		sent = kept
	}
}

// toSend returns the newest answer to a question, or nil where that is sent.
func (p *Cache) toSend(key callKey, sent *keptAnswer) *keptAnswer {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.sharing[key]
	if kept == sent {
		delete(p.sharing, key)
		return nil
	}
	return kept
}
