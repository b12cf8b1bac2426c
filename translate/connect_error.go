package translate

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/protean-gateway/protean/translate/transport"
)

// appendConnect appends a status as Connect has errors: code, message and
// details, of which the last two may be absent.
func (e *errorWriter) appendConnect(dst []byte, st *spb.Status) []byte {
	dst = append(dst, `{"code":"`...)
	dst = append(dst, transport.ConnectCode(codes.Code(st.GetCode()))...)
	dst = append(dst, '"')
	if text := st.GetMessage(); text != "" {
		dst = appendString(append(dst, `,"message":`...), text)
	}
	if len(st.GetDetails()) > 0 {
		dst = append(dst, `,"details":[`...)
		for i, d := range st.GetDetails() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.appendConnectDetail(dst, d)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendConnectDetail appends one detail: its type, its bytes in base64 without
// padding, and for people the same in JSON where the type is known.
func (e *errorWriter) appendConnectDetail(dst []byte, d *anypb.Any) []byte {
	dst = append(dst, `{"type":`...)
	dst = appendString(dst, string(d.MessageName()))
	dst = append(dst, `,"value":"`...)
	dst = base64.RawStdEncoding.AppendEncode(dst, d.GetValue())
	dst = append(dst, '"')
	if msg, err := proto.Marshal(d); err == nil {
		for _, p := range e.details {
			if out, err := p.AppendJSON(append(dst, `,"debug":`...), msg, nil); err == nil {
				dst = out
				break
			}
		}
	}
	return append(dst, '}')
}

// appendMetadata appends headers as JSON, with names in lower case.
func appendMetadata(dst []byte, h http.Header) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(h)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, strings.ToLower(name))
		dst = appendStrings(append(dst, ':'), h[name])
	}
	return append(dst, '}')
}
