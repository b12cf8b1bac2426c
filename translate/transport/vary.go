package transport

import (
	"net/http"
	"slices"
)

// Values of Vary. Nobody writes to them.
var (
	VaryAccept         = []string{"Accept"}
	VaryAcceptEncoding = []string{"Accept-Encoding"}
)

// AddVary says in the headers of an answer which of the request it depends on (RFC 9110, section 12.5.5). It keeps names,
// and writes to neither them nor what was said before.
func AddVary(h http.Header, names []string) {
	if said := h["Vary"]; len(said) > 0 {
		names = slices.Concat(said, names)
	}
	h["Vary"] = names
}
