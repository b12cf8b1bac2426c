package wire

import (
	"math"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// shortNumber reads the number that begins at s[i] in one pass, in the form of
// [Value.Bits], and returns where it ends. It reads what most numbers are: few
// digits, no exponent, a value that the kind can hold. For others it reports false,
// and says nothing of whether they are valid.
func shortNumber(kind protoreflect.Kind, s []byte, i int) (n uint64, end int, ok bool) {
	d, end := scanDecimal(s, i)
	if end < 0 {
		return 0, 0, false
	}
	switch kind {
	case protoreflect.DoubleKind:
		n, ok = d.float64()
	case protoreflect.FloatKind:
		n, ok = d.float32()
	default:
		n, ok = d.integer(kind)
	}
	return n, end, ok
}

// decimal is a number of at most 18 digits, of which some are behind the point.
type decimal struct {
	digits   uint64
	places   int
	negative bool
}

const maxDecimalDigits = 18

// scanDecimal reads the decimal that begins at s[i] and returns the offset behind it, or a
// negative offset where there is none.
func scanDecimal(s []byte, i int) (d decimal, end int) {
	if i < len(s) && s[i] == '-' {
		d.negative = true
		i++
	}
	start := i
	for i < len(s) && s[i]-'0' <= 9 {
		d.digits = d.digits*10 + uint64(s[i]-'0')
		i++
	}
	count := i - start
	if count == 0 || count > 1 && s[start] == '0' {
		return d, -1
	}
	if i < len(s) && s[i] == '.' {
		start = i + 1
		for i = start; i < len(s) && s[i]-'0' <= 9; i++ {
			d.digits = d.digits*10 + uint64(s[i]-'0')
		}
		if d.places = i - start; d.places == 0 {
			return d, -1
		}
	}
	if count+d.places > maxDecimalDigits || i < len(s) && s[i]|0x20 == 'e' {
		return d, -1
	}
	return d, i
}

// integer returns the decimal as a number of an integer kind.
func (d decimal) integer(kind protoreflect.Kind) (uint64, bool) {
	switch {
	case d.places > 0 || !fits(kind, d.negative, d.digits):
		return 0, false
	case d.negative:
		return -d.digits, true
	default:
		return d.digits, true
	}
}

// float64 returns the decimal as the bits of the nearest float. The digits and the
// power of ten are exact, so one division rounds once and rightly.
func (d decimal) float64() (uint64, bool) {
	if d.digits > 1<<53 {
		return 0, false
	}
	f := float64(int64(d.digits)) / floatTenTo[d.places]
	if d.negative {
		f = -f
	}
	return math.Float64bits(f), true
}

// float32 does the same in 32 bits, for a smaller range. The result is the bits of a float64.
func (d decimal) float32() (uint64, bool) {
	if d.digits > 1<<24 || d.places > 10 {
		return 0, false
	}
	f := float32(int64(d.digits)) / float32(floatTenTo[d.places])
	if d.negative {
		f = -f
	}
	return math.Float64bits(float64(f)), true
}
