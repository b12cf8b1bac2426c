package auth_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/auth/authtest"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
)

// secret stands in for the gateway's own.
func secret(value string) (string, error) {
	if value == "env:SECRET" {
		return authtest.ClientSecret, nil
	}
	return value, nil
}

func jwtConfig(i *authtest.Issuer) *configv1.Authenticator {
	return &configv1.Authenticator{Name: proto.String("login"), Kind: &configv1.Authenticator_Jwt{Jwt: &configv1.JWT{
		Issuer:     proto.String(i.URL),
		Audiences:  []string{authtest.Audience},
		RolesClaim: proto.String("realm_access.roles"),
	}}}
}

// keyFile is an issuer whose keys are in a file.
func keyFile(t testing.TB, i *authtest.Issuer, keys ...map[string]any) *configv1.Authenticator {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jwks.json")
	writeKeys(t, file, keys...)
	c := jwtConfig(i)
	c.GetJwt().Keys = &configv1.JWT_JwksFile{JwksFile: file}
	return c
}

func writeKeys(t testing.TB, file string, keys ...map[string]any) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestToken(t *testing.T) {
	issuer := authtest.Start(t)
	a := authenticators(t, jwtConfig(issuer))
	token := issuer.Token("alice", map[string]any{
		"aud":          []string{"other", authtest.Audience},
		"scope":        "read  write",
		"realm_access": map[string]any{"roles": []string{"editor"}},
		"level":        3,
	})
	p, err := a.FromRequest(bearer(t, token))
	if err != nil {
		t.Fatal(err)
	}
	if p.Subject != "alice" || p.Issuer != issuer.URL || p.Authenticator != "login" ||
		!slices.Equal(p.Scopes, []string{"read", "write"}) || !slices.Equal(p.Roles, []string{"editor"}) ||
		p.Claims["level"] != int64(3) || p.Expires.IsZero() {
		t.Errorf("%+v", p)
	}
	again, err := a.FromRequest(bearer(t, token))
	if err != nil || again != p {
		t.Errorf("a checked token is checked again: %v", err)
	}
	if got := issuer.Calls("/jwks"); got != 1 {
		t.Errorf("the keys were fetched %d times", got)
	}
}

// TestSkew accepts what another clock makes look too old or too new.
func TestSkew(t *testing.T) {
	issuer := authtest.Start(t)
	a := authenticators(t, jwtConfig(issuer))
	now := time.Now().Unix()
	for _, claims := range []map[string]any{
		{"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}, {"exp": float64(now) + 0.5}, {"iat": nil, "nbf": 0},
	} {
		if _, err := a.FromRequest(bearer(t, issuer.Current().Token(changed(issuer.Claims("alice", nil), claims)))); err != nil {
			t.Errorf("%v: %v", claims, err)
		}
	}
}

func TestCredentialsAbsentOrDouble(t *testing.T) {
	issuer := authtest.Start(t)
	a := authenticators(t, jwtConfig(issuer), apiKeyConfig(t, "robot", "k1"))
	good := "Bearer " + issuer.Token("alice", nil)
	for name, c := range map[string]struct {
		header  http.Header
		subject string
		code    codes.Code
	}{
		"none":                  {http.Header{}, "", codes.OK},
		"token":                 {http.Header{"Authorization": {good}}, "alice", codes.OK},
		"scheme in small":       {http.Header{"Authorization": {strings.Replace(good, "Bearer", "bearer", 1)}}, "alice", codes.OK},
		"key":                   {http.Header{"X-Api-Key": {"k1"}}, "robot", codes.OK},
		"both":                  {http.Header{"Authorization": {good}, "X-Api-Key": {"k1"}}, "", codes.Unauthenticated},
		"two tokens":            {http.Header{"Authorization": {good, good}}, "", codes.Unauthenticated},
		"two keys":              {http.Header{"X-Api-Key": {"k1", "k1"}}, "", codes.Unauthenticated},
		"good token, wrong key": {http.Header{"Authorization": {good}, "X-Api-Key": {"x"}}, "", codes.Unauthenticated},
		"basic":                 {http.Header{"Authorization": {"Basic YTpi"}}, "", codes.Unauthenticated},
		"empty":                 {http.Header{"Authorization": {""}}, "", codes.Unauthenticated},
		"empty key":             {http.Header{"X-Api-Key": {""}}, "", codes.Unauthenticated},
		"scheme alone":          {http.Header{"Authorization": {"Bearer"}}, "", codes.Unauthenticated},
	} {
		r := bearer(t, "")
		r.Header = c.header
		p, err := a.FromRequest(r)
		if status.Code(err) != c.code || (p == nil) != (c.subject == "") || p != nil && p.Subject != c.subject {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestRotation replaces keys under load, with the issuer down now and then. No token is refused whose key is
// published, and none is accepted once its key is gone. `make promises` does it with a gateway
// and real pauses.
func TestRotation(t *testing.T) {
	issuer := authtest.Start(t)
	config := jwtConfig(issuer)
	config.GetJwt().RefreshInterval = durationpb.New(time.Hour)
	a := authenticators(t, config)
	a.SetUnknownPause(50 * time.Millisecond)
	good, bad := issuer.RotateUnderLoad(t, authtest.Rotation{
		Times: 5, Callers: 4, Down: 150 * time.Millisecond,
		Call: func(token string) error {
			_, err := a.FromRequest(bearer(t, token))
			return err
		},
	})
	t.Logf("%d calls with good tokens, %d with bad ones", good, bad)
}

// TestCacheEndsWithItsKey shows a token that was accepted once again when its key is gone.
func TestCacheEndsWithItsKey(t *testing.T) {
	issuer := authtest.Start(t)
	a := authenticators(t, jwtConfig(issuer))
	a.SetUnknownPause(0)
	old := issuer.Token("alice", nil)
	if _, err := a.FromRequest(bearer(t, old)); err != nil {
		t.Fatal(err)
	}
	issuer.Rotate(1)
	if _, err := a.FromRequest(bearer(t, issuer.Token("bob", nil))); err != nil {
		t.Fatal(err)
	}
	if _, err := a.FromRequest(bearer(t, old)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("%v", err)
	}
}

// TestUnknownKeys asks for keys that nobody has: the issuer hears of it once.
func TestUnknownKeys(t *testing.T) {
	issuer := authtest.Start(t)
	a := authenticators(t, jwtConfig(issuer))
	stranger := authtest.Start(t).Current()
	if _, err := a.FromRequest(bearer(t, issuer.Token("alice", nil))); err != nil {
		t.Fatal(err)
	}
	before := issuer.Calls("/jwks")
	for range 100 {
		stranger.ID += "x"
		if _, err := a.FromRequest(bearer(t, stranger.Token(issuer.Claims("mallory", nil)))); err == nil {
			t.Fatal("accepted")
		}
	}
	if got := issuer.Calls("/jwks") - before; got > 1 {
		t.Errorf("the issuer was asked %d times", got)
	}
}

// TestIssuerDown keeps the last good keys, and says UNAVAILABLE where there are none.
func TestIssuerDown(t *testing.T) {
	issuer := authtest.Start(t)
	a, late := authenticators(t, jwtConfig(issuer)), authenticators(t, jwtConfig(issuer))
	a.SetUnknownPause(0)
	if _, err := a.FromRequest(bearer(t, issuer.Token("alice", nil))); err != nil {
		t.Fatal(err)
	}
	issuer.SetDown(true)
	if _, err := a.FromRequest(bearer(t, issuer.Token("bob", nil))); err != nil {
		t.Errorf("the last good keys do not count: %v", err)
	}
	if _, err := late.FromRequest(bearer(t, issuer.Token("bob", nil))); status.Code(err) != codes.Unavailable {
		t.Errorf("without keys: %v", err)
	}
	issuer.Rotate(2)
	if _, err := a.FromRequest(bearer(t, issuer.Token("bob", nil))); status.Code(err) != codes.Unavailable {
		t.Errorf("a key that is new in an outage: %v", err)
	}
	issuer.SetDown(false)
	if _, err := a.FromRequest(bearer(t, issuer.Token("bob", nil))); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	issuer.SetDown(true)
	stranger := authtest.Start(t).Current()
	stranger.ID = "stranger"
	if _, err := a.FromRequest(bearer(t, stranger.Token(issuer.Claims("mallory", nil)))); status.Code(err) != codes.Unavailable {
		t.Errorf("a key that may be new: %v", err)
	}
	stranger.ID = issuer.Current().ID
	if _, err := a.FromRequest(bearer(t, stranger.Token(issuer.Claims("mallory", nil)))); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a forged token of a known key: %v", err)
	}
}

func apiKeyConfig(t testing.TB, subject, key string) *configv1.Authenticator {
	t.Helper()
	return &configv1.Authenticator{Name: proto.String("keys"), Kind: &configv1.Authenticator_ApiKeys{ApiKeys: &configv1.APIKeys{
		Keys: []*configv1.APIKey{
			{Sha256: proto.String(hashOf(key)), Subject: proto.String(subject), Scopes: []string{"read"}},
			{Sha256: proto.String(hashOf("old")), Subject: proto.String("x"), Expires: timestamppb.New(time.Unix(1, 0))},
		},
	}}}
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func TestAPIKeys(t *testing.T) {
	config := apiKeyConfig(t, "robot", "k1")
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, []byte(`{"keys":[{"sha256":"`+hashOf("k2")+`","subject":"file","roles":["a"]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	config.GetApiKeys().File = proto.String(file)
	config.GetApiKeys().Header = proto.String("x-robot")
	a := authenticators(t, config)
	for key, want := range map[string]string{
		"k1": "robot", "k2": "file", "old": "", "k3": "", hashOf("k1"): "", "K1": "", "k1 ": "", strings.Repeat("k", 5000): "",
	} {
		r := bearer(t, "")
		r.Header = http.Header{"X-Robot": {key}}
		p, err := a.FromRequest(r)
		if (want == "") != (err != nil) || p != nil && p.Subject != want {
			t.Errorf("%.10s: %+v, %v", key, p, err)
		}
	}
}

func TestConfigurationErrors(t *testing.T) {
	issuer := authtest.Start(t)
	jwt := func(change func(*configv1.JWT)) *configv1.Authenticator {
		c := jwtConfig(issuer)
		change(c.GetJwt())
		return c
	}
	keys := func(change func(*configv1.APIKeys)) *configv1.Authenticator {
		c := apiKeyConfig(t, "robot", "k1")
		change(c.GetApiKeys())
		return c
	}
	for want, list := range map[string][]*configv1.Authenticator{
		"must be https":               {jwt(func(c *configv1.JWT) { c.Issuer = proto.String("http://login.example") })},
		"not the address of a server": {jwt(func(c *configv1.JWT) { c.Keys = &configv1.JWT_JwksUrl{JwksUrl: "https://u:p@host/"} })},
		"name who the tokens are for": {jwt(func(c *configv1.JWT) { c.Audiences = nil })},
		"two authenticators":          {jwtConfig(issuer), jwtConfig(issuer)},
		"has the same issuer":         {jwtConfig(issuer), jwt(func(*configv1.JWT) {})},
		"64 hexadecimal digits":       {keys(func(c *configv1.APIKeys) { c.Keys[0].Sha256 = proto.String("k1") })},
		"Authorization is for tokens": {keys(func(c *configv1.APIKeys) { c.Header = proto.String("authorization") })},
		"no such file":                {keys(func(c *configv1.APIKeys) { c.File = proto.String("/does/not/exist") })},
		"same digest":                 {keys(func(c *configv1.APIKeys) { c.Keys[1].Sha256 = c.Keys[0].Sha256 })},
		"its kind is missing":         {{Name: proto.String("x")}},
		"not the secret itself": {{Name: proto.String("x"), Kind: &configv1.Authenticator_Introspection{
			Introspection: &configv1.Introspection{Url: proto.String(issuer.URL), ClientSecret: proto.String("s3cret")},
		}}},
	} {
		if want == "has the same issuer" {
			list[1].Name = proto.String("other")
		}
		_, err := auth.NewAuthenticators(list, auth.Options{Secret: secret})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	uri, err := url.Parse("spiffe://shop/cart")
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		Subject:      pkix.Name{CommonName: "cart", OrganizationalUnit: []string{"checkout"}},
		Issuer:       pkix.Name{CommonName: "shop CA"},
		DNSNames:     []string{"cart.shop"},
		URIs:         []*url.URL{uri},
		SerialNumber: big.NewInt(7),
		NotAfter:     time.Now().Add(time.Hour),
	}
	verified := [][]*x509.Certificate{{leaf}}
	for _, c := range []struct {
		subject configv1.ClientCertificates_Subject
		want    string
	}{
		{configv1.ClientCertificates_SUBJECT_UNSPECIFIED, "spiffe://shop/cart"},
		{configv1.ClientCertificates_SUBJECT_URI, "spiffe://shop/cart"},
		{configv1.ClientCertificates_SUBJECT_DNS, "cart.shop"},
		{configv1.ClientCertificates_SUBJECT_COMMON_NAME, "cart"},
	} {
		a := authenticators(t, &configv1.Authenticator{
			Name: proto.String("mesh"),
			Kind: &configv1.Authenticator_ClientCertificates{ClientCertificates: &configv1.ClientCertificates{
				Subject: c.subject.Enum(), RolesFromUnits: proto.Bool(true),
			}},
		})
		r := bearer(t, "")
		r.Header = nil
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: verified}
		p, err := a.FromRequest(r)
		if err != nil || p.Subject != c.want || p.Issuer != "CN=shop CA" || !slices.Equal(p.Roles, []string{"checkout"}) {
			t.Errorf("%v: %+v, %v", c.subject, p, err)
		}
		r.TLS.VerifiedChains = nil
		if _, err := a.FromRequest(r); status.Code(err) != codes.Unauthenticated {
			t.Errorf("not verified: %v", err)
		}
		r.TLS = new(tls.ConnectionState)
		if p, err := a.FromRequest(r); p != nil || err != nil {
			t.Errorf("no certificate: %+v, %v", p, err)
		}
	}
}

func introspectionConfig(i *authtest.Issuer) *configv1.Authenticator {
	return &configv1.Authenticator{Name: proto.String("opaque"), Kind: &configv1.Authenticator_Introspection{
		Introspection: &configv1.Introspection{
			Url:          proto.String(i.URL + "/introspect"),
			ClientId:     proto.String(authtest.ClientID),
			ClientSecret: proto.String("env:SECRET"),
			Audiences:    []string{authtest.Audience},
		},
	}}
}

func TestIntrospection(t *testing.T) {
	issuer := authtest.Start(t)
	a := authenticators(t, introspectionConfig(issuer))
	issuer.Grant("t1", map[string]any{"sub": "alice", "aud": authtest.Audience, "scope": "read write"})
	issuer.Grant("t2", map[string]any{"client_id": "robot", "aud": []string{authtest.Audience}})
	issuer.Grant("other", map[string]any{"sub": "alice", "aud": "other"})
	issuer.Grant("late", map[string]any{"sub": "alice", "aud": authtest.Audience, "exp": 1})
	issuer.Grant("nobody", map[string]any{"aud": authtest.Audience})
	for token, want := range map[string]string{"t1": "alice", "t2": "robot", "other": "", "late": "", "nobody": "", "unknown": ""} {
		p, err := a.FromRequest(bearer(t, token))
		if (want == "") != (status.Code(err) == codes.Unauthenticated) || p != nil && p.Subject != want {
			t.Errorf("%s: %+v, %v", token, p, err)
		}
	}
	asked := issuer.Calls("/introspect")
	for range 10 {
		if _, err := a.FromRequest(bearer(t, "t1")); err != nil {
			t.Error(err)
		}
		if _, err := a.FromRequest(bearer(t, "unknown")); err == nil {
			t.Error("accepted")
		}
	}
	if got := issuer.Calls("/introspect") - asked; got != 0 {
		t.Errorf("asked %d times about what is known", got)
	}
	issuer.SetDown(true)
	if _, err := a.FromRequest(bearer(t, "t3")); status.Code(err) != codes.Unavailable {
		t.Errorf("no answer: %v", err)
	}
}

func TestPayload(t *testing.T) {
	issuer := authtest.Start(t)
	a := authenticators(t, jwtConfig(issuer), apiKeyConfig(t, "robot", "k1"))
	token := issuer.Token("alice", nil)
	for name, c := range map[string]struct {
		payload, subject string
		before           *rpc.Principal
		code             codes.Code
	}{
		"none":               {"", "", nil, codes.OK},
		"nothing in it":      {`{"x":1}`, "", nil, codes.OK},
		"token":              {`{"Authorization":"Bearer ` + token + `"}`, "alice", nil, codes.OK},
		"small letters":      {`{"authorization":"Bearer ` + token + `"}`, "alice", nil, codes.OK},
		"key":                {`{"x-api-key":"k1"}`, "robot", nil, codes.OK},
		"two cases":          {`{"authorization":"Bearer ` + token + `","Authorization":"Bearer ` + token + `"}`, "", nil, codes.Unauthenticated},
		"wrong":              {`{"authorization":"Bearer x"}`, "", nil, codes.Unauthenticated},
		"no text":            {`{"authorization":7}`, "", nil, codes.Unauthenticated},
		"duplicate":          {`{"x-api-key":"k1","x-api-key":"k1"}`, "", nil, codes.Unauthenticated},
		"headers said so":    {`{"x-api-key":"k1"}`, "", &rpc.Principal{Authenticator: "login", Subject: "alice"}, codes.Unauthenticated},
		"headers before":     {`{}`, "alice", &rpc.Principal{Authenticator: "login", Subject: "alice"}, codes.OK},
		"no object, not one": {`[]`, "", nil, codes.Unauthenticated},
	} {
		ctx := context.Background()
		if c.before != nil {
			ctx = rpc.WithPrincipal(ctx, c.before)
		}
		ctx, err := a.FromPayload(ctx, []byte(c.payload), false)
		if status.Code(err) != c.code {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			continue
		}
		if p := rpc.PrincipalFrom(ctx); (p == nil) != (c.subject == "") || p != nil && p.Subject != c.subject {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestShownAgain checks credentials again that were good, after something has changed.
func TestShownAgain(t *testing.T) {
	issuer := authtest.Start(t)
	now := new(auth.Authenticators)
	recheck := auth.Recheck{Now: func() *auth.Authenticators { return now }, Every: time.Hour}
	with := func(configs ...*configv1.Authenticator) *auth.Authenticators {
		a, err := auth.NewAuthenticators(configs, auth.Options{Secret: secret, Recheck: recheck})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	keys := apiKeyConfig(t, "robot", "k1")
	first := issuer.Current()
	login := keyFile(t, issuer, first.JWK())
	token := http.Header{"Authorization": {"Bearer " + issuer.Token("alice", nil)}}
	issuer.Rotate(1)
	for name, test := range map[string]struct {
		header http.Header
		after  []*configv1.Authenticator
		code   codes.Code
	}{
		"as it was":                 {http.Header{"X-Api-Key": {"k1"}}, []*configv1.Authenticator{keys, login}, codes.OK},
		"another key":               {http.Header{"X-Api-Key": {"k1"}}, []*configv1.Authenticator{apiKeyConfig(t, "robot", "k2")}, codes.Unauthenticated},
		"the key is another's":      {http.Header{"X-Api-Key": {"k1"}}, []*configv1.Authenticator{apiKeyConfig(t, "cat", "k1")}, codes.Unauthenticated},
		"no authenticator":          {http.Header{"X-Api-Key": {"k1"}}, nil, codes.Unauthenticated},
		"less than before":          {http.Header{"X-Api-Key": {"k1"}}, []*configv1.Authenticator{lesser(keys)}, codes.Unauthenticated},
		"a token, as it was":        {token, []*configv1.Authenticator{login}, codes.OK},
		"a token whose key is gone": {token, []*configv1.Authenticator{keyFile(t, issuer, issuer.Current().JWK())}, codes.Unauthenticated},
	} {
		before := with(keys, login)
		r := bearer(t, "")
		r.Header = test.header
		again, err := before.ShownAgain(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		now = with(test.after...)
		if err := again(t.Context()); status.Code(err) != test.code {
			t.Errorf("%s: %v, want %v", name, err, test.code)
		}
	}
}

// lesser are the same keys with no scope.
func lesser(c *configv1.Authenticator) *configv1.Authenticator {
	c = proto.CloneOf(c)
	c.GetApiKeys().Keys[0].Scopes = nil
	return c
}

// TestVerifiedTokensAreBounded shows more tokens than are remembered: each is good, and memory does not grow with them.
func TestVerifiedTokensAreBounded(t *testing.T) {
	const bound = 2 * (4<<20 + 64<<10) // two generations, and one token more
	bytes, entries := auth.RememberTokens(40_000, 1<<10)
	if bytes > bound || entries == 0 {
		t.Errorf("%d tokens of %d bytes are remembered", entries, bytes)
	}
}
