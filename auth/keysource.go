package auth

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// keySource keeps an issuer's keys fresh. While they cannot be fetched, the last
// good ones count. It is safe for concurrent use.
type keySource struct {
	load     func(context.Context) ([]byte, error)
	allowed  []string
	interval time.Duration
	pause    time.Duration // between fetches for unknown keys

	current  atomic.Pointer[keySet] // nil until they were fetched for the first time
	fetching chan struct{}          // holds a token while somebody fetches

	// Guarded by fetching.
	asked   time.Time // when they were last fetched for an unknown key
	failure error     // of the latest fetch
}

const (
	defaultRefresh = 10 * time.Minute
	fileRefresh    = 10 * time.Second
	unknownPause   = 10 * time.Second
	firstPause     = time.Second // while there are no keys at all
	retryPause     = 15 * time.Second
	fetchTimeout   = 10 * time.Second
)

func newKeySource(load func(context.Context) ([]byte, error), c *configv1.JWT) *keySource {
	s := &keySource{
		load:     load,
		allowed:  c.GetAlgorithms(),
		interval: defaultRefresh,
		pause:    unknownPause,
		fetching: make(chan struct{}, 1),
	}
	if c.GetJwksFile() != "" {
		s.interval = fileRefresh
	}
	if len(s.allowed) == 0 {
		s.allowed = asymmetric
	}
	if d := c.GetRefreshInterval(); d != nil {
		s.interval = d.AsDuration()
	}
	return s
}

// run fetches the keys now and then, until ctx ends.
func (s *keySource) run(ctx context.Context) {
	for {
		wait := s.interval
		if s.refresh(ctx) != nil {
			wait = min(wait, retryPause)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (s *keySource) refresh(ctx context.Context) error {
	if !s.enter(ctx) {
		return ctx.Err()
	}
	defer s.leave()
	return s.fetch(ctx)
}

func (s *keySource) enter(ctx context.Context) bool {
	select {
	case s.fetching <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *keySource) leave() { <-s.fetching }

// fetch replaces the keys, unless they are what they were. The caller has entered.
func (s *keySource) fetch(ctx context.Context) error {
	// Others will use what is fetched, so it does not end with one caller's patience.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	document, err := s.load(ctx)
	if err == nil {
		err = s.replace(document)
	}
	s.failure = err
	return err
}

func (s *keySource) replace(document []byte) error {
	if now := s.current.Load(); now != nil && now.source == digestOf(string(document)) {
		return nil
	}
	next, err := parseKeys(document, s.allowed)
	if err == nil {
		s.current.Store(next)
	}
	return err
}

var errNoSuchKey = errors.New("no such key")

// find returns a key and the set that it is in. For a key that is not known the
// keys are fetched anew, at most once in a while. While that fails, nobody can say whether
// there is such a key.
func (s *keySource) find(ctx context.Context, alg, kid string) (*keySet, *verificationKey, error) {
	set, k, err := s.lookup(alg, kid)
	if errors.Is(err, errNoSuchKey) {
		if !s.enter(ctx) {
			return nil, nil, unavailable("the caller gave up waiting for the issuer's keys")
		}
		s.fetchUnknown(ctx, alg, kid)
		set, k, err = s.lookup(alg, kid)
		failure := s.failure
		s.leave()
		if set == nil || errors.Is(err, errNoSuchKey) && failure != nil {
			return nil, nil, unavailable("the issuer's keys cannot be fetched: " + reasonOf(failure))
		}
	}
	if err != nil {
		return nil, nil, invalid("the token names no key of the issuer for its algorithm")
	}
	return set, k, nil
}

func reasonOf(err error) string {
	if err == nil {
		return "not yet"
	}
	return err.Error()
}

var errWrongKey = errors.New("the key is not for that algorithm")

func (s *keySource) lookup(alg, kid string) (*keySet, *verificationKey, error) {
	set := s.current.Load()
	if set == nil {
		return nil, nil, errNoSuchKey
	}
	k, known := set.find(alg, kid)
	switch {
	case k != nil:
		return set, k, nil
	case known:
		return set, nil, errWrongKey
	default:
		return set, nil, errNoSuchKey
	}
}

// fetchUnknown fetches for an unknown key, unless somebody did just now. The caller
// has entered.
func (s *keySource) fetchUnknown(ctx context.Context, alg, kid string) {
	set, _, err := s.lookup(alg, kid)
	if !errors.Is(err, errNoSuchKey) {
		return // whoever was first has fetched it
	}
	pause := s.pause
	if set == nil {
		pause = min(pause, firstPause)
	}
	if now := time.Now(); now.Sub(s.asked) >= pause {
		s.asked = now
		_ = s.fetch(ctx) // kept in s.failure
	}
}
