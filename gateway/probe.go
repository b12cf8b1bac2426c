package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/protean-gateway/protean/gateway/admin"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// probeTimeout bounds one attempt to connect to an address, and the question which services are there.
const probeTimeout = 2 * time.Second

// maxAbsent is how many services one probe reports as missing.
const maxAbsent = 20

// probe connects to the address that a backend is to have. A server without reflection is taken to have what is registered.
func (g *Gateway) probe(ctx context.Context, p admin.Probe) []*adminv1.Finding {
	endpoint := rpc.Endpoint{Name: "probe", Address: p.Address, Guard: g.registrations.service.Guard(p.Owner, p.Address)}
	wait := max(p.Wait, probeTimeout)
	connecting, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("no connection within %v", wait))
	defer cancel()
	conn, err := endpoint.Dial(connecting, p.Wait > 0)
	if err != nil {
		return []*adminv1.Finding{addressFinding("address-unreachable", p.Address, fmt.Sprintf("no server accepts connections: %v", err))}
	}
	defer func() { _ = conn.Close() }()
	asking, done := context.WithTimeout(ctx, probeTimeout)
	defer done()
	listed, err := schema.ListServices(asking, conn)
	if err != nil {
		return nil
	}
	var found []*adminv1.Finding
	for _, service := range absent(listed, p.Services) {
		found = append(found, addressFinding("service-not-at-address", service, fmt.Sprintf("the server at %s does not have %s", p.Address, service)))
	}
	return found
}

// absent returns the wanted services that a server does not list.
func absent(listed, wanted []string) []string {
	missing := slices.DeleteFunc(slices.Clone(wanted), func(service string) bool { return slices.Contains(listed, service) })
	return missing[:min(len(missing), maxAbsent)]
}

func addressFinding(rule, element, message string) *adminv1.Finding {
	return &adminv1.Finding{
		Severity: adminv1.Finding_SEVERITY_DANGEROUS, Surface: adminv1.Finding_SURFACE_BACKEND,
		Rule: rule, Element: element, Message: message,
	}
}
