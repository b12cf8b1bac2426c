package transport

import (
	"context"
	"math"
	"math/big"
	"net/http"
	"regexp"
	"strings"
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

// FuzzTimeout compares the times that headers name with a model in rational numbers.
func FuzzTimeout(f *testing.F) {
	for _, s := range []string{"5S", "99999999H", "1m", "100u", "7n", "", "1s"} {
		f.Add(s, "", "")
	}
	for _, s := range []string{"0", "9999999999", "-1", "10"} {
		f.Add("", s, "")
	}
	for _, s := range []string{"2.5", ".5s", "5.ms", "1e3", "99999999999999999999", "1..2", "s", "0.0000000001"} {
		f.Add("1H", "1000", s)
	}
	f.Fuzz(func(t *testing.T, grpc, connect, request string) {
		h := http.Header{}
		want, named, valid := new(big.Rat), false, true
		for _, c := range []struct {
			name, text string
			model      func(string) *big.Rat
		}{{"Grpc-Timeout", grpc, modelGRPCTimeout}, {"Connect-Timeout-Ms", connect, modelConnectTimeout}, {"X-Request-Timeout", request, modelRequestTimeout}} {
			if c.text == "" {
				continue
			}
			h.Set(c.name, c.text)
			d := c.model(c.text)
			if d == nil {
				valid = false
				break
			}
			if !named || d.Cmp(want) < 0 {
				want, named = d, true
			}
		}
		got, ok, err := Timeout(h)
		if (err == nil) != valid || valid && ok != named {
			t.Fatalf("%v: got %v, %v, %v; want %v", h, got, ok, err, want)
		}
		if !valid || !ok {
			return
		}
		if longest := new(big.Rat).SetInt64(math.MaxInt64); want.Cmp(longest) > 0 {
			want = longest
		}
		// Fractions are read as floating point.
		near, _ := new(big.Rat).Sub(want, new(big.Rat).SetInt64(int64(got))).Float64()
		if tolerance, _ := want.Float64(); math.Abs(near) > 1+tolerance*1e-14 {
			t.Errorf("%v: got %v, want %v ns", h, got, want)
		}
	})
}

// rational returns a number of so many nanoseconds, or nil.
func rational(number string, nanoseconds int64) *big.Rat {
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return nil
	}
	return r.Mul(r, new(big.Rat).SetInt64(nanoseconds))
}

func modelGRPCTimeout(s string) *big.Rat {
	m := regexp.MustCompile(`^([0-9]{1,8})([HMSmun])$`).FindStringSubmatch(s)
	if m == nil {
		return nil
	}
	return rational(m[1], map[string]int64{"H": 3600e9, "M": 60e9, "S": 1e9, "m": 1e6, "u": 1e3, "n": 1}[m[2]])
}

func modelConnectTimeout(s string) *big.Rat {
	if !regexp.MustCompile(`^[0-9]{1,10}$`).MatchString(s) {
		return nil
	}
	return rational(s, 1e6)
}

func modelRequestTimeout(s string) *big.Rat {
	m := regexp.MustCompile(`^([0-9]+\.?[0-9]*|\.[0-9]+)(s|ms)?$`).FindStringSubmatch(s)
	if m == nil || len(m[1]) > 20 {
		return nil
	}
	return rational(strings.TrimSuffix("0"+m[1], "."), map[string]int64{"": 1e9, "s": 1e9, "ms": 1e6}[m[2]])
}
