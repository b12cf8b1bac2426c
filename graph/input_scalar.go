package graph

import (
	"fmt"
	"math"
	"strconv"
)

// read returns the text of a scalar as package wire reads it, or an error that says what is
// wrong, by the rules of input coercion (GraphQL September 2025, 3.5). The form of a
// DateTime, Duration or Bytes is left to package wire.
func (s scalar) read(v value) (string, error) {
	switch s {
	case scalarBoolean:
		if b, ok := v.boolean(); ok {
			return strconv.FormatBool(b), nil
		}
	case scalarInt:
		return ranged(s, v, math.MinInt32, math.MaxInt32)
	case scalarUInt32:
		return ranged(s, v, 0, math.MaxUint32)
	case scalarInt64, scalarUInt64:
		return s.readLong(v)
	case scalarFloat:
		return readFloat(v)
	case scalarID:
		return readID(v)
	default:
		if text, ok := v.text(); ok {
			return text, nil
		}
	}
	return "", cannot(s, v)
}

func cannot(s scalar, v value) error {
	return fmt.Errorf("%s cannot represent %s", s, v)
}

// ranged reads an integer between two bounds.
func ranged(s scalar, v value, low, high int64) (string, error) {
	text, ok := v.integer()
	if !ok {
		return "", cannot(s, v)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return "", fmt.Errorf("%s cannot represent %s, which is not between %d and %d", s, v, low, high)
	}
	return text, nil
}

// readLong reads a 64-bit integer: digits in a string, or a number. A number in
// JSON must be one that every client can hold, or it has been rounded on its way.
func (s scalar) readLong(v value) (string, error) {
	text, ok := v.text()
	if ok && !isDigits(text) {
		return "", cannot(s, v)
	}
	if !ok {
		if text, ok = v.integer(); !ok {
			return "", cannot(s, v)
		}
		if n, err := strconv.ParseInt(text, 10, 64); v.literal == nil && (err != nil || n > maxSafe || n < -maxSafe) {
			return "", fmt.Errorf("%s cannot represent %s safely; write it as a string", s, v)
		}
	}
	if !s.holds(text) {
		return "", fmt.Errorf("%s cannot represent %s, which needs more than 64 bits", s, v)
	}
	return text, nil
}

func (s scalar) holds(digits string) bool {
	var err error
	if s == scalarUInt64 {
		_, err = strconv.ParseUint(digits, 10, 64)
	} else {
		_, err = strconv.ParseInt(digits, 10, 64)
	}
	return err == nil
}

func readFloat(v value) (string, error) {
	text, ok := v.number()
	if !ok {
		return "", cannot(scalarFloat, v)
	}
	if f, err := strconv.ParseFloat(text, 64); err != nil || math.IsInf(f, 0) {
		return "", fmt.Errorf("%s cannot represent %s, which is not finite", scalarFloat, v)
	}
	return text, nil
}

func readID(v value) (string, error) {
	if text, ok := v.text(); ok {
		return text, nil
	}
	if text, ok := v.integer(); ok {
		return text, nil
	}
	return "", cannot(scalarID, v)
}

// read returns the name of an enum's value.
func (names enumNames) read(v value) (string, error) {
	name, ok := v.name()
	if !ok || !names[name] {
		return "", fmt.Errorf("%s is no value of the enum that can be given", v)
	}
	return name, nil
}
