package translate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// errorWriter writes errors as google.rpc.Status in JSON, or as problem details
// (RFC 9457) for clients that ask for them. It is immutable.
type errorWriter struct {
	// details know the snapshot's messages and, after them, those of google.rpc.
	details []*wire.Projection
}

// builtinTypes resolves the details that every server may send.
var builtinTypes = wire.NewTypes(rpcTypes{})

// rpcTypes finds the messages of the google.rpc package and no others.
type rpcTypes struct{}

func (rpcTypes) FindMessageByName(name protoreflect.FullName) protoreflect.MessageDescriptor {
	if name.Parent() != "google.rpc" {
		return nil
	}
	mt, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		return nil
	}
	return mt.Descriptor()
}

// ExtensionsOf returns none: the messages of google.rpc cannot be extended.
func (rpcTypes) ExtensionsOf(protoreflect.FullName) []protoreflect.ExtensionDescriptor { return nil }

func newErrorWriter(snap *schema.Snapshot) *errorWriter {
	md := (*anypb.Any)(nil).ProtoReflect().Descriptor()
	return &errorWriter{details: []*wire.Projection{
		snap.Types.Message(md).Project(wire.Options{}),
		builtinTypes.Message(md).Project(wire.Options{}),
	}}
}

// appendStatus appends a google.rpc.Status: code, message and details.
func (e *errorWriter) appendStatus(dst []byte, st *spb.Status) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(st.GetCode()), 10)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, st.GetMessage())
	dst = append(dst, `,"details":`...)
	dst = e.appendDetails(dst, st.GetDetails())
	return append(dst, '}')
}

// appendProblem appends an RFC 9457 problem; what that format has no place for
// stands in the members code and details.
func (e *errorWriter) appendProblem(dst []byte, httpStatus int, st *spb.Status) []byte {
	dst = append(dst, `{"type":"about:blank","title":`...)
	dst = appendString(dst, transport.StatusText(httpStatus))
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(httpStatus), 10)
	dst = append(dst, `,"detail":`...)
	dst = appendString(dst, st.GetMessage())
	dst = append(dst, `,"code":`...)
	dst = appendString(dst, transport.CodeName(codes.Code(st.GetCode())))
	dst = append(dst, `,"details":`...)
	dst = e.appendDetails(dst, st.GetDetails())
	return append(dst, '}')
}

// appendDetails appends a list of Any. google.rpc.DebugInfo is left out: stack
// traces are not for clients.
func (e *errorWriter) appendDetails(dst []byte, details []*anypb.Any) []byte {
	dst = append(dst, '[')
	empty := true
	for _, d := range details {
		if d.MessageName() == "google.rpc.DebugInfo" {
			continue
		}
		if !empty {
			dst = append(dst, ',')
		}
		dst = e.appendDetail(dst, d)
		empty = false
	}
	return append(dst, ']')
}

// appendDetail appends one Any; a type that nobody knows stays opaque, with its
// bytes in base64.
func (e *errorWriter) appendDetail(dst []byte, d *anypb.Any) []byte {
	if msg, err := proto.Marshal(d); err == nil {
		for _, p := range e.details {
			if out, err := p.AppendJSON(dst, msg, nil); err == nil {
				return out
			}
		}
	}
	dst = append(dst, `{"@type":`...)
	dst = appendString(dst, d.GetTypeUrl())
	dst = append(dst, `,"value":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, d.GetValue())
	return append(dst, `"}`...)
}

// appendString appends a JSON string; what is not UTF-8 is replaced.
func appendString(dst []byte, s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) //nolint:errchkjson // a string always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// write answers a request that belongs to no method with an error, before anything else was written.
func (e *errorWriter) write(w http.ResponseWriter, r *http.Request, err error) {
	httpStatus, body := e.prepare(w.Header(), r, err, pointers{})
	writeWhole(w, httpStatus, body)
}

// prepare returns the answer to a request for an error, and sets its headers but for the length.
func (e *errorWriter) prepare(h http.Header, r *http.Request, err error, p pointers) (httpStatus int, body []byte) {
	st := p.status(err)
	httpStatus = transport.HTTPStatus(codes.Code(st.GetCode()))
	if refused, ok := errors.AsType[*refusal](err); ok {
		httpStatus = refused.http
		if refused.header != "" {
			h[refused.header] = []string{refused.value}
		}
	}
	if wantsProblem(r.Header) {
		h["Content-Type"] = []string{typeProblem}
		body = e.appendProblem(nil, httpStatus, st)
	} else {
		h["Content-Type"] = contentTypeJSON
		body = e.appendStatus(nil, st)
	}
	return httpStatus, body
}

// wantsProblem reports whether a client asks for problem details by name.
func wantsProblem(h http.Header) bool {
	for _, accept := range h["Accept"] {
		for item := range strings.SplitSeq(accept, ",") {
			kind, params, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(kind), typeProblem) && transport.Weight(params) > 0 {
				return true
			}
		}
	}
	return false
}
