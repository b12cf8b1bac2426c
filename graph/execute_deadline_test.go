package graph

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// TestWavesShareADeadline has a first call that takes most of the operation's time: what is joined to it has the rest.
func TestWavesShareADeadline(t *testing.T) {
	l := &library{books: 1, authors: 1, shelves: 1}
	newLibrary(t, l)
	snap := rpctest.Compile(t, map[string]string{"many.proto": manyProto})
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		g, _ := New(snap, func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
			if c.Method.Descriptor.Name() == "ListBooks" {
				if _, bounded := ctx.Deadline(); bounded {
					t.Error("the first call is bound here and not by its method")
				}
				time.Sleep(schema.DefaultTimeout - 5*time.Second)
			} else if deadline, bounded := ctx.Deadline(); bounded {
				left = time.Until(deadline)
			}
			return l.handle(ctx, c, s)
		}, Options{})
		r := responses(t, t.Context(), g, `{ listBooks { books { authorDetails { name } } } }`, "")[0]
		if len(r.Errors) > 0 || left != 5*time.Second {
			t.Errorf("the join has %v, errors %v", left, r.Errors)
		}
	})
}
