package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// reply is what a client was told: the code, in gRPC's words, and all bytes that came.
type reply struct {
	code codes.Code
	body []byte
}

// doorway calls a method of the vault in one protocol.
type doorway struct {
	name string
	call func(v *visit) (reply, error)
}

// visit is one request of the matrix.
type visit struct {
	way    wayTo
	method string
	twin   string // of the method, or empty
	owner  string
	header http.Header
}

var doorways = []doorway{
	{"REST route", (*visit).route},
	{"REST default path", (*visit).defaultPath},
	{"gRPC", (*visit).overGRPC},
	{"gRPC-Web", func(v *visit) (reply, error) { return v.overGRPCWeb("application/grpc-web+proto") }},
	{"gRPC-Web text", func(v *visit) (reply, error) { return v.overGRPCWeb("application/grpc-web-text") }},
	{"Connect JSON", (*visit).overConnect},
	{"Connect GET", (*visit).overConnectGET},
	{"GraphQL", func(v *visit) (reply, error) {
		return v.overGraphQL(`query($o: ID!) { %s(owner: $o) { owner pin phone } }`, v.field())
	}},
	{"GraphQL alias and fragment", func(v *visit) (reply, error) {
		return v.overGraphQL(`query($o: ID!) { x: %s(owner: $o) { ...F y: pin z: phone } } fragment F on Box { pin w: pin phone }`, v.field())
	}},
	{"GraphQL join", func(v *visit) (reply, error) {
		return v.overGraphQL(`query($o: ID!) { hold(owner: $o) { %s { owner pin phone } } }`, v.field())
	}},
	{"GraphQL GET", (*visit).overGraphQLGET},
}

func (v *visit) field() string { return strings.ToLower(v.method) }

func (v *visit) message() []byte {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), v.owner)
}

// exchange sends an HTTP request and returns the status and the body.
func (v *visit) exchange(verb, path, contentType string, body []byte) (*http.Response, []byte, error) {
	r, err := http.NewRequest(verb, v.way.scheme+"://"+v.way.addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header = v.header.Clone()
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	response, err := v.way.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, text, err
}

// ofStatus knows the HTTP statuses that the matrix can meet.
func ofStatus(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusOK:
		return codes.OK
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return codes.NotFound
	default:
		return codes.Unknown
	}
}

func (v *visit) plain(verb, path, contentType string, body []byte) (reply, error) {
	response, text, err := v.exchange(verb, path, contentType, body)
	if err != nil {
		return reply{}, err
	}
	return reply{ofStatus(response.StatusCode), text}, nil
}

func (v *visit) route() (reply, error) {
	return v.plain(http.MethodGet, "/v1/"+v.field()+"/"+v.owner, "", nil)
}

func (v *visit) json() []byte { return fmt.Appendf(nil, `{"owner":%q}`, v.owner) }

func (v *visit) path() string {
	if v.twin != "" {
		return "/vault.v1.Twins/" + v.twin + v.method
	}
	return "/vault.v1.Vault/" + v.method
}

func (v *visit) defaultPath() (reply, error) {
	return v.plain(http.MethodPost, v.path(), "application/json", v.json())
}

func (v *visit) overConnect() (reply, error) {
	v.header.Set("Connect-Protocol-Version", "1")
	return v.plain(http.MethodPost, v.path(), "application/json", v.json())
}

func (v *visit) overConnectGET() (reply, error) {
	query := url.Values{"connect": {"v1"}, "encoding": {"json"}, "message": {string(v.json())}}
	return v.plain(http.MethodGet, v.path()+"?"+query.Encode(), "", nil)
}

func (v *visit) overGRPC() (reply, error) {
	md := make(metadata.MD)
	for name, values := range v.header {
		md.Append(name, values...)
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), md), exchangeTimeout)
	defer cancel()
	answer := new(rawMessage)
	err := v.way.conn.Invoke(ctx, v.path(), &rawMessage{bytes: v.message()}, answer, grpc.ForceCodec(rawCodec{}))
	return reply{status.Code(err), answer.bytes}, nil
}

func (v *visit) overGRPCWeb(contentType string) (reply, error) {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(v.message())))
	frame = append(frame, v.message()...)
	text := strings.HasSuffix(contentType, "-text")
	if text {
		frame = []byte(base64.StdEncoding.EncodeToString(frame))
	}
	response, body, err := v.exchange(http.MethodPost, v.path(), contentType, frame)
	if err != nil || response.StatusCode != http.StatusOK {
		return reply{codes.Unknown, body}, err
	}
	if text {
		if body, err = decodeText(body); err != nil {
			return reply{}, err
		}
	}
	_, after, found := strings.Cut(string(body), "grpc-status: ")
	if !found {
		return reply{}, errors.New("no grpc-status in the trailers")
	}
	digits, _, _ := strings.Cut(after, "\r\n")
	code, err := strconv.Atoi(digits)
	return reply{codes.Code(code), body}, err
}

// decodeText decodes base64 that was padded after each frame.
func decodeText(text []byte) (out []byte, err error) {
	for len(text) > 0 {
		end := bytes.IndexByte(text, '=')
		for end >= 0 && end < len(text) && text[end] == '=' {
			end++
		}
		if end < 0 {
			end = len(text)
		}
		part, err := base64.StdEncoding.DecodeString(string(text[:end]))
		if err != nil {
			return nil, err
		}
		out, text = append(out, part...), text[end:]
	}
	return out, nil
}

func (v *visit) overGraphQL(document, field string) (reply, error) {
	body, err := json.Marshal(map[string]any{
		"query": fmt.Sprintf(document, field), "variables": map[string]any{"o": v.owner},
	})
	if err != nil {
		return reply{}, err
	}
	response, text, err := v.exchange(http.MethodPost, "/graphql", "application/json", body)
	if err != nil {
		return reply{}, err
	}
	return ofGraphQL(response, text)
}

func (v *visit) overGraphQLGET() (reply, error) {
	query := url.Values{"query": {fmt.Sprintf(`{ %s(owner: %q) { owner pin phone } }`, v.field(), v.owner)}}
	v.header.Set("Graphql-Preflight", "1")
	response, text, err := v.exchange(http.MethodGet, "/graphql?"+query.Encode(), "", nil)
	if err != nil {
		return reply{}, err
	}
	return ofGraphQL(response, text)
}

// ofGraphQL takes the code of the first error that is not about the pin alone.
func ofGraphQL(response *http.Response, text []byte) (reply, error) {
	var answer struct {
		Errors []struct {
			Path       []any
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return reply{}, fmt.Errorf("status %d, %q: %w", response.StatusCode, text, err)
	}
	for _, e := range answer.Errors {
		if n := len(e.Path); n > 0 {
			if last, _ := e.Path[n-1].(string); last == "pin" || last == "y" || last == "w" {
				continue
			}
		}
		switch e.Extensions.Code {
		case "UNAUTHENTICATED":
			return reply{codes.Unauthenticated, text}, nil
		case "PERMISSION_DENIED":
			return reply{codes.PermissionDenied, text}, nil
		default:
			return reply{codes.Unknown, text}, nil
		}
	}
	return reply{codes.OK, text}, nil
}
