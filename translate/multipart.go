package translate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// A body of multipart/form-data (RFC 7578) has a part for each field, named as in a form.
// What a part sets depends on the field:
//
//   - google.api.HttpBody takes the part's content and its content type;
//   - bytes take the content as it is;
//   - any other takes JSON from a part that says that it is application/json, and else text,
//     as in a query.
//
// For a stream of requests each part is a message of its own, with that one field set;
// a part for HttpBody or bytes is as many messages as there are chunks, so that a file
// need not fit into one message and is read no faster than the backend takes it.

// formPart is a part with the field that it sets.
type formPart struct {
	content   io.Reader
	name      string
	kind      string // its content type
	parameter *parameter
	key       string // of a map
}

// isFile reports whether the field takes the content as it is.
func (p *formPart) isFile() bool {
	f := p.parameter.path.Field()
	return f.Kind() == protoreflect.BytesKind || f.Message() != nil && !f.IsMap() && isHTTPBody(f.Message())
}

func (p *formPart) isJSON() bool {
	kind, _, err := mime.ParseMediaType(p.kind)
	return err == nil && kind == typeJSON
}

// partReader reads parts and counts them.
type partReader struct {
	reader *multipart.Reader
	count  int
	limit  int
}

func newPartReader(body io.Reader, h http.Header, limit int) (*partReader, error) {
	_, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, refuse(http.StatusBadRequest, "a body of "+typeMultipart+" needs a boundary")
	}
	return &partReader{reader: multipart.NewReader(body, params["boundary"]), limit: limit}, nil
}

var errMultipart = refuse(http.StatusBadRequest, "the body is not valid "+typeMultipart)

// next returns the next part that sets a field of the form, and io.EOF after the last.
func (r *partReader) next(form *query) (*formPart, error) {
	for {
		raw, err := r.reader.NextRawPart()
		if err == io.EOF { //nolint:errorlint // a body that is cut short is an error around io.EOF
			return nil, io.EOF
		}
		if err != nil {
			return nil, partError(err)
		}
		if r.count++; r.count > r.limit {
			return nil, refuse(http.StatusBadRequest, fmt.Sprintf("more than %d parts", r.limit))
		}
		p := &formPart{content: raw, name: raw.FormName(), kind: raw.Header.Get("Content-Type")}
		if p.name == "" {
			return nil, errMultipart
		}
		if p.parameter, p.key, err = form.find(p.name); err != nil || p.parameter != nil {
			return p, err
		}
	}
}

// partError passes on errors of ours and those of a body that is too large.
func partError(err error) error {
	var known interface{ GRPCStatus() *status.Status }
	if errors.As(err, &known) {
		return known.GRPCStatus().Err() // without the text that the package put before it
	}
	return errMultipart
}

// addPart appends what a part sets. Content is all that it holds.
func (q *query) addPart(p *formPart, content []byte) (err error) {
	path := p.parameter.path
	switch {
	case p.isFile():
		q.wire, err = appendFile(q.wire, path, p.kind, content)
	case p.isJSON():
		if q.wire, err = path.AppendJSON(q.wire, content, wire.DecodeOptions{AllowPartial: true, IgnoreUnknown: q.route.grpcGateway}); err != nil {
			err = invalidInput(fmt.Sprintf("form field %q", p.name), p.parameter.name, err)
		}
	default:
		err = q.appendValue(p.parameter, p.name, p.key, string(content))
	}
	return err
}

// appendFile appends content to a field of bytes or google.api.HttpBody.
func appendFile(dst []byte, path *wire.Path, kind string, content []byte) ([]byte, error) {
	if path.Field().Message() == nil {
		return path.AppendValues(dst, []wire.Value{{Text: string(content)}})
	}
	if kind == "" {
		kind = typeOctets
	}
	return appendNested(dst, path.Fields(), appendHTTPBody(nil, content, kind)), nil
}

// encodeParts returns what a body of multipart/form-data sets in the request message.
func (x *exchange) encodeParts(h http.Header) ([]byte, error) {
	form, err := x.route.newForm(x.seen[:0])
	if err != nil {
		return nil, err
	}
	parts, err := newPartReader(bytes.NewReader(x.body), h, x.rest.queryParameters)
	if err != nil {
		return nil, err
	}
	for {
		p, err := parts.next(form)
		if err == io.EOF { //nolint:errorlint // next returns it as it is
			x.form = form
			return form.wire, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(p.content) // which is in memory
		if err != nil {
			return nil, errMultipart
		}
		if err := form.addPart(p, content); err != nil {
			return nil, err
		}
	}
}

// partMessages are the messages of a client stream in multipart/form-data.
type partMessages struct {
	route  *route
	parts  *partReader
	file   *formPart // of which there may be more, or nil
	chunks int       // of file, so far
	buffer []byte
}

func newPartMessages(r *route, body io.Reader, h http.Header, limit int) (*partMessages, error) {
	if _, err := r.newForm(nil); err != nil {
		return nil, err
	}
	parts, err := newPartReader(body, h, limit)
	return &partMessages{route: r, parts: parts}, err
}

func (m *partMessages) next() ([]byte, error) {
	for {
		if m.file != nil {
			msg, err := m.nextChunk()
			if msg != nil || err != nil {
				return msg, err
			}
			continue
		}
		form, err := m.route.newForm(nil)
		if err != nil {
			return nil, err
		}
		p, err := m.parts.next(form)
		if err != nil {
			return nil, err
		}
		if p.isFile() {
			m.file, m.chunks = p, 0
			continue
		}
		return m.whole(form, p)
	}
}

// nextChunk returns the next message of a file, and nil after its last. An empty
// file is one message.
func (m *partMessages) nextChunk() ([]byte, error) {
	if m.buffer == nil {
		m.buffer = make([]byte, m.route.chunkSize())
	}
	n, err := readSome(m.file.content, m.buffer)
	switch {
	case n > 0:
	case err != io.EOF: //nolint:errorlint // a part that is cut short has another error
		return nil, partError(err)
	case m.chunks > 0:
		m.file = nil
		return nil, nil
	}
	m.chunks++
	return appendFile(nil, m.file.parameter.path, m.file.kind, m.buffer[:n])
}

// whole returns the message of a part that must fit into one.
func (m *partMessages) whole(form *query, p *formPart) ([]byte, error) {
	limit := m.route.method.Limits.RequestBytes
	content, err := io.ReadAll(io.LimitReader(p.content, int64(limit)+1))
	if err != nil {
		return nil, partError(err)
	}
	if len(content) > limit {
		return nil, refuse(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("part %q is larger than the limit of %d bytes (limits.request_bytes)", p.name, limit))
	}
	err = form.addPart(p, content)
	return form.wire, err
}
