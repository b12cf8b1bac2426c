package translate

import (
	"net/http"
	"slices"

	"github.com/protean-gateway/protean/translate/transport"
)

// One URL can have several answers: in other JSON by Accept, and compressed by Accept-Encoding.
// Caches must tell them apart (RFC 9110, section 12.5.5), also by an answer that has no body.

// coding returns the coding that the client likes best for a body of so many bytes, and reports
// whether another client might get another. Raw bodies are left alone: what they are is the
// backend's word, and most kinds are compressed already.
func (x *exchange) coding(size int) (_ transport.Coding, varies bool) {
	if x.rest.uncompressed {
		return "", false
	}
	return transport.AnswerCoding(x.headers.acceptEncoding, size)
}

// compressed returns a body in a coding, and says so in the headers.
func (x *exchange) compressed(coding transport.Coding, body []byte) []byte {
	if coding == "" {
		return body
	}
	x.writer.Header()["Content-Encoding"] = []string{string(coding)}
	coding.Compress(&x.coded, body)
	return x.coded.Bytes()
}

// Values of Vary. Nobody writes to them.
var (
	varyAccept         = []string{"Accept"}
	varyAcceptEncoding = []string{"Accept-Encoding"}
)

// vary says which headers an answer in JSON depends on.
func (x *exchange) vary(r *http.Request, byCoding bool) {
	h := x.writer.Header()
	if isRead(r.Method) {
		addVary(h, varyAccept)
	}
	if byCoding {
		addVary(h, varyAcceptEncoding)
	}
}

func addVary(h http.Header, value []string) {
	if said := h["Vary"]; len(said) > 0 {
		value = slices.Concat(said, value)
	}
	h["Vary"] = value
}
