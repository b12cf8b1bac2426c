package graph

import (
	"errors"
	"fmt"
)

// maxValues bounds the values in the JSON of a request, members and elements counted: each takes some
// hundred bytes once it is decoded, however short it was written.
const maxValues = 50_000

var errTooManyValues = errors.New("the request has more than " + fmt.Sprint(maxValues) + " JSON values")

// checkValues refuses JSON of too many values before it is decoded. What it says of what is no JSON means nothing.
func checkValues(document []byte) error {
	if len(document) < maxValues {
		return nil
	}
	n := 0
	for i := 0; i < len(document); i++ {
		switch document[i] {
		case '"':
			i = stringEnd(document, i)
		case ',', '[', '{':
			if n++; n > maxValues {
				return errTooManyValues
			}
		}
	}
	return nil
}

// stringEnd returns where the string that begins at a place ends.
func stringEnd(document []byte, at int) int {
	for at++; at < len(document) && document[at] != '"'; at++ {
		if document[at] == '\\' {
			at++
		}
	}
	return at
}
