package admin

import (
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

// TestOverrides says which breaking findings an override accepts.
func TestOverrides(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	with := func(until *timestamppb.Timestamp) *adminv1.Revision {
		return &adminv1.Revision{Override: &adminv1.Override{Reason: "agreed", ExpireTime: until}}
	}
	until := func(d time.Duration) *adminv1.Revision { return with(timestamppb.New(now.Add(d))) }
	deleted := until(time.Hour)
	deleted.Deleted = true
	given := &adminv1.Override{Reason: "given"}
	for _, c := range []struct {
		name       string
		given      *adminv1.Override
		head       *adminv1.Revision
		worst      gate.Severity
		mode       configv1.Gate
		blocked    bool
		acceptedBy string
		kept       string // with the new revision
	}{
		{name: "nothing breaks", worst: gate.Dangerous},
		{name: "nothing breaks, with an override", worst: gate.Dangerous, given: given, kept: "given"},
		{name: "nothing breaks while one is active", worst: gate.Safe, head: until(time.Second), kept: "agreed"},
		{name: "it breaks", worst: gate.Breaking, blocked: true},
		{name: "only a warning", worst: gate.Breaking, mode: configv1.Gate_GATE_WARN},
		{name: "with an override", worst: gate.Breaking, given: given, acceptedBy: "given", kept: "given"},
		{name: "with one from before", worst: gate.Breaking, head: until(time.Second), acceptedBy: "agreed", kept: "agreed"},
		{name: "with one from before and another", worst: gate.Breaking, head: until(time.Second), given: given, acceptedBy: "given", kept: "given"},
		{name: "the one from before was for that registration only", worst: gate.Breaking, head: with(nil), blocked: true},
		{name: "with an expired one", worst: gate.Breaking, head: until(-time.Second), blocked: true},
		{name: "with one that just expires", worst: gate.Breaking, head: until(0), blocked: true},
		{name: "the backend was deleted since", worst: gate.Breaking, head: deleted, blocked: true},
		{name: "the one before had none", worst: gate.Breaking, head: &adminv1.Revision{}, blocked: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Service{now: func() time.Time { return now }}
			s.Follow(&Rules{gate: c.mode})
			override := s.overrideOf(c.given, c.head)
			blocked, acceptedBy := s.judge(&Preview{Worst: c.worst}, override)
			if blocked != c.blocked || acceptedBy.GetReason() != c.acceptedBy || override.GetReason() != c.kept {
				t.Errorf("blocked %v, accepted by %v, kept %v", blocked, acceptedBy, override)
			}
		})
	}
}

// TestOverrideGiven notes who gave an override, when, and until when it holds.
func TestOverrideGiven(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := &Service{now: func() time.Time { return now }}
	for _, c := range []struct {
		name   string
		reason string
		ttl    *durationpb.Duration
		by     *owner
		code   codes.Code
		author string
		holds  time.Duration // 0: for that request only
	}{
		{name: "for that request only", reason: "agreed", by: local, author: "anonymous"},
		{name: "of an owner", reason: "agreed", by: &owner{name: "books"}, author: "books"},
		{name: "a length of zero", reason: "agreed", ttl: durationpb.New(0), by: local, author: "anonymous"},
		{name: "a minute", reason: "agreed", ttl: durationpb.New(time.Minute), by: local, author: "anonymous", holds: time.Minute},
		{name: "the longest", reason: "agreed", ttl: durationpb.New(longestOverride), by: local, author: "anonymous", holds: longestOverride},
		{name: "too long", reason: "agreed", ttl: durationpb.New(longestOverride + 1), by: local, code: codes.InvalidArgument},
		{name: "negative", reason: "agreed", ttl: durationpb.New(-time.Second), by: local, code: codes.InvalidArgument},
		{name: "no reason", reason: " ", by: local, code: codes.InvalidArgument},
		{name: "a long reason", reason: string(make([]byte, longestReason+1)) + "x", by: local, code: codes.InvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			// What a client claims of author and times has no effect.
			o := &adminv1.Override{Reason: c.reason, Ttl: c.ttl, Author: "someone", ExpireTime: timestamppb.New(now.Add(time.Hour))}
			err := s.checkOverride(o, c.by)
			if status.Code(err) != c.code {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if o.GetAuthor() != c.author || !o.GetCreateTime().AsTime().Equal(now) {
				t.Errorf("given by %q at %v", o.GetAuthor(), o.GetCreateTime().AsTime())
			}
			if (c.holds == 0) != (o.GetExpireTime() == nil) || c.holds > 0 && !o.GetExpireTime().AsTime().Equal(now.Add(c.holds)) {
				t.Errorf("holds until %v", o.GetExpireTime().AsTime())
			}
		})
	}
}
