package transport

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// timeoutHeaders are the ways a client says how long it will wait.
var timeoutHeaders = [...]struct {
	name  string
	parse func(string) (time.Duration, bool)
}{
	{"Grpc-Timeout", parseGRPCTimeout},
	{"Connect-Timeout-Ms", parseConnectTimeout},
	{"X-Request-Timeout", parseRequestTimeout},
}

// IsTimeout reports whether a header, by its canonical name, is one of those that [Timeout] reads.
func IsTimeout(name string) bool {
	for _, th := range timeoutHeaders {
		if th.name == name {
			return true
		}
	}
	return false
}

// WithTimeout returns a context that ends when the client stops waiting: after
// the shortest time that its headers name, on whatever door. Without such a header the
// context is ctx. An error is an INVALID_ARGUMENT status. The caller must call cancel.
//
// The headers are grpc-timeout (gRPC over HTTP/2), connect-timeout-ms (Connect)
// and x-request-timeout: a number of seconds such as `2.5`, or a number with the unit ms or s.
func WithTimeout(ctx context.Context, h http.Header) (_ context.Context, cancel context.CancelFunc, err error) {
	timeout, ok, err := Timeout(h)
	if err != nil || !ok {
		return ctx, func() {}, err
	}
	ctx, cancel = context.WithTimeout(ctx, timeout)
	return ctx, cancel, nil
}

// Timeout returns the shortest time that the headers name; see [WithTimeout]. It
// reports false where they name none.
func Timeout(h http.Header) (shortest time.Duration, ok bool, err error) {
	for _, th := range timeoutHeaders {
		for _, text := range h[th.name] {
			d, valid := th.parse(text)
			if !valid {
				return 0, false, status.Errorf(codes.InvalidArgument,
					"header %s does not say a time", strings.ToLower(th.name))
			}
			if !ok || d < shortest {
				shortest, ok = d, true
			}
		}
	}
	return shortest, ok, nil
}

// parseGRPCTimeout reads 1 to 8 digits and a unit.
func parseGRPCTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	n, ok := parseDigits(s[:len(s)-1])
	if !ok {
		return 0, false
	}
	switch s[len(s)-1] {
	case 'H':
		return scale(n, time.Hour), true
	case 'M':
		return scale(n, time.Minute), true
	case 'S':
		return scale(n, time.Second), true
	case 'm':
		return scale(n, time.Millisecond), true
	case 'u':
		return scale(n, time.Microsecond), true
	case 'n':
		return scale(n, time.Nanosecond), true
	default:
		return 0, false
	}
}

// parseConnectTimeout reads 1 to 10 digits.
func parseConnectTimeout(s string) (time.Duration, bool) {
	if len(s) > 10 {
		return 0, false
	}
	n, ok := parseDigits(s)
	return scale(n, time.Millisecond), ok
}

// parseRequestTimeout reads `2`, `0.5`, `2s` or `500ms`.
func parseRequestTimeout(s string) (time.Duration, bool) {
	unit := time.Second
	number, ms := strings.CutSuffix(s, "ms")
	if ms {
		unit = time.Millisecond
	} else {
		number = strings.TrimSuffix(s, "s")
	}
	if len(number) > 20 || strings.Trim(number, "0123456789.") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, false
	}
	if f *= float64(unit); f >= math.MaxInt64 {
		return math.MaxInt64, true
	}
	return time.Duration(f), true
}

func parseDigits(s string) (int64, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// scale multiplies and stops at the longest duration there is.
func scale(n int64, unit time.Duration) time.Duration {
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64
	}
	return time.Duration(n) * unit
}
