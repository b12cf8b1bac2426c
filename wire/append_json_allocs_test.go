//go:build !race

package wire_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/wire"
)

// TestNoAllocations holds for the way out once buffers have grown. Keys makes
// one small table. Under the race detector a sync.Pool drops what it is given.
func TestNoAllocations(t *testing.T) {
	book := exampleBook(t)
	body, err := proto.Marshal(book)
	if err != nil {
		t.Fatal(err)
	}
	m := wire.NewTypes(nil).Message(book.ProtoReflect().Descriptor())
	selected := mustSelect(t, m, "__typename:=\"Book\" name price! { units } a:$1 translations { key value } ?0 tags createTime")
	path, err := m.Path("author")
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	sink := wire.Sink{Splice: func(_, _ int, dst []byte) ([]byte, error) { return append(dst, '1'), nil }}
	for name, run := range map[string]func() error{
		"REST":    func() error { _, err := m.Project(wire.Options{}).AppendJSON(dst, body, nil); return err },
		"GraphQL": func() error { _, err := selected.AppendJSON(dst, body, &sink); return err },
		"values":  func() error { return path.Values(body, func(wire.Value) bool { return true }) },
		"keys":    func() error { return selected.Keys(body, 1, path, func(int, []wire.Value) {}) },
	} {
		allowed := 0.0
		if name == "keys" {
			allowed = 2
		}
		n := testing.AllocsPerRun(200, func() {
			if err := run(); err != nil {
				t.Fatal(err)
			}
		})
		if n > allowed {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestBoundIsNotOverrun checks that a buffer with room for what is allowed, and for one field
// more, never has to grow, however much the message asks for.
func TestBoundIsNotOverrun(t *testing.T) {
	projection := wideMessage(t).Project(wire.Options{EmitDefaults: true})
	msg := emptyElements(5000)
	const limit, oneField = 100_000, 64
	dst := make([]byte, 0, limit+oneField)
	sink := wire.Sink{MaxBytes: limit}
	n := testing.AllocsPerRun(20, func() {
		if _, err := projection.AppendJSON(dst, msg, &sink); err != wire.ErrTooLarge {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}
