package wire

import (
	"bytes"
	"math"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// numberEnd returns where the JSON number that begins at i ends, or -1.
func numberEnd(s []byte, i int) int {
	if i < len(s) && s[i] == '-' {
		i++
	}
	start := i
	i = digitsEnd(s, i)
	if i == start || s[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(s) && s[i] == '.' {
		start = i + 1
		if i = digitsEnd(s, start); i == start {
			return -1
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = digitsEnd(s, start); i == start {
			return -1
		}
	}
	return i
}

func digitsEnd(s []byte, i int) int {
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return i
}

func isNumber(s []byte) bool { return len(s) > 0 && numberEnd(s, 0) == len(s) }

const (
	notWhole   = "expected a whole number"
	outOfRange = "the number is out of range for "
)

// parseNumber reads a JSON number for a field of a numeric kind, in the form of
// [Value.Bits]. The reason is empty where the number fits.
func parseNumber(kind protoreflect.Kind, raw []byte) (n uint64, reason string) {
	switch kind {
	case protoreflect.FloatKind:
		return parseFloat(raw, 32)
	case protoreflect.DoubleKind:
		return parseFloat(raw, 64)
	}
	negative, n, reason := parseWhole(raw)
	if reason != "" {
		if reason == outOfRange {
			reason += kind.String()
		}
		return 0, reason
	}
	if !fits(kind, negative, n) {
		return 0, outOfRange + kind.String()
	}
	if negative {
		n = -n
	}
	return n, ""
}

// fits reports whether an integer kind has a number with this sign and magnitude.
func fits(kind protoreflect.Kind, negative bool, n uint64) bool {
	highest := uint64(math.MaxInt32)
	switch kind {
	case protoreflect.BoolKind:
		highest = 1
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		highest = math.MaxUint32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		highest = math.MaxUint64
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		highest = math.MaxInt64
	}
	switch {
	case !negative:
		return n <= highest
	case isUnsigned(kind):
		return n == 0
	default:
		return n <= highest+1
	}
}

func isUnsigned(kind protoreflect.Kind) bool {
	switch kind {
	case protoreflect.BoolKind,
		protoreflect.Uint32Kind, protoreflect.Fixed32Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return true
	}
	return false
}

func parseFloat(raw []byte, size int) (uint64, string) {
	f, err := strconv.ParseFloat(string(raw), size)
	switch {
	case err == nil:
		return math.Float64bits(f), ""
	case size == 32:
		return 0, outOfRange + "float"
	default:
		return 0, outOfRange + "double"
	}
}

// parseWhole reads a JSON number without a fraction, such as 12, 1.0 or 1e5.
func parseWhole(raw []byte) (negative bool, magnitude uint64, reason string) {
	if raw[0] == '-' {
		negative, raw = true, raw[1:]
	}
	magnitude, reason = parseScientific(raw)
	return negative, magnitude, reason
}

// parseDigits continues the number n with decimal digits and then zeros.
func parseDigits(digits []byte, n uint64, zeros int) (uint64, string) {
	for i := range len(digits) + zeros {
		c := uint64(0)
		if i < len(digits) {
			c = uint64(digits[i] - '0')
		}
		if n > (math.MaxUint64-c)/10 {
			return 0, outOfRange
		}
		n = n*10 + c
	}
	return n, ""
}

// maxWholeDigits bounds the digits before the decimal point once the exponent
// is applied: no uint64 has more.
const maxWholeDigits = 20

// parseScientific reads a number that may have a fraction or an exponent.
func parseScientific(s []byte) (uint64, string) {
	whole := s[:digitsEnd(s, 0)]
	fraction, exponent := s[len(whole):], []byte(nil)
	if i := bytes.IndexAny(fraction, "eE"); i >= 0 {
		fraction, exponent = fraction[:i], fraction[i+1:]
	}
	if len(fraction) > 0 {
		fraction = bytes.TrimRight(fraction[1:], "0")
	}
	if whole[0] == '0' {
		whole = whole[1:]
	}
	if len(whole) == 0 && len(fraction) == 0 {
		return 0, ""
	}
	shift := 0
	if len(exponent) > 0 {
		n, err := strconv.ParseInt(string(exponent), 10, 32)
		if err != nil {
			return 0, exponentReason(exponent)
		}
		shift = int(n)
	}
	return shiftPoint(whole, fraction, shift)
}

func exponentReason(exponent []byte) string {
	if exponent[0] == '-' {
		return notWhole
	}
	return outOfRange
}

// shiftPoint moves the decimal point between whole and fraction to the right, or
// to the left where shift is negative, and reads the whole number.
func shiftPoint(whole, fraction []byte, shift int) (uint64, string) {
	switch {
	case len(fraction) > max(shift, 0):
		return 0, notWhole
	case shift < 0:
		kept := len(whole) + shift
		if kept < 0 || len(bytes.Trim(whole[kept:], "0")) > 0 {
			return 0, notWhole
		}
		return parseDigits(whole[:kept], 0, 0)
	case len(whole)+shift > maxWholeDigits:
		return 0, outOfRange
	}
	n, reason := parseDigits(whole, 0, 0)
	if reason != "" {
		return 0, reason
	}
	return parseDigits(fraction, n, shift-len(fraction))
}
