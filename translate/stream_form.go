package translate

// form is how the messages of a stream make one body. It belongs to one call.
type form interface {
	// contentType is asked for once, after the first appendMessage or appendEnd.
	contentType() []string
	// appendMessage appends what one message is. On an error dst is returned as it was.
	appendMessage(dst []byte, f *frames, msg []byte) ([]byte, error)
	// appendEnd appends what stands behind the last message, and reports whether the
	// body says by itself how the stream ended.
	appendEnd(dst []byte, f *frames, err error) (_ []byte, whole bool)
}

// newStreamForm returns the form of a stream. Of grpc-gateway, the contents of a raw stream have line feeds behind them.
func newStreamForm(f streamFormat, grpcGateway bool) form {
	switch f {
	case formatEnvelopes:
		return envelopes{}
	case formatArray:
		return &array{}
	case formatRaw:
		return &rawParts{lineFeeds: grpcGateway}
	default: // formatEvents is no body with messages in it: see sse.go
		return lines{}
	}
}

// Header values that many answers share. Nobody writes to them.
var (
	contentTypeJSON   = []string{typeJSON}
	contentTypeNDJSON = []string{typeNDJSON}
	noSniff           = []string{"nosniff"}
)

// lines is NDJSON: a frame a line.
type lines struct{}

func (lines) contentType() []string { return contentTypeNDJSON }

func (lines) appendMessage(dst []byte, f *frames, msg []byte) ([]byte, error) {
	dst, err := f.appendData(dst, msg)
	if err != nil {
		return dst, err
	}
	return append(dst, '\n'), nil
}

func (lines) appendEnd(dst []byte, f *frames, err error) ([]byte, bool) {
	return append(f.appendLast(dst, err), '\n'), true
}

// envelopes are the lines of grpc-gateway: {"result"} for a message, {"error"} for a
// failure, and nothing for an end without one. There is no place for trailers in them.
type envelopes struct{}

func (envelopes) contentType() []string { return contentTypeJSON }

func (envelopes) appendMessage(dst []byte, f *frames, msg []byte) ([]byte, error) {
	start := len(dst)
	dst, err := f.appendMessage(append(dst, `{"result":`...), msg)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, "}\n"...), nil
}

func (envelopes) appendEnd(dst []byte, f *frames, err error) ([]byte, bool) {
	if err == nil {
		return dst, true
	}
	return append(f.appendError(dst, err), '\n'), true
}

// array is one JSON array of messages, without frames around them. Of an error it has
// the frame as its last element, and then it breaks off without a bracket: that
// is no JSON, and cannot be mistaken for a short list.
type array struct{ begun bool }

func (*array) contentType() []string { return contentTypeJSON }

func (a *array) appendMessage(dst []byte, f *frames, msg []byte) ([]byte, error) {
	start := len(dst)
	dst, err := f.appendMessage(append(dst, a.separator()), msg)
	if err != nil {
		return dst[:start], err
	}
	a.begun = true
	return dst, nil
}

func (a *array) appendEnd(dst []byte, f *frames, err error) ([]byte, bool) {
	if err != nil {
		return f.appendError(append(dst, a.separator()), err), false
	}
	if !a.begun {
		dst = append(dst, '[')
	}
	return append(dst, ']'), true
}

func (a *array) separator() byte {
	if a.begun {
		return ','
	}
	return '['
}

// rawParts are the contents of google.api.HttpBody messages, one after the other, under
// the content type of the first. There is no place for an error in them.
type rawParts struct {
	kind      string
	lineFeeds bool // behind each content
}

func (p *rawParts) contentType() []string {
	if p.kind == "" {
		return []string{typeOctets}
	}
	return []string{p.kind}
}

func (p *rawParts) appendMessage(dst []byte, f *frames, msg []byte) ([]byte, error) {
	kind, data, err := f.x.answer.rawBody(msg)
	if err != nil {
		return dst, answerFault(f.x.route.method, err)
	}
	if p.kind == "" {
		p.kind = kind
	}
	dst = append(dst, data...)
	if p.lineFeeds {
		dst = append(dst, '\n')
	}
	return dst, nil
}

func (*rawParts) appendEnd(dst []byte, _ *frames, err error) ([]byte, bool) { return dst, err == nil }
