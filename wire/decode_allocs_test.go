//go:build !race

package wire_test

import (
	"testing"

	"github.com/protean-gateway/protean/wire"
)

// TestAppendWireAllocates checks that reading allocates nothing once dst and the
// scratch buffers have grown, whatever the document has in it.
// Under the race detector a sync.Pool drops what it is given, hence the build tag.
func TestAppendWireAllocates(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	json := []byte(`{"aString":"a\nb","an_int32":1e3,"aDouble":"1.5","aBytes":"AQID","colors":["RED",1],"children":[{"int32s":[1,2]}],` +
		`"stringsByString":{"a":"b","c":"d"},"struct":{"a":[1,null,{"b":true}]},"duration":"1.5s","mask":"a,bC",` +
		`"any":{"aString":"x","@type":"x/rich.Rich"},"timestamp":"2020-01-01T00:00:00Z"}`)
	dst, err := m.AppendWire(nil, json, wire.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(200, func() {
		dst, err = m.AppendWire(dst[:0], json, wire.DecodeOptions{})
	})
	if err != nil || allocs >= 1 {
		t.Errorf("%v allocations, %v", allocs, err)
	}
}
