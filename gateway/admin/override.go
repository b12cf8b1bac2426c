package admin

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/protean-gateway/protean/gateway/gate"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// anonymous is the author of an override where there are no owners.
const anonymous = "anonymous"

// checkOverride checks an override that came with a request, and notes who gave it and until when it holds.
func (s *Service) checkOverride(o *adminv1.Override, by *owner) error {
	if o == nil {
		return nil
	}
	if strings.TrimSpace(o.GetReason()) == "" {
		return invalid("override.reason is missing: why breaking findings are accepted")
	}
	if len(o.GetReason()) > longestReason {
		return invalid("override.reason is longer than %d bytes", longestReason)
	}
	ttl := o.GetTtl().AsDuration()
	if ttl < 0 || ttl > longestOverride {
		return invalid("override.ttl must be between 0 and %v", longestOverride)
	}
	now := s.now().UTC()
	o.CreateTime, o.ExpireTime, o.Author = timestamppb.New(now), nil, by.name
	if o.Author == "" {
		o.Author = anonymous
	}
	if ttl > 0 {
		o.ExpireTime = timestamppb.New(now.Add(ttl))
	}
	return nil
}

// activeOverride returns the override of the current revision if it still holds, or nil.
func (s *Service) activeOverride(head *adminv1.Revision) *adminv1.Override {
	until := head.GetOverride().GetExpireTime()
	if head.GetDeleted() || !until.IsValid() || !until.AsTime().After(s.now()) {
		return nil
	}
	return head.GetOverride()
}

// overrideOf returns the override that a new revision has: the given one, or the active one of the revision before,
// which stays in effect until it expires.
func (s *Service) overrideOf(given *adminv1.Override, head *adminv1.Revision) *adminv1.Override {
	if given != nil {
		return given
	}
	if active := s.activeOverride(head); active != nil {
		return proto.CloneOf(active)
	}
	return nil
}

// judge reports whether breaking findings reject a change, or which override accepts them.
func (s *Service) judge(preview *Preview, override *adminv1.Override) (blocked bool, acceptedBy *adminv1.Override) {
	switch {
	case preview.Worst < gate.Breaking || s.warns():
		return false, nil
	case override == nil:
		return true, nil
	}
	return false, override
}

// overrideAttributes are those of log lines about a change that an override accepted; none without.
func overrideAttributes(o *adminv1.Override) []any {
	if o == nil {
		return nil
	}
	attributes := []any{"override", o.GetReason(), "override_author", o.GetAuthor(), "override_time", o.GetCreateTime().AsTime()}
	if o.GetExpireTime().IsValid() {
		attributes = append(attributes, "override_until", o.GetExpireTime().AsTime().Format(time.RFC3339))
	}
	return attributes
}
