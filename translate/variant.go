package translate

import "github.com/protean-gateway/protean/translate/transport"

// One URL can have several answers: in other JSON by Accept, and compressed by Accept-Encoding.
// Caches must tell them apart (RFC 9110, section 12.5.5), also by an answer that has no body.

// coding returns the coding that the client likes best for a body of so many bytes. Raw bodies are left alone: what
// they are is the backend's word, and most kinds are compressed already.
func (x *exchange) coding(size int) transport.Coding {
	if x.rest.uncompressed {
		return ""
	}
	return transport.AnswerCoding(x.writer.Header(), x.headers.acceptEncoding, size)
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
