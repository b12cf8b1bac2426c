package gateway

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// TestFailureLogIsBounded admits some failures of each kind in each window, counts the others, and remembers no more
// kinds than there is room for.
func TestFailureLogIsBounded(t *testing.T) {
	var log failureLog
	now := time.Unix(1_000_000, 0)
	many := func(kind failureKind, n int, at time.Time) (admitted, suppressed int) {
		for range n {
			if ok, before := log.admit(kind, at); ok {
				admitted++
				suppressed += before
			}
		}
		return admitted, suppressed
	}
	shop, other := failureKind{"shop", "status", codes.Internal}, failureKind{"shop", "status", codes.Unknown}
	for _, c := range []struct {
		name                 string
		kind                 failureKind
		at                   time.Time
		admitted, suppressed int
	}{
		{"the first", shop, now, failuresLogged, 0},
		{"within the window", shop, now.Add(failureWindow - 1), 0, 0},
		{"another kind", other, now, failuresLogged, 0},
		{"the next window", shop, now.Add(failureWindow), failuresLogged, 195},
	} {
		if admitted, suppressed := many(c.kind, 100, c.at); admitted != c.admitted || suppressed != c.suppressed {
			t.Errorf("%s: %d admitted, %d suppressed before", c.name, admitted, suppressed)
		}
	}
	for i := range maxFailureKinds + 100 {
		log.admit(failureKind{backend: fmt.Sprint(i)}, now)
	}
	if len(log.kinds) > maxFailureKinds+1 {
		t.Errorf("%d kinds are remembered", len(log.kinds))
	}
}
