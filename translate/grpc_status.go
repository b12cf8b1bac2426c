package translate

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
)

// writeStatus ends the response. Where nothing was sent, status and trailers are
// in the headers, which gRPC calls Trailers-Only.
func (s *frameStream) writeStatus(err error) {
	prefix := ""
	if s.committed {
		prefix = http.TrailerPrefix
	}
	h := s.writer.Header()
	s.headers.CopyResponse(h, prefix, s.trailer)
	setStatus(h, prefix, err)
	if !s.committed {
		s.writer.WriteHeader(http.StatusOK) // or the edge would not hear of an answer
	}
}

// setStatus sets the fields of a gRPC status, with prefix before each name.
func setStatus(h http.Header, prefix string, err error) {
	if err == nil {
		h[prefix+"Grpc-Status"] = statusOK
		return
	}
	st := statusOf(err)
	h[prefix+"Grpc-Status"] = []string{strconv.Itoa(int(st.Code()))}
	if text := st.Message(); text != "" {
		h[prefix+"Grpc-Message"] = []string{percentEncode(text)}
	}
	p := st.Proto()
	if len(p.GetDetails()) == 0 {
		return
	}
	if details, err := proto.Marshal(p); err == nil {
		h[prefix+"Grpc-Status-Details-Bin"] = []string{base64.RawStdEncoding.EncodeToString(details)}
	}
}

var statusOK = []string{"0"}

// percentEncode writes a text as grpc-message has it: printable ASCII but for
// `%` stands for itself, all other bytes of its UTF-8 are `%XX`.
func percentEncode(text string) string {
	plain := 0
	for plain < len(text) && isPlain(text[plain]) {
		plain++
	}
	if plain == len(text) {
		return text
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(text) + 16)
	b.WriteString(text[:plain])
	for i := plain; i < len(text); i++ {
		if c := text[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func isPlain(c byte) bool { return c >= ' ' && c <= '~' && c != '%' }
