package gateway

import (
	"slices"

	"github.com/protean-gateway/protean/schema"
)

// The states of a backend's schema, as /readyz, the log, the metrics and the admin service show them.
const (
	stateWaiting  = "waiting"   // not loaded yet; the gateway keeps trying
	stateLoaded   = "loaded"    // all of it is served
	statePartial  = "partial"   // what is usable is served; problems name the rest
	stateUnusable = "unusable"  // none of it can be served; problems or the error say why
	stateLastGood = "last-good" // an earlier version is served, because the newest is not usable as a whole
)

// backendState is what is known of a backend's schema and what of it is served.
type backendState struct {
	schema.BackendState
	State  string
	Errors []schema.Problem // why a part of the newest schema is not served
}

// backendStates returns the states of all backends, in the order of the registry.
func (g *Gateway) backendStates() []backendState {
	v := g.views.Load()
	errors := make(map[string][]schema.Problem)
	for _, p := range v.problems {
		if p.Severity == schema.Error && p.Backend != "" {
			errors[p.Backend] = append(errors[p.Backend], p)
		}
	}
	var states []backendState
	for _, s := range g.registry.State() {
		found := errors[s.Name]
		states = append(states, backendState{s, stateOf(s, v.snapshot, len(found) > 0), found})
	}
	return states
}

// stateOf compares the newest schema of a backend with what a snapshot serves of it.
func stateOf(b schema.BackendState, served *schema.Snapshot, errors bool) string {
	if b.Files == nil {
		if b.Err == nil || schema.IsUnreachable(b.Err) {
			return stateWaiting
		}
		return stateUnusable
	}
	at := slices.IndexFunc(served.Backends, func(s *schema.Backend) bool { return s.Name == b.Name })
	switch {
	case at < 0 && errors:
		return stateUnusable
	case at < 0:
		return stateWaiting // it is compiled next
	case b.LastGood || served.Backends[at].Digest != b.Files.Digest:
		return stateLastGood
	case errors && len(served.Backends[at].Services) == 0:
		return stateUnusable
	case errors:
		return statePartial
	}
	return stateLoaded
}

// shown is what a change of is logged for.
func (s backendState) shown() string {
	text := s.State
	if s.Err != nil {
		text += " " + s.Err.Error()
	}
	if s.Skew != nil {
		text += " " + s.Skew.Error()
	}
	return text
}

// attributes are those of the log.
func (s backendState) attributes() []any {
	out := []any{"backend", s.Name, "source", s.Kind, "state", s.State}
	if s.Err != nil {
		out = append(out, "error", s.Err)
	}
	if s.Skew != nil {
		out = append(out, "skew", s.Skew)
	}
	if len(s.Errors) > 0 {
		out = append(out, "not_served", len(s.Errors), "first", s.Errors[0].Summary())
	}
	return out
}
