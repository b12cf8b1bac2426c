package translate

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestClaimedBodyTakesNoMemory reads bodies that are shorter than their clients announce.
func TestClaimedBodyTakesNoMemory(t *testing.T) {
	const limit = 4 << 20
	for _, sent := range []int{0, 9, 64 << 10, 1 << 20} {
		x := new(exchange)
		content := io.MultiReader(strings.NewReader(strings.Repeat("x", sent)), failing{})
		if err := x.readAll(content, limit, limit); err == nil || len(x.body) != sent {
			t.Errorf("%d bytes: read %d, %v", sent, len(x.body), err)
		}
		if room, most := x.buffer.Cap(), 4*max(sent, maxClaimedBody); room > most {
			t.Errorf("%d bytes take %d; the most is %d", sent, room, most)
		}
	}
	x := new(exchange)
	if err := x.readAll(bytes.NewReader(make([]byte, limit)), limit, limit); err != nil || len(x.body) != limit {
		t.Errorf("a whole body: read %d, %v", len(x.body), err)
	}
}

// failing is the rest of a body whose client has gone.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
