package test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/gorilla/websocket"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/auth/authtest"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// TestInvalidCredentials shows credentials that are no good to every door, also where it
// would have answered without any: each refuses in its own form.
func TestInvalidCredentials(t *testing.T) {
	h := startVault(t, nil)
	post := func(path, contentType, body string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, "http://"+h.address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", "Bearer nonsense")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, strings.TrimSpace(string(text))
	}
	const status = `{"code":16,"message":"the credentials are not valid","details":[]}`
	for _, c := range []struct{ path, contentType, body, want string }{
		{"/vault.v1.Vault/Public", "application/json", `{}`, status},
		{"/nowhere", "application/json", `{}`, status},
		{"/graphql", "application/json", `{"query":"{ __typename }"}`, `{"errors":[{"message":"the credentials are not valid","extensions":{"code":"UNAUTHENTICATED"}}]}`},
		{"/graphql/", "application/json", `{"query":"{ __typename }"}`, `{"errors":[{"message":"the credentials are not valid","extensions":{"code":"UNAUTHENTICATED"}}]}`},
		{"/vault.v1.Vault/Public", "application/proto", "", `{"code":"unauthenticated","message":"the credentials are not valid"}`},
	} {
		response, text := post(c.path, c.contentType, c.body)
		if response.StatusCode != http.StatusUnauthorized || text != c.want || response.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s %s: %d %s %v", c.path, c.contentType, response.StatusCode, text, response.Header)
		}
	}
	if response, text := post("/vault.v1.Vault/Public", "application/grpc-web", ""); response.StatusCode != http.StatusOK || !strings.Contains(text, "grpc-status: 16") {
		t.Errorf("gRPC-Web: %d %q", response.StatusCode, text)
	}
	ctx, conn := h.dial(t, "Bearer nonsense")
	err := conn.Invoke(ctx, "/grpc.health.v1.Health/Check", &rawMessage{}, &rawMessage{}, grpc.ForceCodec(rawCodec{}))
	checkStatus(t, "gRPC health", err, codes.Unauthenticated)
}

func checkStatus(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// dial connects to the gateway as gRPC. The context carries an Authorization header, unless that is empty.
func (h *vaultHouse) dial(t *testing.T, authorization string) (context.Context, *grpc.ClientConn) {
	t.Helper()
	conn, err := grpc.NewClient(h.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	t.Cleanup(cancel)
	if authorization != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", authorization)
	}
	return ctx, conn
}

// TestReflectionIsForThoseKnown asks for descriptors and for health.
func TestReflectionIsForThoseKnown(t *testing.T) {
	for _, public := range []bool{false, true} {
		h := startVault(t, func(c *configv1.Config) { c.ReflectionPublic = proto.Bool(public) })
		for authorization, want := range map[string]codes.Code{
			"": codes.Unauthenticated, "Bearer " + h.issuer.Token("bob", nil): codes.OK,
		} {
			if public {
				want = codes.OK
			}
			ctx, conn := h.dial(t, authorization)
			stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.Send(&reflectionv1.ServerReflectionRequest{
				MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
			}) // the status says more
			_, err = stream.Recv()
			checkStatus(t, "reflection", err, want)
			err = conn.Invoke(ctx, "/grpc.health.v1.Health/Check", &rawMessage{}, &rawMessage{}, grpc.ForceCodec(rawCodec{}))
			checkStatus(t, "health", err, codes.OK)
		}
	}
}

// TestReflectionTellsWhatMayBeCalled asks as several callers for the descriptors of a service.
func TestReflectionTellsWhatMayBeCalled(t *testing.T) {
	for _, public := range []bool{false, true} {
		h := startVault(t, func(c *configv1.Config) { c.ReflectionPublic = proto.Bool(public) })
		for _, c := range []struct {
			token string
			hides []string
		}{
			{h.issuer.Token("bob", nil), []string{"Scoped", "Kept", "Closed"}},
			{h.issuer.Token("bob", map[string]any{"scope": "open read"}), []string{"Kept", "Closed"}},
			{h.issuer.Token("bob", map[string]any{"roles": []string{"keeper"}}), []string{"Scoped", "Closed"}},
		} {
			ctx, conn := h.dial(t, "Bearer "+c.token)
			stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
			if err != nil {
				t.Fatal(err)
			}
			told := methodsTold(t, stream, "vault.v1.Vault")
			for _, name := range []string{"Known", "Public", "Scoped", "Kept", "Own", "Closed", "Hold", "Watch"} {
				if hidden := slices.Contains(c.hides, name) && !public; told[name] == hidden {
					t.Errorf("public %v: %s is told: %v", public, name, told[name])
				}
				_, found := fileOf(t, stream, "vault.v1.Vault."+name)
				if found != told[name] {
					t.Errorf("public %v: %s is found by name: %v", public, name, found)
				}
			}
		}
	}
}

// methodsTold returns the methods of a service by what reflection says of it.
func methodsTold(t *testing.T, stream reflectionv1.ServerReflection_ServerReflectionInfoClient, service string) map[string]bool {
	t.Helper()
	file, _ := fileOf(t, stream, service)
	told := make(map[string]bool)
	for _, s := range file.GetService() {
		if file.GetPackage()+"."+s.GetName() == service {
			for _, m := range s.GetMethod() {
				told[m.GetName()] = true
			}
		}
	}
	return told
}

// fileOf asks for the file of a symbol.
func fileOf(t *testing.T, stream reflectionv1.ServerReflection_ServerReflectionInfoClient, symbol string) (*descriptorpb.FileDescriptorProto, bool) {
	t.Helper()
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetErrorResponse() != nil {
		return nil, false
	}
	file := new(descriptorpb.FileDescriptorProto)
	if err := proto.Unmarshal(answer.GetFileDescriptorResponse().GetFileDescriptorProto()[0], file); err != nil {
		t.Fatal(err)
	}
	return file, true
}

// TestIdentityReachesBackend looks at what the backend is told, whatever the client says.
func TestIdentityReachesBackend(t *testing.T) {
	for _, forward := range []bool{false, true} {
		h := startVault(t, func(c *configv1.Config) {
			c.Backends[0].ForwardCredentials = proto.Bool(forward)
			c.Identity = &configv1.Identity{Claims: []string{"tenant"}}
		})
		token := "Bearer " + h.issuer.Token("bob", map[string]any{"tenant": "acme"})
		ctx, conn := h.dial(t, token)
		ctx = metadata.AppendToOutgoingContext(ctx, "x-protean-subject", "root", "x-protean-claim-tenant", "evil",
			"x_protean_subject", "root", "x.protean.subject", "root", "X-Protean-Issuer", "root")
		err := conn.Invoke(ctx, "/vault.v1.Vault/Known", &rawMessage{}, &rawMessage{}, grpc.ForceCodec(rawCodec{}))
		checkStatus(t, "the call", err, codes.OK)
		md := h.backend.Metadata("/vault.v1.Vault/Known")
		want := map[string]string{"x-protean-subject": "bob", "x-protean-claim-tenant": "acme", "x-protean-issuer": h.issuer.URL, "authorization": ""}
		if forward {
			want["authorization"] = token
		}
		for key, value := range want {
			if got := strings.Join(md.Get(key), ","); got != value {
				t.Errorf("%s: %q, want %q", key, got, value)
			}
		}
		for key := range md {
			if strings.HasPrefix(strings.NewReplacer("_", "-", ".", "-").Replace(key), "x-protean") && !strings.HasPrefix(key, "x-protean-") {
				t.Errorf("the backend sees %s", key)
			}
		}
	}
}

// TestAPIKeyStaysHere calls with a key, of which the backend hears nothing.
func TestAPIKeyStaysHere(t *testing.T) {
	h := startVault(t, nil)
	ctx, conn := h.dial(t, "")
	ctx = metadata.AppendToOutgoingContext(ctx, "x-api-key", robotKey)
	err := conn.Invoke(ctx, "/vault.v1.Vault/Known", &rawMessage{}, &rawMessage{}, grpc.ForceCodec(rawCodec{}))
	checkStatus(t, "the call", err, codes.OK)
	md := h.backend.Metadata("/vault.v1.Vault/Known")
	if len(md.Get("x-api-key")) != 0 || strings.Join(md.Get("x-protean-subject"), ",") != "robot" {
		t.Error(map[string][]string(md))
	}
}

// TestDeniedField asks for a field that the caller may not see, twice in one
// selection and once by way of a join.
func TestDeniedField(t *testing.T) {
	h := startVault(t, nil)
	bob := http.Header{"Authorization": {"Bearer " + h.issuer.Token("bob", nil)}}
	const denied = `"extensions":{"code":"PERMISSION_DENIED","grpc":{"code":7,"status":"PERMISSION_DENIED"}}}`
	for query, want := range map[string]string{
		`query($o: ID!) { a: known(owner: $o) { pin owner p: pin phone } }%.0s`: `{"errors":[` +
			`{"message":"the caller may not see this field","path":["a","pin"],` + denied + `,` +
			`{"message":"the caller may not see this field","path":["a","p"],` + denied + `],` +
			`"data":{"a":{"pin":null,"owner":"alice","p":null,"phone":"secret-phone"}}}`,
		`query($o: ID!) { hold(owner: $o) { known { pin } } }%.0s`: `{"errors":[` +
			`{"message":"the caller may not see this field","path":["hold","known","pin"],` + denied + `],` +
			`"data":{"hold":{"known":{"pin":null}}}}`,
	} {
		got, err := (&visit{way: h.way(t, "HTTP/1.1", h.address, nil, false), owner: "alice", header: bob}).overGraphQL(query, "")
		if err != nil || string(got.body) != want {
			t.Errorf("%s\n got %s\nwant %s\n%v", query, got.body, want, err)
		}
	}
	anonymous, err := (&visit{way: h.way(t, "HTTP/1.1", h.address, nil, false), method: "Public", owner: "alice", header: http.Header{}}).defaultPath()
	if err != nil || strings.TrimSpace(string(anonymous.body)) != `{"owner":"alice","pin":null,"phone":"***"}` {
		t.Errorf("%s, %v", anonymous.body, err)
	}
}

// dying is a token whose 30 s of grace end in a moment.
func (h *vaultHouse) dying() string {
	return h.issuer.Token("bob", map[string]any{"exp": float64(time.Now().UnixMilli())/1000 - 28.5})
}

func (h *vaultHouse) socket(t *testing.T) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: exchangeTimeout}
	conn, response, err := dialer.Dial("ws://"+h.address+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// converse sends messages and returns all that came until the socket closed.
func converse(t *testing.T, conn *websocket.Conn, messages ...string) string {
	t.Helper()
	for _, m := range messages {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	var said strings.Builder
	for {
		_, m, err := conn.ReadMessage()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			return said.String() + "close " + strconv.Itoa(closed.Code) + " " + closed.Text
		}
		if err != nil {
			t.Fatal(err, said.String())
		}
		said.Write(append(m, '\n'))
	}
}

func TestBadInit(t *testing.T) {
	h := startVault(t, nil)
	for _, payload := range []string{`{"authorization":"Bearer x"}`, `{"x-api-key":"x"}`, `{"authorization":7}`} {
		if said := converse(t, h.socket(t), `{"type":"connection_init","payload":`+payload+`}`); said != "close 4403 Forbidden" {
			t.Errorf("%s: %s", payload, said)
		}
	}
}

// TestAnonymousSocket subscribes without credentials: the operation is refused,
// the socket stays.
func TestAnonymousSocket(t *testing.T) {
	h := startVault(t, nil)
	conn := h.socket(t)
	for _, m := range []string{`{"type":"connection_init"}`, `{"type":"subscribe","id":"1","payload":{"query":"subscription { watch { owner } }"}}`} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"connection_ack", "UNAUTHENTICATED"} {
		if _, m, err := conn.ReadMessage(); err != nil || !strings.Contains(string(m), want) {
			t.Fatalf("%s, %v, want %s", m, err, want)
		}
	}
	if calls := h.backend.Calls("/vault.v1.Vault/Watch"); calls != 0 {
		t.Errorf("%d calls reached the backend", calls)
	}
}

// desk is a real ext_authz server that allows one path.
type desk struct {
	authv3.UnimplementedAuthorizationServer
	mu    sync.Mutex
	asked []string
}

func (d *desk) Check(_ context.Context, in *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	http := in.GetAttributes().GetRequest().GetHttp()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, http.GetPath())
	if http.GetHeaders()["authorization"] != "Basic b2s6b2s=" {
		return &authv3.CheckResponse{Status: &spb.Status{Code: int32(codes.PermissionDenied)}}, nil
	}
	return &authv3.CheckResponse{Status: &spb.Status{}}, nil
}

func TestExternalAuthorizer(t *testing.T) {
	d := new(desk)
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, d)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	h := startVault(t, func(c *configv1.Config) {
		c.Authenticators = nil
		c.Authorizers = []*configv1.Authorizer{{
			Name: proto.String("desk"), Address: proto.String(listener.Addr().String()), WithCredentials: proto.Bool(true),
		}}
		c.Policies = []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: &policyv1.Policy{
			Authorize: &policyv1.Authorize{Public: proto.Bool(true), External: proto.String("desk")},
		}}}
	})
	for authorization, want := range map[string]codes.Code{"": codes.PermissionDenied, "Basic b2s6b2s=": codes.OK} {
		for _, door := range doorways {
			v := &visit{way: h.way(t, "HTTP/1.1", h.address, nil, false), method: "Public", owner: "alice", header: http.Header{}}
			if authorization != "" {
				v.header.Set("Authorization", authorization)
			}
			if door.name == "GraphQL join" {
				continue // Hold is asked about first
			}
			got, err := door.call(v)
			if err != nil || got.code != want {
				t.Errorf("%s with %q: %v %q, %v", door.name, authorization, got.code, got.body, err)
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, path := range d.asked {
		if path != "/vault.v1.Vault/Public" {
			t.Errorf("asked about %s", path)
		}
	}
	if len(d.asked) != 2*(len(doorways)-1) {
		t.Errorf("asked %d times", len(d.asked))
	}
}

// TestClientCertificates calls over TLS with and without a certificate.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	certFile, keyFile := ca.issue(t, dir, "server", "127.0.0.1", false)
	h := startVault(t, func(c *configv1.Config) {
		c.Authenticators = []*configv1.Authenticator{{Name: proto.String("mesh"), Kind: &configv1.Authenticator_ClientCertificates{
			ClientCertificates: &configv1.ClientCertificates{Subject: configv1.ClientCertificates_SUBJECT_COMMON_NAME.Enum()},
		}}}
		c.Tls = &configv1.ListenerTLS{CertFile: &certFile, KeyFile: &keyFile, ClientCaFile: proto.String(ca.file)}
	})
	roots := x509.NewCertPool()
	roots.AddCert(ca.certificate)
	own := func(a *authority, name string) []tls.Certificate {
		cert, key := a.issue(t, t.TempDir(), name, "", true)
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	stranger := newAuthority(t, t.TempDir())
	for name, c := range map[string]struct {
		certificates []tls.Certificate
		want         int // 0: the handshake fails
	}{
		"none":       {nil, http.StatusUnauthorized},
		"cart":       {own(ca, "cart"), http.StatusOK},
		"a stranger": {own(stranger, "cart"), 0},
	} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: c.certificates}}
		if len(c.certificates) > 0 { // also one that the server does not ask for
			transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &c.certificates[0], nil
			}
		}
		response, err := (&http.Client{Transport: transport}).Get("https://" + h.address + "/v1/known/x")
		got := 0
		if err == nil {
			got = response.StatusCode
			response.Body.Close()
		}
		if got != c.want {
			t.Errorf("%s: %d, %v", name, got, err)
		}
		transport.CloseIdleConnections()
	}
	if got := strings.Join(h.backend.Metadata("/vault.v1.Vault/Known").Get("x-protean-subject"), ","); got != "cart" {
		t.Errorf("the backend was told of %q", got)
	}
}

// TestRotationUnderLoad replaces the issuer's key while clients call with tokens
// of the newest key.
func TestRotationUnderLoad(t *testing.T) {
	h := startVault(t, nil)
	call := func(token string) int {
		r, err := http.NewRequest(http.MethodGet, "http://"+h.address+"/v1/known/x", nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		response.Body.Close()
		return response.StatusCode
	}
	old := h.issuer.Current()
	if got := call(h.issuer.Token("bob", nil)); got != http.StatusOK {
		t.Fatal(got)
	}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if got := call(h.issuer.Token("bob", nil)); got != http.StatusOK {
						t.Errorf("a good token is refused with %d", got)
						return
					}
				}
			}
		})
	}
	h.issuer.Rotate(2)
	for range 100 {
		if got := call(old.Token(h.issuer.Claims("bob", nil))); got != http.StatusOK {
			t.Errorf("a token of the key before is refused with %d", got)
			break
		}
	}
	close(stop)
	clients.Wait()
	if got := call((&authtest.Key{ID: old.ID, Private: authtest.Start(t).Current().Private}).Token(h.issuer.Claims("bob", nil))); got != http.StatusUnauthorized {
		t.Errorf("a forged token: %d", got)
	}
}
