package auth

import (
	"context"
	"sync"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/wire"
)

// fieldRules are the rules about all fields that a method's answers can contain. They
// are safe for concurrent use.
type fieldRules struct {
	output *wire.Message
	rules  []fieldRule
	unless []*expression // at most maxUnless; rules have indices of them

	mu    sync.RWMutex
	views map[uint64]*view // by which of unless hold; nil where nothing is to be done
}

// fieldRule is what happens to one field.
type fieldRule struct {
	field  *wire.Field
	redact wire.RedactRule
	unless int  // index; negative: nothing excepts from it
	deny   bool // the caller is told
}

// view is what callers see for whom the same rules hold. It is immutable.
type view struct {
	redaction *wire.Redaction // nil: the rules cannot be applied, and no answer is passed on
	denied    []*wire.Field
}

// maxUnless is how many different exceptions the fields of one method may have.
const maxUnless = 64

// viewOf returns what a caller sees, or nil for one who sees everything. An
// exception that cannot be computed excepts nobody.
func (r *fieldRules) viewOf(ctx context.Context, p *rpc.Principal) *view {
	var held uint64
	for i, x := range r.unless {
		if holds, err := x.holds(ctx, &variables{principal: p}); err == nil && holds {
			held |= 1 << i
		}
	}
	r.mu.RLock()
	v, known := r.views[held]
	r.mu.RUnlock()
	if known {
		return v
	}
	v = r.makeView(held)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.views) < maxViews {
		r.views[held] = v
	}
	return v
}

// maxViews bounds the views that are kept; others are made for each call.
const maxViews = 256

func (r *fieldRules) makeView(held uint64) *view {
	var rules []wire.RedactRule
	v := new(view)
	for _, rule := range r.rules {
		if rule.unless >= 0 && held&(1<<rule.unless) != 0 {
			continue
		}
		rules = append(rules, rule.redact)
		if rule.deny {
			v.denied = append(v.denied, rule.field)
		}
	}
	if len(rules) == 0 {
		return nil
	}
	// What is wrong with rules was reported when they were compiled.
	v.redaction, _ = r.output.NewRedaction(rules)
	return v
}
