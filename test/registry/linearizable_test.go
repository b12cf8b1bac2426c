package registry

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema/store"
	"github.com/protean-gateway/protean/schema/store/storetest"
)

const (
	writers  = 64
	backends = 16
)

// operation is one thing that a writer does: it reads the current revision, or replaces the one
// that it expects.
type operation struct {
	backend  string
	write    bool
	expected string // store.None for a backend that is new
}

// outcome is what came of it.
type outcome struct {
	current string // the digest that is current, for reads, writes that went through, and conflicts
	written bool
}

// register is one backend to porcupine: a value that is read, and replaced where it is the one expected.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byBackend := make(map[string][]porcupine.Operation)
		for _, o := range history {
			name := o.Input.(operation).backend
			byBackend[name] = append(byBackend[name], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byBackend {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		current, in, out := state.(string), input.(operation), output.(outcome)
		fits := in.expected == current || in.expected == store.None && current == ""
		switch {
		case !in.write:
			return out.current == current, current
		case out.written:
			return fits, out.current
		default:
			return !fits && out.current == current, current
		}
	},
}

// place is where registrations go, through one of its ends.
type place interface {
	head(ctx context.Context, writer int, backend string) (string, error)
	replace(ctx context.Context, writer int, backend, expected, content string) (outcome, error)
}

// TestLinearizable has 64 writers register, and checks that what they saw is what one after the other
// could have seen.
func TestLinearizable(t *testing.T) {
	operations := scaled(10_000, 1_500)
	figures := ""
	for _, c := range []struct {
		name string
		open func(*testing.T) place
	}{
		{"memory", func(*testing.T) place { return ofStore{store.InMemory()} }},
		{"file", func(t *testing.T) place {
			s, err := store.OpenFile(filepath.Join(t.TempDir(), "registrations.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return ofStore{s}
		}},
		{"etcd through 3 replicas", func(t *testing.T) place {
			etcd := startEtcd(t, 3)
			var p ofGateways
			for range 3 {
				p = append(p, startReplica(t, etcd.endpoints(), t.TempDir()).admin)
			}
			return p
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			history, conflicts := write(t, c.open(t), operations)
			result := porcupine.CheckOperationsTimeout(register, history, 5*time.Minute)
			if result != porcupine.Ok {
				t.Errorf("%d operations: %s", len(history), result)
			}
			figures += fmt.Sprintf("; %s: %d operations, %d conflicts, 0 violations", c.name, len(history), conflicts)
		})
	}
	promise(t, "P3", "%d writers%s", writers, figures)
}

func write(t *testing.T, p place, operations int) (history []porcupine.Operation, conflicts int64) {
	t.Helper()
	var mu sync.Mutex
	var next, refused atomic.Int64
	var running sync.WaitGroup
	begin := time.Now()
	for w := range writers {
		running.Go(func() {
			for {
				i := int(next.Add(1))
				if i > operations {
					return
				}
				backend := fmt.Sprint("b", i%backends)
				o, err := once(t.Context(), p, w, i, backend, begin)
				if err != nil {
					t.Error(err)
					return
				}
				for _, each := range o {
					if out := each.Output.(outcome); each.Input.(operation).write && !out.written {
						refused.Add(1)
					}
				}
				mu.Lock()
				history = append(history, o...)
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return history, refused.Load()
}

// once reads, and replaces what it read.
func once(ctx context.Context, p place, writer, i int, backend string, begin time.Time) ([]porcupine.Operation, error) {
	call := time.Since(begin).Nanoseconds()
	head, err := p.head(ctx, writer, backend)
	if err != nil {
		return nil, err
	}
	read := porcupine.Operation{
		ClientId: writer, Input: operation{backend: backend}, Call: call,
		Output: outcome{current: head}, Return: time.Since(begin).Nanoseconds(),
	}
	expected := head
	if head == "" {
		expected = store.None
	}
	call = time.Since(begin).Nanoseconds()
	out, err := p.replace(ctx, writer, backend, expected, fmt.Sprint(writer, "-", i))
	if err != nil {
		return nil, err
	}
	return []porcupine.Operation{read, {
		ClientId: writer, Input: operation{backend: backend, write: true, expected: expected}, Call: call,
		Output: out, Return: time.Since(begin).Nanoseconds(),
	}}, nil
}

type ofStore struct{ *store.Store }

func (s ofStore) head(ctx context.Context, _ int, backend string) (string, error) {
	r, err := s.Head(ctx, backend)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return r.GetDigest(), err
}

func (s ofStore) replace(ctx context.Context, _ int, backend, expected, content string) (outcome, error) {
	c := storetest.Change(backend, content)
	c.Expected = expected
	r, _, err := s.Append(ctx, c)
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		return outcome{current: conflict.Current}, nil
	}
	return outcome{current: r.GetDigest(), written: true}, err
}

// ofGateways spreads writers over replicas.
type ofGateways []adminv1.AdminServiceClient

func (g ofGateways) head(ctx context.Context, writer int, backend string) (string, error) {
	r, err := g[writer%len(g)].GetRevision(ctx, &adminv1.GetRevisionRequest{Backend: backend})
	if status.Code(err) == codes.NotFound {
		return "", nil
	}
	return r.GetDigest(), err
}

func (g ofGateways) replace(ctx context.Context, writer int, backend, expected, content string) (outcome, error) {
	out, err := g[writer%len(g)].Register(ctx, &adminv1.RegisterRequest{
		Backend: backend, Address: "127.0.0.1:9", Expected: expected, Descriptors: shelf(backend, content),
	})
	if status.Code(err) != codes.Aborted {
		return outcome{current: out.GetRevision().GetDigest(), written: true}, err
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return outcome{current: info.GetMetadata()["current"]}, nil
		}
	}
	return outcome{}, err
}
