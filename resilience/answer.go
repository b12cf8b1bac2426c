package resilience

import (
	"context"
	"io"
	"runtime/debug"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

// answer is all that a unary call said, to be said again to others. It is immutable.
type answer struct {
	header, trailer metadata.MD
	message         []byte
	err             error
}

// answerOf carries out a unary call and keeps what it says. A panic is an error.
func answerOf(ctx context.Context, next rpc.Handler, c *rpc.Call) (a answer) {
	defer func() {
		if v := recover(); v != nil {
			a = answer{err: &rpc.PanicError{Value: v, Stack: debug.Stack()}}
		}
	}()
	var s kept
	err := next(ctx, c, &s)
	return answer{header: s.header, trailer: s.trailer, message: s.message, err: err}
}

// tell says the answer to a client. Metadata is copied, since those who receive it may change it.
func (a *answer) tell(s rpc.Stream) error { return a.tellAs(s, a.header.Copy()) }

// tellAs says the answer under another header, which is handed over.
func (a *answer) tellAs(s rpc.Stream, header metadata.MD) error {
	if a.header != nil || a.err == nil {
		if err := s.SendHeader(header); err != nil {
			return err
		}
	}
	if a.err == nil {
		if err := s.Send(a.message); err != nil {
			return err
		}
	}
	if len(a.trailer) > 0 {
		s.SetTrailer(a.trailer.Copy())
	}
	return a.err
}

// bytes is about what the answer takes in memory.
func (a *answer) bytes() int {
	n := len(a.message) + 256
	for _, md := range []metadata.MD{a.header, a.trailer} {
		for name, values := range md {
			n += len(name) + 64
			for _, v := range values {
				n += len(v) + 16
			}
		}
	}
	return n
}

// kept is the stream of a unary call whose answer is kept.
type kept struct {
	header, trailer metadata.MD
	message         []byte
}

// Recv: the request is in the call.
func (*kept) Recv() ([]byte, error) { return nil, io.EOF }

func (k *kept) SendHeader(md metadata.MD) error {
	k.header = md
	return nil
}

func (k *kept) Send(m []byte) error {
	k.message = m
	return nil
}

func (k *kept) SetTrailer(md metadata.MD) { k.trailer = metadata.Join(k.trailer, md) }
