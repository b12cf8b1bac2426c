package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// decodeJSON decodes one whole value, whose numbers stay text wherever they are kept as any.
func decodeJSON(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
