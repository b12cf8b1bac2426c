package resilience

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// breakers are the breaker of one method and those that follow it when its settings
// change: gobreaker copies its settings, so that new ones want a new breaker.
type breakers struct {
	current atomic.Pointer[methodBreaker]
	opened  atomic.Uint64

	mu    sync.Mutex // held while the breaker is replaced
	chain atomic.Uint64

	policy *Breaker // and name: written before the first breaker is shared
	name   methodName
	outage breakerOutage
}

// methodBreaker is one of gobreaker's two kinds: calls that are judged as they end need no memory of their own.
type methodBreaker struct {
	end      *gobreaker.CircuitBreaker[struct{}]
	early    *gobreaker.TwoStepCircuitBreaker[struct{}]
	settings breakerSettings
	failure  atomic.Pointer[error] // the latest
	forced   bool                  // trips at the next failure; written before the breaker is shared
}

// get returns the current breaker, which has the settings unless those of a later
// chain hold.
func (b *breakers) get(settings breakerSettings, chain uint64, policy *Breaker, name methodName) *methodBreaker {
	current := b.current.Load()
	if current != nil && (current.settings == settings || chain < b.chain.Load()) {
		return current
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	current = b.current.Load()
	if current != nil && (current.settings == settings || chain < b.chain.Load()) {
		return current
	}
	if current == nil {
		b.policy, b.name = policy, name
	}
	next := b.closed(settings)
	if current != nil && current.State() != gobreaker.StateClosed {
		next = b.onProbation(settings)
	}
	b.chain.Store(chain)
	b.current.Store(next)
	return next
}

// closed returns a breaker as it is at first.
func (b *breakers) closed(settings breakerSettings) *methodBreaker {
	var made *methodBreaker
	made = b.make(settings, settings.openFor, func(from, to gobreaker.State) {
		if to == gobreaker.StateOpen {
			b.opened.Add(1)
		}
		if !made.forced {
			b.changed(made, from, to)
		}
	})
	return made
}

// onProbation returns a breaker that is half-open. gobreaker comes to that state
// only from open after its timeout, which is the shortest there is; what follows the probation
// is a breaker with the timeout of the settings.
func (b *breakers) onProbation(settings breakerSettings) *methodBreaker {
	var probation *methodBreaker
	probation = b.make(settings, time.Nanosecond, func(from, to gobreaker.State) {
		if from != gobreaker.StateHalfOpen {
			return
		}
		b.changed(probation, from, to)
		next := b.closed(settings)
		if to == gobreaker.StateOpen {
			next.open()
		}
		b.current.CompareAndSwap(probation, next)
	})
	probation.open()
	return probation
}

func (b *breakers) make(s breakerSettings, openFor time.Duration, changed func(from, to gobreaker.State)) *methodBreaker {
	m := &methodBreaker{settings: s}
	of := gobreaker.Settings{
		MaxRequests:   breakerProbes,
		Interval:      breakerWindow,
		BucketPeriod:  breakerBucket,
		Timeout:       openFor,
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return m.forced || s.trips(counts) },
		OnStateChange: func(_ string, from, to gobreaker.State) { changed(from, to) },
		IsSuccessful:  func(err error) bool { return err == nil },
		IsExcluded:    func(err error) bool { return err != nil && !errors.Is(err, errBackendFailed) },
	}
	if s.early {
		m.early = gobreaker.NewTwoStepCircuitBreaker[struct{}](of)
	} else {
		m.end = gobreaker.NewCircuitBreaker[struct{}](of)
	}
	return m
}

// State is closed, open or half-open.
func (m *methodBreaker) State() gobreaker.State {
	if m.early != nil {
		return m.early.State()
	}
	return m.end.State()
}

// open opens a closed breaker that nobody else has yet.
func (m *methodBreaker) open() {
	m.forced = true
	if m.end != nil {
		_, _ = m.end.Execute(func() (struct{}, error) { return struct{}{}, errBackendFailed })
	} else if done, err := m.early.Allow(); err == nil {
		done(errBackendFailed)
	}
	m.forced = false
}
