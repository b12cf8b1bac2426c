package admin

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/protean-gateway/protean/gateway/gate"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
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

// TestOverrides says for how long an override lets breaking findings pass.
func TestOverrides(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	until := func(d time.Duration) *adminv1.Revision {
		return &adminv1.Revision{Override: &adminv1.Override{Reason: "agreed", ExpireTime: timestamppb.New(now.Add(d))}}
	}
	for _, c := range []struct {
		name    string
		given   *adminv1.Override
		head    *adminv1.Revision
		worst   gate.Severity
		mode    configv1.Gate
		blocked bool
	}{
		{name: "nothing breaks", worst: gate.Dangerous},
		{name: "it breaks", worst: gate.Breaking, blocked: true},
		{name: "only a warning", worst: gate.Breaking, mode: configv1.Gate_GATE_WARN},
		{name: "with an override", worst: gate.Breaking, given: &adminv1.Override{Reason: "agreed"}},
		{name: "with one from before", worst: gate.Breaking, head: until(time.Second)},
		{name: "with one that is over", worst: gate.Breaking, head: until(-time.Second), blocked: true},
		{name: "with one that just ends", worst: gate.Breaking, head: until(0), blocked: true},
		{name: "the one before had none", worst: gate.Breaking, head: &adminv1.Revision{}, blocked: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Service{now: func() time.Time { return now }}
			s.Follow(&Rules{gate: c.mode})
			p := &proposal{revision: &adminv1.Revision{Override: c.given}}
			if got := s.blocks(p, c.head, c.worst); got != c.blocked {
				t.Errorf("blocked: %v", got)
			}
			if !c.blocked && c.worst == gate.Breaking && c.head != nil && p.revision.GetOverride().GetReason() != "agreed" {
				t.Error("the reason is not kept with the revision that it let through")
			}
		})
	}
	s := &Service{now: func() time.Time { return now }}
	for ttl, want := range map[time.Duration]time.Duration{0: -1, -time.Second: -1, longestOverride + 1: -1, longestOverride: longestOverride, time.Minute: time.Minute} {
		o := &adminv1.Override{Ttl: durationpb.New(ttl)}
		err := s.limitOverride(o)
		if want < 0 {
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("for %v: %v", ttl, err)
			}
			continue
		}
		if err != nil || !o.GetExpireTime().AsTime().Equal(now.Add(want)) {
			t.Errorf("for %v: until %v, %v", ttl, o.GetExpireTime().AsTime(), err)
		}
	}
	o := &adminv1.Override{}
	if err := s.limitOverride(o); err != nil || !o.GetExpireTime().AsTime().Equal(now.Add(time.Hour)) {
		t.Errorf("without a length: until %v, %v", o.GetExpireTime().AsTime(), err)
	}
}
