package translate

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/translate/transport"
)

// serveGet serves a method without side effects whose message is in the query,
// so that answers can be cached on the way.
func (c *Connect) serveGet(w http.ResponseWriter, r *http.Request) {
	m, err := c.methods.find(r)
	if err == nil && (m.Streams() || !m.NoSideEffects) {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only methods without streams and side effects can be called with GET", http.StatusMethodNotAllowed)
		return
	}
	u := &connectUnary{client: client{writer: w, control: http.NewResponseController(w)}, door: c}
	defer u.stop()
	if err != nil {
		u.writeError(notFoundStatus(err), err)
		return
	}
	q, err := parseGet(r.URL.RawQuery)
	if err != nil {
		u.writeError(http.StatusBadRequest, err)
		return
	}
	var ok bool
	if u.format, ok = connectFormats["application/"+q.encoding]; !ok {
		http.Error(w, "the query parameter encoding must be proto or json", http.StatusUnsupportedMediaType)
		return
	}
	transport.AddVary(w.Header(), transport.VaryAcceptEncoding)
	u.serve(m, r, q.read)
}

// getQuery holds the parameters of a GET, each of which is there at most once.
type getQuery struct {
	encoding, compression, message string
	base64                         bool
}

// parseGet reads the parameters that Connect defines and skips others.
func parseGet(rawQuery string) (getQuery, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return getQuery{}, status.Error(codes.InvalidArgument, "the query is malformed")
	}
	for _, name := range [...]string{"connect", "encoding", "message", "compression", "base64"} {
		if len(values[name]) > 1 {
			return getQuery{}, status.Error(codes.InvalidArgument, "the query parameter "+name+" is there more than once")
		}
	}
	switch {
	case values.Has("connect") && values.Get("connect") != "v1":
		return getQuery{}, status.Error(codes.InvalidArgument, "the query parameter connect must be v1")
	case !values.Has("message"):
		return getQuery{}, status.Error(codes.InvalidArgument, "the query parameter message is missing")
	}
	return getQuery{
		encoding:    values.Get("encoding"),
		compression: values.Get("compression"),
		message:     values.Get("message"),
		base64:      values.Get("base64") == "1",
	}, nil
}

// read is the [source] of a GET.
func (q *getQuery) read(u *connectUnary) ([]byte, error) {
	u.endReading()
	message := []byte(q.message)
	if q.base64 {
		var err error
		if message, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(q.message, "=")); err != nil {
			return nil, status.Error(codes.InvalidArgument, "the query parameter message is not base64")
		}
	}
	coding, ok := transport.KnownCoding(q.compression)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the query parameter compression must be identity or one of "+transport.Codings)
	}
	return coding.Decompress(message, u.method.Limits.RequestBytes)
}
