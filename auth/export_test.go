package auth

import "time"

// SetUnknownPause changes how long an unknown key is not asked for again.
func (a *Authenticators) SetUnknownPause(d time.Duration) {
	for _, j := range a.tokens {
		j.keys.pause = d
	}
}

// ForgetTokens makes all tokens be checked again.
func (a *Authenticators) ForgetTokens() {
	for _, j := range a.tokens {
		j.keys.current.Load().verified.young = nil
		j.keys.current.Load().verified.old = nil
	}
}
