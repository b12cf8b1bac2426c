package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Family is a measurement that somebody else keeps, such as the state of a policy.
type Family struct {
	Name, Help string
	Labels     []string // their names
	Counter    bool     // only ever grows; otherwise it is a gauge
}

// Read shows the values of a family, which read emits whenever measurements are asked for: each
// with the values of the family's labels, no two with the same. It may be called once per family.
func (m *Metrics) Read(f Family, read func(emit func(value float64, labels ...string))) {
	if m == nil {
		return
	}
	kind := prometheus.GaugeValue
	if f.Counter {
		kind = prometheus.CounterValue
	}
	m.registry.MustRegister(&reader{
		desc: prometheus.NewDesc(f.Name, f.Help, f.Labels, nil),
		kind: kind,
		read: read,
	})
}

type reader struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(emit func(value float64, labels ...string))
}

// Describe is part of [prometheus.Collector].
func (r *reader) Describe(to chan<- *prometheus.Desc) { to <- r.desc }

// Collect is part of [prometheus.Collector].
func (r *reader) Collect(to chan<- prometheus.Metric) {
	r.read(func(value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(r.desc, r.kind, value, labels...)
	})
}
