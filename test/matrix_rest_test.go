package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc/codes"
)

// restDetail is a detail of an error in JSON.
type restDetail struct {
	Type   string `json:"@type"`
	Reason string `json:"reason"`
}

func (v *verdict) addRESTDetail(d restDetail) {
	v.details += strings.TrimPrefix(d.Type, "type.googleapis.com/") + " " + d.Reason
}

// restStatus is google.rpc.Status, as REST writes it.
type restStatus struct {
	Code    codes.Code   `json:"code"`
	Message string       `json:"message"`
	Details []restDetail `json:"details"`
}

func (v *verdict) judgeREST(s *restStatus) {
	v.code, v.message = s.Code, s.Message
	for _, d := range s.Details {
		v.addRESTDetail(d)
	}
}

// judgeRefusal takes an answer that is an error of HTTP.
func (v *verdict) judgeRefusal(httpStatus int, answer []byte) error {
	var s restStatus
	if err := json.Unmarshal(answer, &s); err != nil {
		return fmt.Errorf("%d %q: %w", httpStatus, answer, err)
	}
	v.judgeREST(&s)
	return v.checkStatus(httpStatus)
}

// addFrame takes a frame of a stream into account and reports whether it is the last.
func (v *verdict) addFrame(text []byte) (last bool, err error) {
	var f struct {
		Data  json.RawMessage
		Error *restStatus
		End   json.RawMessage
	}
	switch err := json.Unmarshal(text, &f); {
	case err != nil:
		return false, fmt.Errorf("%q: %w", text, err)
	case f.Data != nil:
		return false, v.addMessage(f.Data, true)
	case f.Error != nil:
		v.judgeREST(f.Error)
		return true, nil
	case f.End != nil:
		return true, nil
	default:
		return false, fmt.Errorf("%q is no frame", text)
	}
}

// addFrames takes the frames of a whole stream, the last of which says how it ended.
func (v *verdict) addFrames(frames [][]byte) error {
	for i, text := range frames {
		last, err := v.addFrame(text)
		if err == nil && last != (i == len(frames)-1) {
			err = fmt.Errorf("frame %d of %d is the last: %v", i+1, len(frames), last)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// callREST calls the default path of a method and asks for a form of answers.
func callREST(accept string) func(*matrixCall) (verdict, error) {
	return func(c *matrixCall) (verdict, error) {
		var lines []string
		for _, text := range c.shape.sends(c.text) {
			lines = append(lines, fmt.Sprintf(`{"text":%q}`, text))
		}
		header := http.Header{"Accept": {accept}, "Content-Type": {"application/json"}}
		if c.shape.clientStreams {
			header.Set("Content-Type", "application/x-ndjson")
		}
		return c.rest(http.MethodPost, c.url(), strings.Join(lines, "\n"), header)
	}
}

// callRESTGet calls the binding to GET.
func callRESTGet(c *matrixCall) (verdict, error) {
	return c.rest(http.MethodGet, "http://"+c.address+"/v1/note?text="+url.QueryEscape(c.text), "", make(http.Header))
}

func (c *matrixCall) rest(method, target, body string, header http.Header) (v verdict, err error) {
	if c.timeout > 0 {
		header.Set("X-Request-Timeout", c.milliseconds()+"ms")
	}
	res, answer, err := c.exchange(method, target, []byte(body), header)
	if err != nil && res == nil {
		return v, err
	}
	if res.StatusCode != http.StatusOK {
		return v, v.judgeRefusal(res.StatusCode, answer)
	}
	switch kind := res.Header.Get("Content-Type"); {
	case kind == "application/json" && c.shape.serverStreams:
		return v, v.addArray(answer, err)
	case err != nil:
		return v, err
	case kind == "application/json":
		return v, v.addMessage(answer, true)
	case kind == "application/x-ndjson":
		return v, v.addFrames(slices.Collect(bytes.Lines(answer)))
	case kind == "text/event-stream":
		return v, v.addFrames(eventData(answer))
	default:
		return v, errors.New("an answer of type " + kind)
	}
}

// addArray takes an array of messages. One that failed has the error as its last element and
// is broken off, which the client hears of.
func (v *verdict) addArray(answer []byte, broken error) error {
	if broken != nil {
		answer = append(answer, ']')
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(answer, &elements); err != nil {
		return fmt.Errorf("%q: %w", answer, err)
	}
	for i, e := range elements {
		if broken != nil && i == len(elements)-1 {
			_, err := v.addFrame(e)
			return err
		}
		if err := v.addMessage(e, true); err != nil {
			return err
		}
	}
	return broken
}

// eventData returns the data of server-sent events.
func eventData(answer []byte) (data [][]byte) {
	for line := range bytes.Lines(answer) {
		if text, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			data = append(data, text)
		}
	}
	return data
}

// dial opens a WebSocket that ends with the call. Where it is refused, there is no connection but
// the body of the answer.
func (c *matrixCall) dial(path, subprotocol string, header http.Header) (conn *websocket.Conn, leave func(), refused []byte, _ error) {
	dialer := websocket.Dialer{Subprotocols: []string{subprotocol}}
	maps.Copy(header, c.header)
	conn, res, err := dialer.DialContext(c.ctx, c.further("ws://"+c.address+path), header)
	if res != nil {
		c.status = res.StatusCode
		defer res.Body.Close()
	}
	if errors.Is(err, websocket.ErrBadHandshake) {
		refused, err = io.ReadAll(res.Body)
		return nil, nil, refused, err
	}
	if err != nil {
		return nil, nil, nil, err
	}
	gone := make(chan struct{})
	go func() {
		select {
		case <-c.ctx.Done():
		case <-gone:
		}
		conn.Close()
	}()
	return conn, func() { close(gone) }, nil, nil
}

// socketDoor opens a WebSocket with a subprotocol.
func socketDoor(subprotocol string) func(*matrixCall) (verdict, error) {
	return func(c *matrixCall) (v verdict, err error) {
		header := make(http.Header)
		if c.timeout > 0 {
			header.Set("X-Request-Timeout", c.milliseconds()+"ms")
		}
		conn, leave, refused, err := c.dial(c.shape.path(), subprotocol, header)
		if err != nil {
			return v, err
		}
		if conn == nil {
			return v, v.judgeRefusal(c.status, refused)
		}
		defer leave()
		// A send that fails leaves the reason to the close code.
		for _, text := range c.shape.sends(c.text) {
			if subprotocol == "protean.proto" {
				_ = conn.WriteMessage(websocket.BinaryMessage, wireText(text))
			} else {
				_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"data":{"text":%q}}`, text))
			}
		}
		_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"end":{}}`))
		return v, v.readSocket(conn)
	}
}

// readSocket reads answers until the socket closes, and compares the code with what was said.
func (v *verdict) readSocket(conn *websocket.Conn) error {
	for {
		kind, message, err := conn.ReadMessage()
		switch {
		case websocket.IsCloseError(err, websocket.CloseMessageTooBig):
			v.code = codes.ResourceExhausted
			return nil
		case v.code == codes.OK && websocket.IsCloseError(err, websocket.CloseNormalClosure),
			v.code != codes.OK && websocket.IsCloseError(err, 4000+int(v.code)):
			return nil
		case err != nil:
			return err
		case kind == websocket.BinaryMessage:
			err = v.addMessage(message, false)
		default:
			_, err = v.addFrame(message)
		}
		if err != nil {
			return err
		}
	}
}
