package admin

import (
	"cmp"
	"slices"
	"time"

	"github.com/protean-gateway/protean/gateway/gate"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// Probe is an address that a backend is to be registered with.
type Probe struct {
	Address  string
	Owner    string   // of the backend, whose addresses are permitted
	Services []string // that the server should have
	// Wait is how long to try until a server accepts connections. 0: once.
	Wait time.Duration
}

// add adds findings that the comparison cannot have, in the order of severity.
func (p *Preview) add(found []*adminv1.Finding) {
	if len(found) == 0 {
		return
	}
	p.Findings = slices.Concat(p.Findings, found)
	slices.SortStableFunc(p.Findings, func(a, b *adminv1.Finding) int { return -cmp.Compare(a.GetSeverity(), b.GetSeverity()) })
	p.Findings = p.Findings[:min(len(p.Findings), maxFindings)]
	for _, f := range found {
		p.Worst = max(p.Worst, gate.Severity(f.GetSeverity())) //nolint:gosec // the numbers are the same
	}
}
