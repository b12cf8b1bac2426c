package auth

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

// Authorizer is a server of Envoy's ext_authz API (envoy.service.auth.v3).
type Authorizer struct {
	// Check asks the server. It may be called concurrently.
	Check func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error)
	// Timeout is how long an answer may take. 0 means 1 s.
	Timeout time.Duration
	// WithCredentials sends the client's Authorization header along.
	WithCredentials bool
}

const defaultCheckTimeout = time.Second

// decide asks about a call. Where it is allowed, the call comes back with the headers
// that the server wants the backend to see. Of an answer nothing else counts: what a
// denial says to HTTP clients has no place on other doors.
func (a *Authorizer) decide(ctx context.Context, c *rpc.Call, p *rpc.Principal) (*rpc.Call, error) {
	timeout := a.Timeout
	if timeout == 0 {
		timeout = defaultCheckTimeout
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := a.Check(asking, a.question(ctx, c, p))
	if ctx.Err() != nil {
		return nil, rpc.ContextError(ctx)
	}
	if err != nil {
		return nil, &refusal{codes.Unavailable, "the call cannot be authorized at the moment; try again later",
			"the authorizer cannot be asked"}
	}
	if code := codes.Code(answer.GetStatus().GetCode()); code != codes.OK || answer.GetDeniedResponse() != nil {
		return nil, denied(code, answer.GetDeniedResponse())
	}
	return withHeaders(c, answer.GetOkResponse()), nil
}

// denied makes a refusal of a denial: the HTTP status in it says most.
func denied(code codes.Code, response *authv3.DeniedHttpResponse) error {
	switch httpStatus := response.GetStatus().GetCode(); {
	case httpStatus == 401 || httpStatus == 0 && code == codes.Unauthenticated:
		return &refusal{codes.Unauthenticated, needCredentials, "the authorizer wants credentials"}
	case httpStatus == 429 || httpStatus == 0 && code == codes.ResourceExhausted:
		return &refusal{codes.ResourceExhausted, "too many calls", "the authorizer says that there are too many calls"}
	default:
		return &refusal{codes.PermissionDenied, notAllowed, "the authorizer denies the call"}
	}
}

// question describes a call as if it had come as gRPC, whatever the door.
func (a *Authorizer) question(ctx context.Context, c *rpc.Call, p *rpc.Principal) *authv3.CheckRequest {
	headers := make(map[string]string, len(c.Metadata)+4)
	for key, values := range c.Metadata {
		if !strings.HasSuffix(key, "-bin") {
			headers[key] = strings.Join(values, ",")
		}
	}
	headers[":method"], headers[":path"] = "POST", c.Method.Path
	headers["content-type"] = "application/grpc"
	if text := authorizationFrom(ctx); a.WithCredentials && text != "" {
		headers["authorization"] = text
	}
	source := &authv3.AttributeContext_Peer{Address: addressOf(c.Peer)}
	if p != nil {
		source.Principal = p.Subject
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: source,
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "POST", Path: c.Method.Path, Scheme: "http", Protocol: "HTTP/2", Headers: headers,
			Size: int64(len(c.Request)),
		}},
		ContextExtensions: map[string]string{
			"backend": c.Method.Service.Backend.Name,
			"door":    string(c.Door),
		},
	}}
}

func addressOf(peer string) *corev3.Address {
	host, port, err := net.SplitHostPort(peer)
	number, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil {
		return nil
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(number)},
	}}}
}

// withHeaders returns the call with metadata as an authorizer wants it. Names that
// are not free are left alone.
func withHeaders(c *rpc.Call, ok *authv3.OkHttpResponse) *rpc.Call {
	if len(ok.GetHeaders()) == 0 && len(ok.GetHeadersToRemove()) == 0 {
		return c
	}
	md := c.Metadata.Copy()
	added := make([]string, 0, len(ok.GetHeadersToRemove())+len(ok.GetHeaders()))
	for _, name := range ok.GetHeadersToRemove() {
		if key := strings.ToLower(name); isFree(key) {
			delete(md, key)
			added = append(added, key)
		}
	}
	for _, option := range ok.GetHeaders() {
		setHeader(md, option)
		added = append(added, strings.ToLower(option.GetHeader().GetKey()))
	}
	slices.Sort(added)
	other := c.WithMetadata(md)
	other.Added = addedTo(c, slices.Compact(added))
	return other
}

func setHeader(md metadata.MD, option *corev3.HeaderValueOption) {
	key := strings.ToLower(option.GetHeader().GetKey())
	value := option.GetHeader().GetValue()
	if raw := option.GetHeader().GetRawValue(); len(raw) > 0 {
		value = string(raw)
	}
	if !isFree(key) || !isPrintable(value) {
		return
	}
	//nolint:staticcheck // servers still say it in the deprecated field
	if option.GetAppend().GetValue() {
		md.Append(key, value)
		return
	}
	md.Set(key, value)
}

// isFree reports whether an authorizer may set a metadata key: the names of
// protocols and of the gateway are not free, nor are binary ones.
func isFree(key string) bool {
	if key == "" || strings.HasSuffix(key, "-bin") {
		return false
	}
	for i := range len(key) {
		c := key[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	folded := strings.NewReplacer("_", "-", ".", "-").Replace(key)
	for _, prefix := range [...]string{"grpc-", "connect-", identityPrefix} {
		if strings.HasPrefix(folded, prefix) {
			return false
		}
	}
	switch folded {
	case "content-type", "content-length", "content-encoding", "te", "host", "connection", "user-agent",
		"transfer-encoding", "upgrade", "trailer", "keep-alive", "proxy-connection":
		return false
	}
	return true
}

func isPrintable(value string) bool {
	for i := range len(value) {
		if value[i] < 0x20 || value[i] > 0x7e {
			return false
		}
	}
	return true
}
