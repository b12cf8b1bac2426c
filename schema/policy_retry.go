package schema

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Retry says which failed attempts of a method are followed by another. It is compiled
// from Policy.Retry.
type Retry struct {
	// Attempts is how many there may be, the first included; 1 or less is no retry. It is
	// more only for methods that may be repeated and have one request.
	Attempts int
	// InitialBackoff is the longest wait before the second attempt. It doubles with
	// each further one, up to MaxBackoff.
	InitialBackoff, MaxBackoff time.Duration

	codes CodeSet
}

// The defaults and bounds of retries.
const (
	MaxAttempts           = 10
	DefaultInitialBackoff = 25 * time.Millisecond
	DefaultMaxBackoff     = time.Second
)

// Retryable reports whether an attempt that ended with the code is followed by another.
func (r *Retry) Retryable(c codes.Code) bool { return r.codes.Has(c) }

// retry compiles the policy of a method that has its idempotency and AttemptTimeout.
func (c *compiler) retry(m *Method) Retry {
	said := m.Policy.GetRetry()
	if said.GetMaxAttempts() <= 1 || !m.Idempotent || m.ClientStreams {
		return Retry{Attempts: 1}
	}
	r := Retry{
		Attempts:       int(min(said.GetMaxAttempts(), MaxAttempts)),
		InitialBackoff: c.backoff(m, "retry.initial_backoff", said.GetInitialBackoff(), DefaultInitialBackoff),
		MaxBackoff:     c.backoff(m, "retry.max_backoff", said.GetMaxBackoff(), DefaultMaxBackoff),
	}
	r.codes = c.codeSet(m, "retry.codes", said.GetCodes(), "it is not retried")
	if len(said.GetCodes()) == 0 {
		r.codes = 1 << codes.Unavailable
		if m.AttemptTimeout > 0 {
			r.codes |= 1 << codes.DeadlineExceeded
		}
	}
	return r
}

// backoff is a length of time, which must be more than nothing.
func (c *compiler) backoff(m *Method, name string, said *durationpb.Duration, unsaid time.Duration) time.Duration {
	if d := c.length(m, name, said); d > 0 {
		return d
	}
	return unsaid
}

// length returns a length of time that a policy says; 0 for none.
func (c *compiler) length(m *Method, name string, said *durationpb.Duration) time.Duration {
	if said == nil {
		return 0
	}
	if !said.IsValid() || said.AsDuration() < 0 {
		c.warn(m.Service.Backend, m.Descriptor, "the policy's %s is no length of time; the default holds", name)
		return 0
	}
	return said.AsDuration()
}
