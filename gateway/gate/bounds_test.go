package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/protean-gateway/protean/rpc/rpctest"
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

// TestCompareCancelled ends a comparison at every point where it looks.
func TestCompareCancelled(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/graph.txtar")
	if err != nil {
		t.Fatal(err)
	}
	old, updated := viewsOf(t, archive)
	want := describe(compare(t, old, updated))
	for looks := 0; ; looks++ {
		left := looks
		findings, err := Compare(fuse{t.Context(), &left}, old, updated)
		if err == nil {
			if looks < len(Rules()) || describe(findings) != want {
				t.Errorf("it looked only %d times, or comes to something else:\n%s", looks, describe(findings))
			}
			return
		}
		if !errors.Is(err, errFuse) {
			t.Fatalf("after %d looks: %v", looks, err)
		}
	}
}

// ring has messages that lead from one to the next, and from the last to the first.
func ring(messages int) string {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\"; package shop;\nservice Shop { rpc Get(M0) returns (M0); }\n")
	for i := range messages {
		fmt.Fprintf(&b, "message M%d { M%d next = 1; }\n", i, (i+1)%messages)
	}
	return b.String()
}

// TestMeetingMessages compares rings of which each message meets each message of the other.
func TestMeetingMessages(t *testing.T) {
	views := func(messages int) Views {
		return compiled(t, rpctest.Files(t, map[string]string{"shop.proto": ring(messages)}))
	}
	if findings := compare(t, views(100), views(99)); len(findings) == 0 {
		t.Error("rings that can be compared do not differ")
	}
	if _, err := Compare(t.Context(), views(1000), views(999)); !errors.Is(err, ErrTooDifferent) {
		t.Errorf("rings of a million pairs: %v", err)
	}
}

// TestManyFindings tells the worst of very many differences, and of these the methods.
func TestManyFindings(t *testing.T) {
	const fields, messages, methods = 40, 400, 30
	views := func(kind string) Views {
		var b strings.Builder
		b.WriteString("syntax = \"proto3\"; package shop;\nservice Shop {\n")
		for m := range methods {
			fmt.Fprintf(&b, "rpc Get%d(M%d) returns (M0);\n", m, m)
		}
		b.WriteString("}\n")
		for m := range messages {
			fmt.Fprintf(&b, "message M%d { M%d next = 1;\n", m, (m+1)%messages)
			for f := range fields {
				fmt.Fprintf(&b, "%s f%d = %d;\n", kind, f, f+2)
			}
			b.WriteString("}\n")
		}
		return compiled(t, rpctest.Files(t, map[string]string{"shop.proto": b.String()}))
	}
	findings := compare(t, views("int64"), views("string"))
	if len(findings) != mostFindings || Worst(findings) != Breaking {
		t.Errorf("there are %d findings", len(findings))
	}
	for i, f := range findings {
		named := len(f.Methods) == methods && slices.IsSorted(f.Methods)
		if f.Surface == Wire && named != (i < namedFindings) {
			t.Fatalf("finding %d, %s, names %d methods", i, f.Element, len(f.Methods))
		}
	}
}
