package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"github.com/protean-gateway/protean/translate/transport"
)

// subscription is one operation of a socket, of whatever kind.
type subscription struct {
	id     string
	cancel context.CancelFunc
	// release ends the count of the operation as one of its caller's.
	release func()
	// completed, guarded by the socket's mu, says that the client has heard or
	// said that the operation is complete. Its id is free then.
	completed bool
	done      chan struct{} // closed when nothing more is written for the operation
}

// subscribe starts an operation. It reports whether the socket goes on.
func (s *socket) subscribe(m clientMessage) bool {
	ctx, cancel := context.WithCancel(s.ctx)
	sub := &subscription{id: m.ID, cancel: cancel, done: make(chan struct{})}
	before, inUse, full := s.admit(sub)
	switch {
	case inUse:
		cancel()
		s.ws.CloseWith(closeSubscriberInUse, "Subscriber for "+m.ID+" already exists")
		return false
	case full:
		cancel()
		return s.sendErrors(m.ID, errorResponse("RESOURCE_EXHAUSTED", "the socket, or its caller, has too many operations")) == nil
	}
	s.running.Go(func() {
		defer s.forget(sub)
		defer s.recover(ctx)
		if before != nil {
			<-before.done // or its last words would be taken for ours
		}
		if ctx.Err() == nil {
			door, over := s.door.now()
			defer over()
			s.run(door.prepare(ctx, m.params, m.scratch), sub)
		}
	})
	return true
}

// admit takes a subscription in, unless its id is in use or there are too many. It
// returns the one that had the id before and is not quite over.
func (s *socket) admit(sub *subscription) (before *subscription, inUse, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.subscriptions[sub.id]
	inUse = before != nil && !before.completed
	if inUse || s.active >= MaxSubscriptions {
		return before, inUse, true
	}
	release, ok := s.door.options.Clients.takeSubscription(s.caller)
	if ok {
		sub.release = release
		s.subscriptions[sub.id] = sub
		s.active++
	}
	return before, false, !ok
}

// recover closes a socket in whose own code there was a panic; those of the
// executor are the operation's.
func (s *socket) recover(ctx context.Context) {
	if value := recover(); value != nil {
		s.door.report(ctx, value)
		s.ws.CloseWith(transport.CloseInternalError, "internal error")
	}
}

// complete is the client's: it wants to hear no more. The backend is told at once.
func (s *socket) complete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub := s.subscriptions[id]; sub != nil {
		sub.completed = true
		sub.cancel()
	}
}

// run sends the responses of an operation. A slow client holds it back in send.
func (s *socket) run(op *operation, sub *subscription) {
	defer op.close()
	head := appendName(appendHead(nil, messageNext, sub.id), "payload")
	var message []byte
	for response := op.next(); response != nil; response = op.next() {
		if fatal(response) {
			if s.finish(sub) {
				_ = s.sendErrors(sub.id, response) // it fails the socket
			}
			return
		}
		message = append(appendResponse(append(message[:0], head...), response), '}')
		if op.ctx.Err() != nil || s.write(message) != nil {
			return
		}
	}
	if s.ctx.Err() == nil && s.finish(sub) {
		_ = s.send(messageComplete, sub.id, nil) // it fails the socket
	}
}

// finish marks an operation complete. It reports false where the client did so
// before, and wants to hear nothing.
func (s *socket) finish(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !sub.completed
	sub.completed = true
	return first
}

// forget ends what is kept of an operation.
func (s *socket) forget(sub *subscription) {
	sub.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	close(sub.done)
	sub.release()
	s.active--
	if s.subscriptions[sub.id] == sub {
		delete(s.subscriptions, sub.id)
	}
}

// sendErrors ends an operation that failed as a whole.
func (s *socket) sendErrors(id string, response *graphql.Response) error {
	return s.send(messageError, id, appendJSONValue(nil, response.Errors))
}
