package transport

import (
	"context"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestTimeout(t *testing.T) {
	tests := []struct {
		header http.Header
		want   time.Duration
		ok     bool
	}{
		{http.Header{}, 0, false},
		{http.Header{"Grpc-Timeout": {"3H"}}, 3 * time.Hour, true},
		{http.Header{"Grpc-Timeout": {"2M"}}, 2 * time.Minute, true},
		{http.Header{"Grpc-Timeout": {"5S"}}, 5 * time.Second, true},
		{http.Header{"Grpc-Timeout": {"100m"}}, 100 * time.Millisecond, true},
		{http.Header{"Grpc-Timeout": {"7u"}}, 7 * time.Microsecond, true},
		{http.Header{"Grpc-Timeout": {"0n"}}, 0, true},
		{http.Header{"Grpc-Timeout": {"99999999H"}}, math.MaxInt64, true},
		{http.Header{"Connect-Timeout-Ms": {"1500"}}, 1500 * time.Millisecond, true},
		{http.Header{"X-Request-Timeout": {"2"}}, 2 * time.Second, true},
		{http.Header{"X-Request-Timeout": {"0.25s"}}, 250 * time.Millisecond, true},
		{http.Header{"X-Request-Timeout": {"500ms"}}, 500 * time.Millisecond, true},
		{http.Header{"X-Request-Timeout": {"99999999999999999999"}}, math.MaxInt64, true},
		{http.Header{"Grpc-Timeout": {"5S"}, "Connect-Timeout-Ms": {"4000"}, "X-Request-Timeout": {"9", "3"}}, 3 * time.Second, true},
	}
	for _, test := range tests {
		got, ok, err := Timeout(test.header)
		if err != nil || ok != test.ok || got != test.want {
			t.Errorf("%v: got %v, %v (%v); want %v, %v", test.header, got, ok, err, test.want, test.ok)
		}
	}
}

func TestBadTimeouts(t *testing.T) {
	for name, values := range map[string][]string{
		"Grpc-Timeout":       {"", "S", "5", "5s", "-1S", "+1S", "1.5S", "999999999S", " 5S"},
		"Connect-Timeout-Ms": {"", "-1", "1.5", "12345678901", "1s"},
		"X-Request-Timeout":  {"", "s", "ms", "-1", "1m", "1e9", "NaN", "Inf", "1..2", "0x10", "1_0"},
	} {
		for _, value := range values {
			if _, _, err := Timeout(http.Header{name: {value}}); status.Code(err) != codes.InvalidArgument {
				t.Errorf("%s: %q gave %v", name, value, err)
			}
		}
	}
}

func TestWithTimeoutEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel, err := WithTimeout(context.Background(), http.Header{"Grpc-Timeout": {"5S"}})
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		<-ctx.Done()
		if passed := time.Since(began); passed != 5*time.Second {
			t.Errorf("ended after %v", passed)
		}
	})
}

func TestWithTimeoutNeverExtends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancelParent := context.WithTimeout(context.Background(), time.Second)
		defer cancelParent()
		began := time.Now()
		ctx, cancel, err := WithTimeout(parent, http.Header{"Grpc-Timeout": {"5S"}})
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		<-ctx.Done()
		if passed := time.Since(began); passed != time.Second {
			t.Errorf("ended after %v", passed)
		}
	})
}
