package admin

import (
	"errors"
	"testing"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// TestAddresses judges addresses as they are registered and as they are dialled.
func TestAddresses(t *testing.T) {
	team, err := newOwner(&configv1.Owner{Name: new("team"), Addresses: []string{"*.team.svc:50051", "10.1.0.0/16", "[::1]:7000", "unix:///run/team.sock"}})
	if err != nil {
		t.Fatal(err)
	}
	own := func() []string { return []string{"127.0.0.1:8081", "0.0.0.0:8080"} }
	for _, c := range []struct {
		owner      *owner
		registered string // or
		dialled    string
		permitted  bool
	}{
		{owner: team, registered: "a.team.svc:50051", permitted: true},
		{owner: team, registered: "grpcs://A.team.svc:50051", permitted: true},
		{owner: team, registered: "10.1.2.3:1", permitted: true},
		{owner: team, registered: "10.2.2.3:1"},
		{owner: team, registered: "[::1]:7000", permitted: true},
		{owner: team, registered: "[::1]:7001"},
		{owner: team, registered: "127.0.0.1:7000"},
		{owner: team, registered: "localhost:7000"},
		{owner: team, registered: "169.254.169.254:80"},
		{owner: team, registered: "unix:///run/team.sock", permitted: true},
		{owner: team, registered: "unix:///run/docker.sock"},
		{owner: team, registered: "http://a.team.svc:50051"},
		{owner: team, registered: "a.team.svc"},
		{owner: team, dialled: "10.1.2.3:1", permitted: true},
		{owner: team, dialled: "192.0.2.1:50051"},
		{owner: team, dialled: "127.0.0.1:50051"},
		{owner: team, dialled: "[::ffff:127.0.0.1]:50051"},
		{owner: team, dialled: "[fe80::1%eth0]:50051"},
		{owner: team, dialled: "224.0.0.1:50051"},
		{owner: team, dialled: "no address"},
		{owner: local, registered: "127.0.0.1:9", permitted: true},
		{owner: local, registered: "127.0.0.1:8081"},
		{owner: local, registered: "localhost:8080"},
		{owner: local, registered: "[::1]:8080"},
		{owner: local, dialled: "127.0.0.1:8081"},
		{owner: local, dialled: "0.0.0.0:8081"},
		{owner: nil, dialled: "10.1.2.3:1"},
	} {
		g := owners{}.guard(c.owner, own)
		if c.registered != "" {
			if err := g.permitText(c.registered); (err == nil) != c.permitted {
				t.Errorf("registered %s: %v", c.registered, err)
			}
			continue
		}
		if err := g.Permit("tcp", c.dialled); (err == nil) != c.permitted {
			t.Errorf("dialled %s: %v", c.dialled, err)
		}
	}
	if err := (&guard{owner: local, own: own}).permitText("127.0.0.1:8081"); !errors.Is(err, errOwnAddress) {
		t.Errorf("the gateway's own address: %v", err)
	}
}
