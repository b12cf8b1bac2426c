package gateway

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway/admin"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/schema"
)

// fuse is a context that ends after it was asked so many times.
type fuse struct {
	context.Context
	left *int
}

var errFuse = errors.New("the fuse is burnt")

func (f fuse) Err() error {
	if *f.left == 0 {
		return errFuse
	}
	*f.left--
	return nil
}

// TestCompileCancelled ends a compilation at every point where it looks: nothing comes of it, and the next one with
// the same compiler is as it should be.
func TestCompileCancelled(t *testing.T) {
	with := setupOf(t, &configv1.Config{})
	backends := []schema.BackendFiles{filesOf(t, "shelf", goodShelf), broken(t, filesOf(t, "box", goodBox))}
	fresh := newSwapper(nil)
	want, _ := compileWith(t, &fresh, with, backends...)
	s := newSwapper(nil)
	ended := 0
	for looks := 0; ; looks++ {
		left := looks
		ctx := fuse{t.Context(), &left}
		result, err := s.compile(ctx, with, backends)
		if err == nil {
			_, err = with.maker.of(ctx, result.snapshot)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, errFuse) {
			t.Fatalf("after %d looks: %v", looks, err)
		}
		ended++
		again, err := s.compile(t.Context(), with, backends)
		if err != nil || again.snapshot.Digest != want.Digest {
			t.Fatalf("the next one: %v", err)
		}
	}
	if ended < 10 {
		t.Errorf("it looked only %d times", ended)
	}
}

// TestSuperseded gives a compilation up for what is newer, but not for ever.
func TestSuperseded(t *testing.T) {
	changed := make(chan struct{})
	ctx, stop := whileNewest(t.Context(), changed, time.Now().Add(time.Hour))
	if ctx.Err() != nil {
		t.Error("it ended before anything changed")
	}
	close(changed)
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errSuperseded) {
		t.Errorf("it ended with %v", context.Cause(ctx))
	}
	stop()
	ctx, stop = whileNewest(t.Context(), changed, time.Now().Add(-time.Second))
	time.Sleep(10 * time.Millisecond)
	if ctx.Err() != nil {
		t.Error("it is given up although patience is over")
	}
	stop()
}

func idleGateway(t *testing.T, config *configv1.Config) *Gateway {
	t.Helper()
	config.Admin = proto.String(adminOff)
	g, err := New(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	return g
}

// TestSwapServesNewest changes a backend while another change is compiled: what is served in the end is the newest, and
// a swap without a change compiles nothing.
func TestSwapServesNewest(t *testing.T) {
	g := idleGateway(t, &configv1.Config{})
	push := func(b schema.BackendFiles) {
		g.registry.Sync([]schema.RegistryBackend{{Name: b.Name, Source: &schema.Pushed{Files: b.Files}}})
	}
	push(filesOf(t, "shelf", goodShelf))
	for range 20 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.swap(t.Context())
		}()
		push(filesOf(t, "box", goodBox))
		push(filesOf(t, "shelf", goodShelf))
		<-done
		g.swap(t.Context())
		if g.views.Load().snapshot.Methods["/shelf.v1.Shelves/GetShelf"] == nil {
			t.Fatal("the newest is not served")
		}
	}
	before, swaps := g.views.Load(), g.swaps.Load()
	g.swap(t.Context())
	if g.views.Load() != before || g.swaps.Load() != swaps {
		t.Error("there was a swap without a change")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	push(filesOf(t, "box", goodBox))
	g.swap(ctx)
	if g.views.Load() != before {
		t.Error("there was a swap although the gateway closes")
	}
	g.swap(t.Context())
	if g.views.Load() == before {
		t.Error("what was left undone is not made up for")
	}
}

// TestPreviewCancelled ends with whoever asked.
func TestPreviewCancelled(t *testing.T) {
	g := idleGateway(t, &configv1.Config{})
	box := filesOf(t, "box", goodBox)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.preview(ctx, admin.Candidate{Name: "box", Files: box.Files}); status.Code(err) != codes.Canceled {
		t.Errorf("it says %v", err)
	}
	late, cancel := context.WithTimeoutCause(t.Context(), 0, errLongPreview)
	defer cancel()
	if _, _, err := g.swapper.compiler.Compile(late, schema.Input{}); status.Code(previewError(err)) != codes.ResourceExhausted {
		t.Errorf("one that takes too long says %v", err)
	}
	if _, err := g.preview(t.Context(), admin.Candidate{Name: "box", Files: box.Files}); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
