package gateway

import (
	"strings"
	"testing"
)

// TestCheckXDS says of each part that it is not for an operator to say, with its place.
func TestCheckXDS(t *testing.T) {
	c, err := ParseConfig("c.yaml", []byte(`backends:
  - {address: 'xds:///a', tls: {serverName: x}, balancing: BALANCING_LEAST_REQUEST, healthCheck: {}, outliers: {}}
  - {address: 'xds:///b', keepalive: 5s}
  - {address: 'b:1', healthCheck: {}, outliers: {}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"c.yaml:2:32: tls c.yaml:2:60: balancing c.yaml:2:98: health_check c.yaml:2:112: outliers", "", ""} {
		var got []string
		if err := c.locate(checkXDS(c.GetBackends()[i])); err != nil {
			for line := range strings.Lines(err.Error()) {
				place, _, _ := strings.Cut(line, ": with xds")
				got = append(got, place)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
}
