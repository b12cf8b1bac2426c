package gateway

import (
	"runtime/debug"
	"slices"

	"github.com/protean-gateway/protean/gateway/telemetry"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/schema"
)

// newMetrics measures where somebody can ask for the measurements.
func newMetrics(config *configv1.Config) *telemetry.Metrics {
	if config.GetAdmin() == adminOff {
		return nil
	}
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	return telemetry.New(version)
}

// emit shows one value of a family, with the values of its labels.
type emit = func(value float64, labels ...string)

// family is a measurement that is read from what the gateway keeps anyway.
type family struct {
	telemetry.Family
	read func(emit)
}

// readState shows in what state schemas, backends and policies are.
func (g *Gateway) readState() {
	for _, f := range slices.Concat(g.schemaFamilies(), addressFamilies(g.pool), g.policies.families(), g.auditFamilies()) {
		g.metrics.Read(f.Family, f.read)
	}
}

func gauge(name, help string, read func(emit), labels ...string) family {
	return family{telemetry.Family{Name: name, Help: help, Labels: labels}, read}
}

func counter(name, help string, read func(emit), labels ...string) family {
	return family{telemetry.Family{Name: name, Help: help, Labels: labels, Counter: true}, read}
}

func (g *Gateway) auditFamilies() []family {
	return []family{
		counter("protean_audit_dropped_total", "Entries of refused calls that the audit log does not have, because too many waited or it could not be written.", func(emit emit) {
			emit(float64(g.audit.State().Dropped))
		}),
		counter("protean_audit_failures_total", "Writes of the audit log that failed.", func(emit emit) {
			emit(float64(g.audit.State().Failures))
		}),
		gauge("protean_policies_known", "Whether it is known what was said through the admin service; calls are refused while it is not.", func(emit emit) {
			emit(one(!g.policies.unknown.Load()))
		}),
	}
}

func (g *Gateway) schemaFamilies() []family {
	return []family{
		gauge("protean_schema_info", "Always 1; the digest of what is served is the label.", func(emit emit) {
			emit(1, g.views.Load().snapshot.Digest)
		}, "digest"),
		gauge("protean_schema_methods", "Methods that are served.", func(emit emit) {
			emit(float64(len(g.views.Load().snapshot.Methods)))
		}),
		gauge("protean_schema_problems", "Problems of what is served.", func(emit emit) {
			count := make(map[schema.Severity]int)
			for _, p := range g.views.Load().problems {
				count[p.Severity]++
			}
			for _, s := range []schema.Severity{schema.Warning, schema.Error} {
				emit(float64(count[s]), s.String())
			}
		}, "severity"),
		counter("protean_schema_swaps_total", "Schemas that were put before the doors.", func(emit emit) {
			emit(float64(g.swaps.Load()))
		}),
		counter("protean_config_reloads_total", "How often the configuration was read again, by what came of it.", func(emit emit) {
			emit(float64(g.reloads.served.Load()), "served")
			emit(float64(g.reloads.refused.Load()), "refused")
		}, "result"),
		gauge("protean_backend_state", "1 for the state that a backend's schema is in: waiting, loaded, partial, unusable or last-good.", func(emit emit) {
			for _, b := range g.backendStates() {
				emit(1, b.Name, b.State)
			}
		}, "protean_backend", "state"),
		gauge("protean_backend_skewed", "1 where replicas of a backend run different versions, or another one than is registered.", func(emit emit) {
			for _, b := range g.registry.State() {
				emit(one(b.Skew != nil), b.Name)
			}
		}, "protean_backend"),
	}
}
