package resilience

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

var valueKey = callKey{1, 2, 3}

func seal(key callKey, a rpc.Response, good time.Duration) []byte {
	return valueSeal("").seal(key, a, good, time.Now())
}

func open(key callKey, value []byte, most int) (rpc.Response, time.Duration, error) {
	return valueSeal("").open(key, value, most, time.Now())
}

func keptResponse() rpc.Response {
	return rpc.Response{
		Header:  metadata.MD{"etag": {"a", "b"}, "trace-bin": {"\x00\xff"}},
		Trailer: metadata.MD{"took": {"long"}},
		Message: []byte("message"),
	}
}

func TestValue(t *testing.T) {
	for name, want := range map[string]rpc.Response{
		"whole": keptResponse(),
		"empty": {},
	} {
		got, good, err := open(valueKey, seal(valueKey, want, 1500*time.Millisecond), len(want.Message))
		if err != nil || good != 1500*time.Millisecond || !bytes.Equal(got.Message, want.Message) ||
			!sameMetadata(got.Header, want.Header) || !sameMetadata(got.Trailer, want.Trailer) {
			t.Errorf("%s: %v good for %v, %v", name, got, good, err)
		}
	}
}

func sameMetadata(a, b metadata.MD) bool { return maps.EqualFunc(a, b, slices.Equal[[]string]) }

// TestValueRefused opens what nobody here has sealed, or not like that.
func TestValueRefused(t *testing.T) {
	sealed := func(change func(*rpc.Response)) []byte {
		a := keptResponse()
		if change != nil {
			change(&a)
		}
		return seal(valueKey, a, time.Minute)
	}
	good := sealed(nil)
	resealed := func(body string) []byte {
		return slices.Concat([]byte(valueMark), valueSeal("").digest(valueKey, []byte(body)), []byte(body))
	}
	for name, value := range map[string][]byte{
		"nothing":             nil,
		"the mark alone":      []byte(valueMark),
		"another version":     append([]byte("protean0"), good[len(valueMark):]...),
		"one byte less":       good[:len(good)-1],
		"one byte more":       append(slices.Clone(good), 0),
		"another key":         seal(callKey{9}, keptResponse(), time.Minute),
		"too long a message":  sealed(func(a *rpc.Response) { a.Message = make([]byte, 101) }),
		"a name with a colon": sealed(func(a *rpc.Response) { a.Header[":status"] = []string{"200"} }),
		"a name in capitals":  sealed(func(a *rpc.Response) { a.Header["Etag"] = []string{"x"} }),
		"no name":             sealed(func(a *rpc.Response) { a.Header[""] = []string{"x"} }),
		"a line end":          sealed(func(a *rpc.Response) { a.Trailer["x"] = []string{"a\r\nset-cookie: b"} }),
		"large metadata":      sealed(func(a *rpc.Response) { a.Header["x"] = []string{string(make([]byte, maxMetadataBytes+1))} }),
		"an empty body":       resealed(""),
		"an endless time":     resealed("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00"),
		"an endless past":     resealed("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00"),
		"names without end":   resealed("\x01\x01\xff\xff\x03"),
		"a text too long":     resealed("\x01\x01\x01\x7fab"),
		"a name twice":        resealed("\x01\x01\x02\x01a\x00\x01a\x00\x00"),
	} {
		if a, _, err := open(valueKey, value, 100); err == nil {
			t.Errorf("%s: %v", name, a)
		}
	}
}

// TestSealedValue opens only what was sealed with the same secret, and not long ago.
func TestSealedValue(t *testing.T) {
	now := time.Now()
	sealed := func(with valueSeal, age time.Duration) []byte {
		return with.seal(valueKey, keptResponse(), time.Hour, now.Add(-age))
	}
	for name, test := range map[string]struct {
		value []byte
		opens bool
	}{
		"new":                        {sealed("secret", 0), true},
		"by a clock that is late":    {sealed("secret", 30*time.Second), true},
		"by a clock that is early":   {sealed("secret", -30*time.Second), true},
		"as long as it is good":      {sealed("secret", time.Hour), true},
		"brought back":               {sealed("secret", time.Hour+2*sealSkew), false},
		"of the future":              {sealed("secret", -2*sealSkew), false},
		"with another secret":        {sealed("other", 0), false},
		"without one":                {sealed("", 0), false},
		"with the secret in the key": {valueSeal("").seal(callKey([]byte("secretsecretsecretsecretsecretse")), keptResponse(), time.Hour, now), false},
	} {
		if _, _, err := valueSeal("secret").open(valueKey, test.value, 100, now); (err == nil) != test.opens {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := valueSeal("").open(valueKey, sealed("secret", 0), 100, now); err == nil {
		t.Error("what is sealed is opened without the secret")
	}
}

// FuzzValue opens bodies under a digest that fits. What is opened and sealed again is the same.
func FuzzValue(f *testing.F) {
	f.Add(seal(valueKey, keptResponse(), time.Minute)[len(valueMark)+len(valueKey):])
	f.Add([]byte("\x01\x01\x01\x01a\x01\x01b\x00message"))
	f.Fuzz(func(t *testing.T, body []byte) {
		value := slices.Concat([]byte(valueMark), valueSeal("").digest(valueKey, body), body)
		a, good, err := open(valueKey, value, 1<<20)
		if err != nil {
			return
		}
		if good < 0 {
			t.Fatalf("good for %v", good)
		}
		again, goodAgain, err := open(valueKey, seal(valueKey, a, good), 1<<20)
		if err != nil || goodAgain != good || !bytes.Equal(again.Message, a.Message) || !sameMetadata(again.Header, a.Header) {
			t.Fatalf("%v, good for %v, became %v, good for %v: %v", a, good, again, goodAgain, err)
		}
	})
}
