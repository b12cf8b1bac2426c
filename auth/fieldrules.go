package auth

import (
	"context"
	"slices"
	"sync"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/wire"
)

// fieldRules are the rules about all fields that a method's answers can contain. They
// are safe for concurrent use.
type fieldRules struct {
	rules  []fieldRule
	unless []*expression // at most maxUnless; rules have indices of them
	types  anyTypes
	// users has the messages that each message is a field of.
	users map[*wire.Message][]*wire.Message

	mu    sync.RWMutex
	views map[uint64]*view // by which of unless hold; nil where nothing is to be done
}

// fieldRule is what happens to one field.
type fieldRule struct {
	field  *wire.Field
	action fieldAction
	unless int  // index; negative: nothing excepts from it
	deny   bool // the caller is told
}

// view is what callers see for whom the same rules hold. It is immutable.
type view struct {
	mask   *fieldMask
	denied []*wire.Field
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
	actions := make(map[*wire.Field]fieldAction)
	v := new(view)
	for _, rule := range r.rules {
		if rule.unless >= 0 && held&(1<<rule.unless) != 0 {
			continue
		}
		actions[rule.field] = rule.action
		if rule.deny {
			v.denied = append(v.denied, rule.field)
		}
	}
	if len(actions) == 0 {
		return nil
	}
	v.mask = newFieldMask(actions, r.clean(actions), r.types)
	return v
}

// clean returns the messages that contain no field with an action, at any depth.
// Those inside an Any are not among them.
func (r *fieldRules) clean(actions map[*wire.Field]fieldAction) map[*wire.Message]bool {
	clean := make(map[*wire.Message]bool, len(r.users))
	var pending []*wire.Message
	for m := range r.users {
		clean[m] = !isAny(m)
		holds := func(f *wire.Field) bool {
			_, held := actions[f]
			return held
		}
		if isAny(m) || slices.ContainsFunc(m.Fields(), holds) {
			pending = append(pending, m)
		}
	}
	for ; len(pending) > 0; pending = pending[1:] {
		m := pending[0]
		clean[m] = false
		for _, user := range r.users[m] {
			if clean[user] {
				clean[user] = false
				pending = append(pending, user)
			}
		}
	}
	return clean
}
