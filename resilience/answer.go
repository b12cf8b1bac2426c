package resilience

import (
	"context"
	"runtime/debug"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

// answer is all that a unary call said, to be said again to others. It is immutable.
type answer struct {
	rpc.Response
	err error
}

// answerOf carries out a unary call and keeps what it says. A panic is an error.
func answerOf(ctx context.Context, next rpc.Handler, c *rpc.Call) (a answer) {
	defer func() {
		if v := recover(); v != nil {
			a = answer{err: &rpc.PanicError{Value: v, Stack: debug.Stack()}}
		}
	}()
	a.Response, a.err = rpc.Unary(ctx, next, c)
	return a
}

// tell says the answer to a client. Metadata is copied, since those who receive it may change it.
func (a *answer) tell(s rpc.Stream) error { return a.tellAs(s, a.Header.Copy()) }

// tellAs says the answer under another header, which is handed over.
func (a *answer) tellAs(s rpc.Stream, header metadata.MD) error {
	if a.Header != nil || a.err == nil {
		if err := s.SendHeader(header); err != nil {
			return err
		}
	}
	if a.err == nil {
		if err := s.Send(a.Message); err != nil {
			return err
		}
	}
	if len(a.Trailer) > 0 {
		s.SetTrailer(a.Trailer.Copy())
	}
	return a.err
}

// bytes is about what the answer takes in memory.
func (a *answer) bytes() int {
	n := len(a.Message) + 256
	for _, md := range []metadata.MD{a.Header, a.Trailer} {
		for name, values := range md {
			n += len(name) + 64
			for _, v := range values {
				n += len(v) + 16
			}
		}
	}
	return n
}
