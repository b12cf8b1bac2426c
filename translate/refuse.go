package translate

import (
	"net/http"

	"github.com/protean-gateway/protean/translate/transport"
)

// Refuse answers a request that no door has looked at, such as one that is too
// large or whose handler panicked, in the form that its client reads: an error of gRPC,
// gRPC-Web or Connect where the headers say so, else one of REST. Message is for the client.
// What was meant for GraphQL is for that door to refuse.
func Refuse(w http.ResponseWriter, r *http.Request, httpStatus int, message string) {
	err, errors := refuse(httpStatus, message), new(errorWriter)
	kind := mediaType(r.Header)
	if format, ok := grpcFormats[kind]; ok && r.ProtoMajor == 2 {
		format.begin(w)
		setStatus(w.Header(), "", err)
		w.WriteHeader(http.StatusOK)
		return
	}
	if format, ok := grpcWebFormatOf(r.Header); ok {
		trailers := make(http.Header)
		setStatus(trailers, "", err)
		format.response.refuse(w, transport.FlagTrailers, appendTrailers(nil, trailers))
		return
	}
	if format, ok := connectStreamFormats[kind]; ok {
		format.refuse(w, transport.FlagEndStream, errors.appendConnectEnd(nil, err, nil))
		return
	}
	if saysConnect(r) {
		w.Header()["Content-Type"] = contentTypeJSON
		writeWhole(w, httpStatus, errors.appendConnect(nil, statusOf(err).Proto()))
		return
	}
	errors.write(w, r, err)
}

// refuse answers with nothing but the frame that ends a call.
func (f rpcFormat) refuse(w http.ResponseWriter, flag byte, end []byte) {
	f.begin(w)
	w.WriteHeader(http.StatusOK)
	out := transport.FrameWriter{Text: f.text}
	_, _ = w.Write(out.AppendEnd(nil, flag, end)) // a client that is gone needs no answer
}
