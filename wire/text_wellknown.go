package wire

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The seconds of 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const (
	minTimestampSeconds = -62135596800
	maxTimestampSeconds = 253402300799
)

const maxDurationSeconds = 315576000000 // 10,000 years

const fractionDigits = 9 // nanoseconds

// appendTimestamp appends the fields of a google.protobuf.Timestamp from RFC 3339
// text. Both are always written: what comes later must replace both.
func appendTimestamp(dst []byte, text string) ([]byte, string) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || tooPrecise(text) {
		return dst, "expected a time such as 2006-01-02T15:04:05.999Z"
	}
	seconds := t.Unix()
	if seconds < minTimestampSeconds || seconds > maxTimestampSeconds {
		return dst, "the time is not in the years 0001 to 9999"
	}
	return appendSeconds(dst, seconds, int32(t.Nanosecond())), ""
}

// tooPrecise reports whether a time has more digits than nanoseconds: time.Parse
// cuts them off.
func tooPrecise(text string) bool {
	point := strings.LastIndexByte(text, '.')
	zone := strings.LastIndexAny(text, "Z-+")
	return point >= 0 && zone > point+1+fractionDigits
}

// appendSeconds appends the two fields that Timestamp and Duration share.
func appendSeconds(dst []byte, seconds int64, nanos int32) []byte {
	dst = protowire.AppendTag(dst, 1, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(seconds))
	dst = protowire.AppendTag(dst, 2, protowire.VarintType)
	return protowire.AppendVarint(dst, uint64(int64(nanos)))
}

// appendDuration appends the fields of a google.protobuf.Duration from text such
// as 1.5s. A sign of either kind, and a missing whole part or fraction, are accepted.
func appendDuration(dst, text []byte) ([]byte, string) {
	const expected = "expected a duration such as 1.5s"
	number, ok := bytes.CutSuffix(text, []byte{'s'})
	if !ok || len(number) == 0 {
		return dst, expected
	}
	negative := number[0] == '-'
	if negative || number[0] == '+' {
		number = number[1:]
	}
	end := digitsEnd(number, 0)
	whole, fraction := number[:end], number[end:]
	if len(number) == 0 || len(whole) > 1 && whole[0] == '0' {
		return dst, expected
	}
	nanos, ok := parseFraction(fraction)
	if !ok {
		return dst, expected
	}
	seconds, ok := parseSeconds(whole)
	if !ok {
		return dst, "the duration is longer than 10,000 years"
	}
	if negative {
		seconds, nanos = -seconds, -nanos
	}
	return appendSeconds(dst, seconds, nanos), ""
}

func parseSeconds(digits []byte) (int64, bool) {
	if len(digits) == 0 {
		return 0, true
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return n, err == nil && n <= maxDurationSeconds
}

// parseFraction reads the rest of a duration: nothing, or a point and at most
// nine digits.
func parseFraction(s []byte) (nanos int32, ok bool) {
	if len(s) == 0 {
		return 0, true
	}
	digits := s[1:]
	if s[0] != '.' || len(digits) > fractionDigits || digitsEnd(digits, 0) < len(digits) {
		return 0, false
	}
	for i := range fractionDigits {
		nanos *= 10
		if i < len(digits) {
			nanos += int32(digits[i] - '0')
		}
	}
	return nanos, true
}

// appendFieldMask appends the paths of a google.protobuf.FieldMask. JSON has them
// in lowerCamelCase; where snake is true, names of the .proto file are read too.
func appendFieldMask(dst, text []byte, snake bool) ([]byte, string) {
	text = bytes.TrimSpace(text)
	for len(text) > 0 {
		path, rest, more := bytes.Cut(text, []byte{','})
		if more && len(rest) == 0 || !isMaskPath(path, snake) {
			return dst, "the field mask has the invalid path " + strconv.Quote(shorten(string(path)))
		}
		dst = appendMaskPath(dst, path)
		text = rest
	}
	return dst, ""
}

func isMaskPath(path []byte, snake bool) bool {
	start := true
	for _, c := range path {
		switch {
		case c == '.' && !start:
			start = true
			continue
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_' && snake:
		case c-'0' <= 9 && !start:
		default:
			return false
		}
		start = false
	}
	return !start
}

func appendMaskPath(dst, path []byte) []byte {
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	dst, start := beginLength(dst)
	for _, c := range path {
		if 'A' <= c && c <= 'Z' {
			dst = append(dst, '_')
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	dst = endLength(dst, start)
	return dst
}
