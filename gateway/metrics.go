package gateway

import (
	"runtime/debug"

	"github.com/protean-gateway/protean/gateway/telemetry"
	"github.com/protean-gateway/protean/schema"
)

// newMetrics measures where somebody can ask for the measurements.
func newMetrics(s settings) *telemetry.Metrics {
	if s.admin == adminOff {
		return nil
	}
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	return telemetry.New(version)
}

// readState shows what is served, and in what state backends and policies are.
func (g *Gateway) readState() {
	type emit = func(float64, ...string)
	families := []struct {
		telemetry.Family
		read func(emit)
	}{
		{telemetry.Family{Name: "protean_schema_methods", Help: "Methods that are served."}, func(emit emit) {
			emit(float64(len(g.views.Load().snapshot.Methods)))
		}},
		{telemetry.Family{Name: "protean_schema_info", Help: "Always 1; the digest of what is served is the label.", Labels: []string{"digest"}}, func(emit emit) {
			emit(1, g.views.Load().snapshot.Digest)
		}},
		{telemetry.Family{Name: "protean_schema_problems", Help: "Problems of what is served.", Labels: []string{"severity"}}, func(emit emit) {
			count := map[schema.Severity]int{}
			for _, p := range g.views.Load().problems {
				count[p.Severity]++
			}
			for _, s := range []schema.Severity{schema.Warning, schema.Error} {
				emit(float64(count[s]), s.String())
			}
		}},
		{telemetry.Family{Name: "protean_schema_swaps_total", Help: "Schemas that were put before the doors.", Counter: true}, func(emit emit) {
			emit(float64(g.swaps.Load()))
		}},
		{telemetry.Family{Name: "protean_backend_state", Help: "1 for the state that a backend's schema is in.", Labels: []string{"protean_backend", "state"}}, func(emit emit) {
			for _, b := range g.registry.State() {
				emit(1, b.Name, stateOf(b))
			}
		}},
		{telemetry.Family{Name: "protean_backend_calls_in_flight", Help: "Calls under way to a backend.", Labels: []string{"protean_backend"}}, func(emit emit) {
			for _, b := range g.registry.State() {
				emit(float64(g.maker.policies.concurrency.InFlight(b.Name)), b.Name)
			}
		}},
	}
	for _, f := range families {
		g.metrics.Read(f.Family, f.read)
	}
}

// stateOf says what of a backend is served: its newest files, the last good ones, or none.
func stateOf(b schema.BackendState) string {
	switch {
	case b.Files == nil:
		return "waiting"
	case b.LastGood:
		return "last-good"
	default:
		return "loaded"
	}
}
