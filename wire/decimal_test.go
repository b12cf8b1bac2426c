package wire

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// FuzzAppendDecimal compares integers with strconv, and floats with encoding/json,
// which writes them the same way.
func FuzzAppendDecimal(f *testing.F) {
	for _, n := range []uint64{0, 9, 10, 99, 100, 12345, 1<<63 - 1, 1 << 63, 1<<64 - 1, 1e15, 1e19, 9999999999} {
		f.Add(n)
	}
	for _, v := range []float64{
		0.1, 0.3, 1.5, 4.25, 52.520008, 0.001, 0.00099, 1e-6, 1e-7, 999999999999.5, 1e12, 1e20, 1e21, 123456789012.125, 1.0 / 3, 0.1 + 0.2,
		9.999999, 9.99999999999999, 999.9999999999999, math.Copysign(0, -1), -2.5, 5e-324, math.MaxFloat64, 16777217, 123456792, 1e5 - 0.5,
	} {
		f.Add(math.Float64bits(v))
		f.Add(math.Float64bits(float64(float32(v))))
		f.Add(uint64(math.Float32bits(float32(v))))
	}
	f.Fuzz(func(t *testing.T, n uint64) {
		if got, want := string(appendUint(nil, n)), strconv.FormatUint(n, 10); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := string(appendInt(nil, int64(n))), strconv.FormatInt(int64(n), 10); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		compareFloat(t, math.Float64frombits(n), 64)
		compareFloat(t, float64(math.Float32frombits(uint32(n))), 32)
		// Numbers as people write them have few digits.
		for places := range 16 {
			compareFloat(t, float64(n>>(n%64))/math.Pow10(places), 64)
			compareFloat(t, float64(float32(n>>(n%64))/float32(math.Pow10(places))), 32)
		}
	})
}

func compareFloat(t *testing.T, v float64, size int) {
	t.Helper()
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	var number any = v
	if size == 32 {
		number = float32(v)
	}
	want, err := json.Marshal(number)
	if err != nil {
		t.Fatal(err)
	}
	if got := appendFloat(nil, v, size); string(got) != string(want) {
		t.Errorf("%d bits: got %s, want %s", size, got, want)
	}
}

// FuzzShortNumber compares numbers that are read in one pass with strconv.
func FuzzShortNumber(f *testing.F) {
	for _, text := range []string{
		"0", "-0", "-0.0", "1.5", "01", "-", "1.", ".5", "1e5", "123456789012345678", "1234567890123456789", "0.1", "0.000000000000000001",
		"9007199254740993", "16777217", "3.4028236e38", "4294967295", "-2147483648", "-2147483649", "33554435.5", "0.30000001192092896",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []protoreflect.Kind{protoreflect.DoubleKind, protoreflect.FloatKind, protoreflect.Int32Kind, protoreflect.Uint64Kind} {
			n, end, ok := shortNumber(kind, []byte(text), 0)
			if !ok || end < len(text) {
				continue
			}
			if !isNumber([]byte(text)) {
				t.Fatalf("%q is no number, and %v has %d", text, kind, n)
			}
			if want, reason := parseNumber(kind, []byte(text)); reason != "" || n != want {
				t.Errorf("%q for %v: got %x, want %x, %s", text, kind, n, want, reason)
			}
		}
	})
}
