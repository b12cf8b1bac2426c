package test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/protean-gateway/protean/translate/transport"
)

// exchange sends a request over the version of HTTP that the call says, and returns the
// answer with what could be read of its body.
func (c *matrixCall) exchange(method, target string, body []byte, header http.Header) (*http.Response, []byte, error) {
	way := c.way()
	defer way.CloseIdleConnections()
	res, err := c.open(way, method, target, body, header)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res, answer, err
}

// way is a connection of the version of HTTP that the call says.
func (c *matrixCall) way() *http.Transport {
	way := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	way.Protocols.SetHTTP1(!c.http2)
	way.Protocols.SetUnencryptedHTTP2(c.http2)
	return way
}

// open sends a request and returns the answer, whose body may be still to come.
func (c *matrixCall) open(way *http.Transport, method, target string, body []byte, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(c.ctx, method, c.further(target), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header
	maps.Copy(r.Header, c.header)
	res, err := way.RoundTrip(r)
	if err == nil {
		c.status = res.StatusCode
	}
	return res, err
}

// further returns a target with the further parameter of the call.
func (c *matrixCall) further(target string) string {
	switch {
	case c.query == "":
		return target
	case strings.Contains(target, "?"):
		return target + "&" + c.query
	default:
		return target + "?" + c.query
	}
}

// framesDoor calls a protocol with frames, by its content type: gRPC, gRPC-Web, or Connect
// for methods with streams.
func framesDoor(contentType string) func(*matrixCall) (verdict, error) {
	return func(c *matrixCall) (v verdict, err error) {
		connect := strings.HasPrefix(contentType, "application/connect")
		header := http.Header{"Content-Type": {contentType}, "Te": {"trailers"}}
		if c.timeout > 0 && connect {
			header.Set("Connect-Timeout-Ms", c.milliseconds())
		} else if c.timeout > 0 {
			header.Set("Grpc-Timeout", grpcTimeout(c.timeout))
		}
		var body []byte
		for _, text := range c.shape.sends(c.text) {
			body = appendFrame(body, matrixMessage(contentType, text))
		}
		text := strings.Contains(contentType, "-text")
		if text {
			body = base64.StdEncoding.AppendEncode(nil, body)
		}
		res, answer, err := c.exchange(http.MethodPost, c.url(), body, header)
		if err != nil {
			return v, err
		}
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != contentType {
			return v, fmt.Errorf("%s %v %q", res.Status, res.Header, answer)
		}
		if text {
			if answer, err = decodeWebText(answer); err != nil {
				return v, err
			}
		}
		end, err := v.readFrames(answer, strings.HasSuffix(contentType, "json"))
		switch {
		case err != nil:
			return v, err
		case connect:
			return v, v.judgeConnectEnd(end)
		case strings.HasPrefix(contentType, "application/grpc-web"):
			trailers, err := readTrailerFrame(end)
			if err != nil {
				return v, err
			}
			return v, v.judgeTrailers(trailers)
		case res.Header.Get("Grpc-Status") != "": // a response of trailers only
			return v, v.judgeTrailers(res.Header)
		default:
			return v, v.judgeTrailers(res.Trailer)
		}
	}
}

// matrixMessage is a note as a content type has it.
func matrixMessage(contentType, text string) []byte {
	if strings.HasSuffix(contentType, "json") {
		return fmt.Appendf(nil, `{"text":%q}`, text)
	}
	return wireText(text)
}

func (v *verdict) addMessage(message []byte, isJSON bool) error {
	if !isJSON {
		v.answers += noteText(message) + ","
		return nil
	}
	var note struct{ Text *string }
	if err := json.Unmarshal(message, &note); err != nil || note.Text == nil {
		return fmt.Errorf("%q is no note", message)
	}
	v.answers += *note.Text + ","
	return nil
}

func appendFrame(dst, message []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, 0), uint32(len(message)))
	return append(dst, message...)
}

// readFrames counts the messages of an answer and returns its last frame, if that is
// one of those that are no message.
func (v *verdict) readFrames(answer []byte, isJSON bool) (end []byte, err error) {
	for len(answer) > 0 {
		if len(answer) < 5 || len(answer)-5 < int(binary.BigEndian.Uint32(answer[1:])) {
			return nil, fmt.Errorf("%q is no whole frame", answer)
		}
		flag, rest := answer[0], answer[5:]
		content := rest[:binary.BigEndian.Uint32(answer[1:])]
		answer = rest[len(content):]
		if flag != 0 {
			if len(answer) > 0 {
				return nil, errors.New("there is something behind the last frame")
			}
			return content, nil
		}
		if err := v.addMessage(content, isJSON); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// decodeWebText decodes base64 in pieces that are each padded.
func decodeWebText(text []byte) (decoded []byte, err error) {
	for len(text) > 0 {
		end := len(text)
		if padding := bytes.IndexByte(text, '='); padding >= 0 {
			end = padding&^3 + 4
		}
		if decoded, err = base64.StdEncoding.AppendDecode(decoded, text[:end]); err != nil {
			return nil, err
		}
		text = text[end:]
	}
	return decoded, nil
}

func readTrailerFrame(frame []byte) (http.Header, error) {
	h := make(http.Header)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(frame), "\r\n"), "\r\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("%q is no trailer", line)
		}
		h.Add(textproto.CanonicalMIMEHeaderKey(name), value)
	}
	return h, nil
}

// judgeTrailers takes a status of gRPC into account. The details carry code and message again.
func (v *verdict) judgeTrailers(h http.Header) error {
	code, err := strconv.Atoi(h.Get("Grpc-Status"))
	if err != nil {
		return fmt.Errorf("no status in %v", h)
	}
	message, err := url.PathUnescape(h.Get("Grpc-Message"))
	if err != nil {
		return err
	}
	v.code, v.message = codes.Code(code), message
	text := h.Get("Grpc-Status-Details-Bin")
	if text == "" {
		return nil
	}
	var st spb.Status
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err == nil {
		err = proto.Unmarshal(raw, &st)
	}
	if err == nil && (int(st.GetCode()) != code || st.GetMessage() != message) {
		err = fmt.Errorf("the details say %v", &st)
	}
	v.judge(status.FromProto(&st))
	return err
}

// connectError is an error of Connect.
type connectError struct {
	Code, Message string
	Details       []struct{ Type, Value string }
}

func (v *verdict) judgeConnect(e *connectError) error {
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if transport.ConnectCode(c) == e.Code {
			v.code = c
		}
	}
	if v.code == codes.OK {
		return fmt.Errorf("%q is no code", e.Code)
	}
	v.message = e.Message
	for _, d := range e.Details {
		value, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err != nil {
			return err
		}
		v.addDetail(&anypb.Any{TypeUrl: "type.googleapis.com/" + d.Type, Value: value})
	}
	return nil
}

// judgeConnectEnd reads the last frame of a stream.
func (v *verdict) judgeConnectEnd(frame []byte) error {
	var end struct{ Error *connectError }
	if err := json.Unmarshal(frame, &end); err != nil || end.Error == nil {
		return err
	}
	return v.judgeConnect(end.Error)
}

// connectDoor calls a method without streams by POST.
func connectDoor(contentType string) func(*matrixCall) (verdict, error) {
	return func(c *matrixCall) (verdict, error) {
		header := http.Header{"Content-Type": {contentType}}
		return c.connectUnary(http.MethodPost, c.url(), matrixMessage(contentType, c.text), header)
	}
}

// connectGetDoor calls one by GET.
func connectGetDoor(encoding string) func(*matrixCall) (verdict, error) {
	return func(c *matrixCall) (verdict, error) {
		query := url.Values{"connect": {"v1"}, "encoding": {encoding}, "base64": {"1"}}
		query.Set("message", base64.RawURLEncoding.EncodeToString(matrixMessage(encoding, c.text)))
		return c.connectUnary(http.MethodGet, c.url()+"?"+query.Encode(), nil, make(http.Header))
	}
}

func (c *matrixCall) connectUnary(method, target string, body []byte, header http.Header) (v verdict, err error) {
	if method == http.MethodPost {
		header.Set("Connect-Protocol-Version", "1")
	}
	if c.timeout > 0 {
		header.Set("Connect-Timeout-Ms", c.milliseconds())
	}
	res, answer, err := c.exchange(method, target, body, header)
	if err != nil {
		return v, err
	}
	if res.StatusCode == http.StatusOK {
		return v, v.addMessage(answer, res.Header.Get("Content-Type") == "application/json")
	}
	var e connectError
	if err := json.Unmarshal(answer, &e); err != nil {
		return v, fmt.Errorf("%s %q: %w", res.Status, answer, err)
	}
	if err := v.judgeConnect(&e); err != nil {
		return v, err
	}
	return v, v.checkStatus(res.StatusCode)
}

// checkStatus compares the HTTP status of a failure with the table, or with what HTTP has for
// what is too large, where the table has one status for all that is exhausted.
func (v *verdict) checkStatus(httpStatus int) error {
	tooLarge := slices.Contains([]int{
		http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge,
	}, httpStatus)
	if httpStatus == transport.HTTPStatus(v.code) || v.code == codes.ResourceExhausted && tooLarge {
		return nil
	}
	return fmt.Errorf("%+v comes with status %d", *v, httpStatus)
}
