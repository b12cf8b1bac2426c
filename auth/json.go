package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

var errNotObject = errors.New("not a JSON object")

// maxDepth is how deep JSON of strangers may nest.
const maxDepth = 16

// decodeObject decodes one JSON object. It is stricter than encoding/json: it
// refuses duplicate members, of which two readers might see different ones, and text that is
// not UTF-8. Whole numbers become int64, others float64.
func decodeObject(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	value, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	return object, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, errors.New("not valid JSON")
	}
	switch token := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return nil, errors.New("nested too deep")
		}
		if token == '{' {
			return decodeMembers(d, depth+1)
		}
		return decodeElements(d, depth+1)
	case json.Number:
		return number(token)
	default:
		return token, nil
	}
}

func decodeMembers(d *json.Decoder, depth int) (any, error) {
	object := make(map[string]any)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errors.New("not valid JSON")
		}
		if _, twice := object[name]; twice {
			return nil, errors.New("a duplicate member")
		}
		if object[name], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	return object, closeDelim(d)
}

func decodeElements(d *json.Decoder, depth int) (any, error) {
	list := []any{}
	for d.More() {
		value, err := decodeValue(d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, closeDelim(d)
}

func closeDelim(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return errors.New("not valid JSON")
	}
	return nil
}

func number(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, errors.New("a number that is too large")
	}
	return f, nil
}
