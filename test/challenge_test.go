package test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestBackendsChallenge checks that a 401 that a backend decided on names the credentials that are wanted: those that
// the backend names, or else bearer tokens.
func TestBackendsChallenge(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"shapes.proto": shapesService})
	refuse := func(header metadata.MD, trailer bool) rpctest.Handler {
		return func(s *rpctest.Stream) error {
			switch {
			case trailer:
				s.SetTrailer(header)
			case header != nil:
				if err := s.SendHeader(header); err != nil {
					return err
				}
			}
			return status.Error(codes.Unauthenticated, "log in")
		}
	}
	backend := rpctest.Start(t, map[string]rpctest.Handler{
		shapeRead.path():    refuse(nil, false),
		shapeWrite.path():   refuse(metadata.Pairs("www-authenticate", `DPoP algs="ES256"`), false),
		shapeCollect.path(): refuse(metadata.Pairs("www-authenticate", `Basic realm="a"`), true),
		shapeWatch.path():   refuse(metadata.Pairs("www-authenticate", `Basic realm="b"`), true),
	}, rpctest.Reflect(snapshot.Backends[0]))
	g, stop := startGateway(t, &configv1.Config{Backends: []*configv1.Backend{backendAt("shapes", backend.Address)}})
	t.Cleanup(stop)
	for _, c := range []struct{ method, path, kind, want string }{
		{http.MethodGet, "/v1/note", "", "Bearer"},
		{http.MethodPost, shapeRead.path(), "application/json", "Bearer"},
		{http.MethodPost, shapeRead.path(), "application/proto", "Bearer"},
		{http.MethodPost, "/v1/note", "application/json", `DPoP algs="ES256"`},
		{http.MethodPost, shapeWrite.path(), "application/proto", `DPoP algs="ES256"`},
		{http.MethodPost, shapeCollect.path(), "application/x-ndjson", `Basic realm="a"`},
		{http.MethodPost, shapeWatch.path(), "application/json", `Basic realm="b"`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+g.Addr()+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.kind)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := strings.Join(res.Header["Www-Authenticate"], ", "); res.StatusCode != http.StatusUnauthorized || got != c.want {
			t.Errorf("%s %s as %q: %d, %q, want %q", c.method, c.path, c.kind, res.StatusCode, got, c.want)
		}
	}
}
