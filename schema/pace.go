package schema

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// The defaults of [RegistryBackend].PollInterval.
const (
	DefaultPollInterval        = 10 * time.Second
	DefaultWatchedPollInterval = time.Minute
)

// firstRetry is how soon a source that failed is loaded again; the pause doubles
// from failure to failure, up to the poll interval.
const firstRetry = 250 * time.Millisecond

// pace says when a source is loaded next.
type pace struct {
	interval time.Duration
	retry    time.Duration // the pause after one more failure
}

func newPace(b RegistryBackend) *pace {
	interval := DefaultPollInterval
	if len(b.Source.Paths()) > 0 {
		interval = DefaultWatchedPollInterval
	}
	p := &pace{interval: cmp.Or(b.PollInterval, interval)}
	p.reset()
	return p
}

// reset forgets earlier failures.
func (p *pace) reset() { p.retry = min(firstRetry, p.interval) }

// after returns the pause after a load.
func (p *pace) after(err error) time.Duration {
	if err == nil {
		p.reset()
		return jitter(p.interval)
	}
	pause := p.retry
	p.retry = min(2*p.retry, p.interval)
	return jitter(pause)
}

// jitter varies a pause by a tenth each way, so that many gateways that started
// together do not ask together for ever.
func jitter(pause time.Duration) time.Duration {
	return pause - pause/10 + rand.N(pause/5+1)
}
