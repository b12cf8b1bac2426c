package authtest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Rotation is a load of callers on a gateway or an authenticator while the keys of their issuer are
// replaced.
type Rotation struct {
	Times   int           // keys are replaced
	Callers int           // at once
	Down    time.Duration // the issuer answers nothing, in each rotation
	// Call makes a call with a token, and returns an error where that is refused. It is called concurrently.
	Call func(token string) error
}

// rotationPatience is how long a step of the issuer may take to be noticed.
const rotationPatience = time.Minute

// rotation is the state of a Rotation.
type rotation struct {
	Rotation
	t      testing.TB
	issuer *Issuer
	stop   chan struct{}
	users  sync.WaitGroup

	mu        sync.RWMutex // held by callers while they call
	before    *Key         // whose tokens are still good; nil: none
	good, bad atomic.Int64
}

// RotateUnderLoad replaces the keys of the issuer while callers call with tokens of the current key and of the
// one before, and a stranger with tokens of keys that nobody has, which uses up the fetches for unknown
// keys. Each new key is published before it is used, as issuers do; then the
// issuer is down for a while; then the key before is withdrawn, and its tokens must be refused. A good token that is
// refused, or a bad one that is not, fails the test. It returns how many calls there were with each.
func (i *Issuer) RotateUnderLoad(t testing.TB, r Rotation) (good, bad int64) {
	t.Helper()
	run := &rotation{Rotation: r, t: t, issuer: i, stop: make(chan struct{})}
	run.start()
	for range r.Times {
		if t.Failed() {
			break
		}
		run.once()
	}
	close(run.stop)
	run.users.Wait()
	return run.good.Load(), run.bad.Load()
}

func (r *rotation) start() {
	for n := range r.Callers {
		r.users.Go(func() { r.until(func() { r.call("caller-" + strconv.Itoa(n)) }) })
	}
	stranger := newKey("stranger")
	r.users.Go(func() {
		r.until(func() {
			stranger.ID += "x"
			if len(stranger.ID) > 100 {
				stranger.ID = "stranger"
			}
			r.refused(stranger, "a key that nobody has")
			time.Sleep(10 * time.Millisecond)
		})
	})
}

// until does something again and again until the test is over.
func (r *rotation) until(do func()) {
	for {
		select {
		case <-r.stop:
			return
		default:
			do()
		}
	}
}

// call makes a call with a new token of each good key.
func (r *rotation) call(subject string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, key := range []*Key{r.issuer.Current(), r.before} {
		if key == nil {
			continue
		}
		r.good.Add(1)
		if err := r.Call(key.Token(r.issuer.Claims(subject, nil))); err != nil {
			r.t.Errorf("a good token of %s is refused: %v", key.ID, err)
		}
	}
}

func (r *rotation) refused(key *Key, why string) bool {
	r.bad.Add(1)
	err := r.Call(key.Token(r.issuer.Claims("mallory", nil)))
	if err == nil && why != "" {
		r.t.Errorf("a token of %s is accepted", why)
	}
	return err != nil
}

// once replaces the current key.
func (r *rotation) once() {
	next := r.issuer.Publish()
	fetched := r.issuer.Calls("/jwks")
	r.wait("the new key to be fetched", func() bool { return r.issuer.Calls("/jwks") > fetched })
	r.mu.Lock()
	r.before = r.issuer.Current()
	r.issuer.Use(next)
	r.mu.Unlock()

	r.issuer.SetDown(true)
	time.Sleep(r.Down)
	r.issuer.SetDown(false)

	r.mu.Lock()
	gone := r.before
	r.before = nil
	r.mu.Unlock()
	r.issuer.Withdraw(gone)
	r.wait("the key before to count no longer", func() bool { return r.refused(gone, "") })
}

func (r *rotation) wait(what string, done func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(rotationPatience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Errorf("waited in vain for %s", what)
			return
		}
	}
}
