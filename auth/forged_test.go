package auth_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/auth/authtest"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// forgery is a token that must not be accepted.
type forgery struct{ name, token string }

// forger makes tokens that are wrong in one way each.
type forger struct {
	issuer *authtest.Issuer
	key    *authtest.Key
	all    []forgery
}

func (f *forger) add(name, token string) { f.all = append(f.all, forgery{name, token}) }

// header returns the header of a good token with changes; nil takes a member away.
func (f *forger) header(changes map[string]any) map[string]any {
	return changed(map[string]any{"alg": "ES256", "kid": f.key.ID, "typ": "JWT"}, changes)
}

func (f *forger) claims(changes map[string]any) map[string]any {
	return changed(f.issuer.Claims("mallory", nil), changes)
}

func changed(base, changes map[string]any) map[string]any {
	maps.Copy(base, changes)
	for name, value := range changes {
		if value == nil {
			delete(base, name)
		}
	}
	return base
}

func (f *forger) text(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// unsigned returns the two parts that are signed.
func (f *forger) unsigned(header, claims any) string {
	return authtest.Base64(f.text(header)) + "." + authtest.Base64(f.text(claims))
}

// algorithms are tokens without a signature and with a symmetric one, for which
// the public key is the secret.
func (f *forger) algorithms() {
	good := f.key.Token(f.claims(nil))
	signature := good[strings.LastIndexByte(good, '.')+1:]
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", " none", "null", "es256", "Es256", "ES256 ", "ES256K", "HS1", "RS1"} {
		parts := f.unsigned(f.header(map[string]any{"alg": alg}), f.claims(nil))
		f.add("alg "+alg+" without signature", parts+".")
		f.add("alg "+alg+" with a signature of another token", parts+"."+signature)
		f.add("alg "+alg+" signed", f.key.Sign(f.header(map[string]any{"alg": alg}), f.claims(nil)))
	}
	for _, alg := range []any{nil, 7, true, []string{"ES256"}, map[string]any{"alg": "ES256"}} {
		header := f.header(nil)
		header["alg"] = alg
		f.add(fmt.Sprintf("alg %v", alg), f.key.Sign(header, f.claims(nil)))
	}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "EdDSA"} {
		f.add("alg "+alg+" for an EC key", f.key.Sign(f.header(map[string]any{"alg": alg}), f.claims(nil)))
	}
}

// symmetric are HMACs with everything public that somebody might take for a secret.
func (f *forger) symmetric() {
	der, err := x509.MarshalPKIXPublicKey(f.key.Public())
	if err != nil {
		panic(err)
	}
	point, err := f.key.Private.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	secrets := map[string][]byte{
		"DER":   der,
		"PEM":   pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"point": point,
		"JWK":   []byte(f.text(f.key.JWK())),
		"kid":   []byte(f.key.ID),
		"empty": {},
	}
	for alg, h := range map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New} {
		for name, secret := range secrets {
			parts := f.unsigned(f.header(map[string]any{"alg": alg}), f.claims(nil))
			mac := hmac.New(h, secret)
			mac.Write([]byte(parts))
			f.add(alg+" with the "+name, parts+"."+authtest.Base64(string(mac.Sum(nil))))
		}
	}
}

// keys are tokens that bring their key along or name another.
func (f *forger) keys(own *authtest.Key) {
	f.add("another's key under our kid", (&authtest.Key{ID: f.key.ID, Private: own.Private}).Token(f.claims(nil)))
	f.add("another's key without kid", own.Sign(f.header(map[string]any{"kid": nil}), f.claims(nil)))
	for _, kid := range []string{
		"", "unknown", "../../../../dev/null", "/dev/null", "' OR '1'='1", "key-1\x00", "key-1 ", " key-1", "KEY-1",
		"key-1\n", "ｋｅｙ-1", "key‐1", "http://127.0.0.1/jwks", "key-1/../key-1", "file:///etc/passwd", "%6bey-1", strings.Repeat("k", 4000),
	} {
		f.add(fmt.Sprintf("kid %.20q", kid), own.Sign(f.header(map[string]any{"kid": kid}), f.claims(nil)))
		f.add(fmt.Sprintf("kid %.20q and our key", kid), f.key.Sign(f.header(map[string]any{"kid": kid}), f.claims(nil)))
	}
	for _, kid := range []any{7, true, []string{f.key.ID}, map[string]any{"kid": f.key.ID}} {
		f.add(fmt.Sprintf("kid %v", kid), f.key.Sign(f.header(map[string]any{"kid": kid}), f.claims(nil)))
	}
	for name, value := range map[string]any{
		"jwk": own.JWK(), "jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/cert", "x5c": []string{"MIIB"},
		"crit": []string{"exp"}, "b64": false, "zip": "DEF", "enc": "A256GCM", "cty": "JWT",
	} {
		f.add(name+" with another's key", own.Sign(f.header(map[string]any{name: value}), f.claims(nil)))
		f.add(name+" with our key", f.key.Sign(f.header(map[string]any{name: value}), f.claims(nil)))
	}
	f.add("crit that is empty", f.key.Sign(f.header(map[string]any{"crit": []string{}}), f.claims(nil)))
	f.add("b64 that is true", f.key.Sign(f.header(map[string]any{"b64": true}), f.claims(nil)))
	for _, typ := range []any{"dpop+jwt", "logout+jwt", "secevent+jwt", "id_token", "", 7, "JWT ", "entity-statement+jwt"} {
		f.add(fmt.Sprintf("typ %v", typ), f.key.Sign(f.header(map[string]any{"typ": typ}), f.claims(nil)))
	}
}

// badClaims are signed with the right key and say the wrong thing.
func (f *forger) badClaims() {
	now := time.Now().Unix()
	for name, values := range map[string][]any{
		"exp": {nil, now - 31, now - 3600, 0, -1, 1, "9999999999", true, 1e30, []int64{now + 60}, map[string]any{}},
		"nbf": {now + 60, now + 3600, "0", true, -1, 1e30},
		"iat": {now + 60, now + 3600, "x", -1},
		"aud": {nil, "", "other", "PROTEAN", "protean ", "proteanx", []string{}, []string{"other"}, []any{7}, 7, true, map[string]any{"aud": "protean"}, "other protean", "protean,other"},
		"iss": {nil, "", "https://evil.example", f.issuer.URL + "/", strings.ToUpper(f.issuer.URL), f.issuer.URL + "@evil.example", []string{f.issuer.URL}, 7},
		"sub": {nil, "", 7, true, []string{"mallory"}, map[string]any{}},
	} {
		for _, value := range values {
			f.add(fmt.Sprintf("%s %v", name, value), f.key.Token(f.claims(map[string]any{name: value})))
		}
	}
}

// texts are tokens that are no tokens.
func (f *forger) texts() {
	good := f.key.Token(f.claims(nil))
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"nothing": "", "a dot": ".", "two dots": "..", "three dots": "...", "a word": "token", "our issuer's name": f.issuer.URL,
		"the first part": parts[0], "two parts": parts[0] + "." + parts[1], "two parts and a dot": parts[0] + "." + parts[1] + ".",
		"four parts": good + "." + parts[2], "five parts": good + ".." + parts[2], "twice": good + good, "twice with a comma": good + "," + good,
		"twice with a space": good + " " + good, "padded": good + "=", "a newline": good + "\n", "a newline inside": parts[0] + ".\n" + parts[1] + "." + parts[2],
		"a space before": parts[0] + ". " + parts[1] + "." + parts[2], "standard base64": good + "+/", "a zero byte": good + "\x00",
		"unicode dots":      strings.ReplaceAll(good, ".", "。"),
		"parts swapped":     parts[1] + "." + parts[0] + "." + parts[2],
		"no claims":         f.key.SignParts(parts[0], ""),
		"no header":         f.key.SignParts("", parts[1]),
		"claims null":       f.key.SignText(f.text(f.header(nil)), "null"),
		"claims a list":     f.key.SignText(f.text(f.header(nil)), "["+f.text(f.claims(nil))+"]"),
		"claims a text":     f.key.SignText(f.text(f.header(nil)), `"x"`),
		"claims twice":      f.key.SignText(f.text(f.header(nil)), f.text(f.claims(nil))+f.text(f.claims(nil))),
		"claims cut off":    f.key.SignText(f.text(f.header(nil)), strings.TrimSuffix(f.text(f.claims(nil)), "}")),
		"claims nested":     f.key.SignText(f.text(f.header(nil)), `{"x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+"}"),
		"claims not UTF-8":  f.key.SignText(f.text(f.header(nil)), strings.Replace(f.text(f.claims(nil)), "mallory", "mallory\xff", 1)),
		"claims with a BOM": f.key.SignText(f.text(f.header(nil)), "\ufeff"+f.text(f.claims(nil))),
		"exp twice":         f.key.SignText(f.text(f.header(nil)), strings.Replace(f.text(f.claims(nil)), "{", `{"exp":99999999999,`, 1)),
		"iss twice":         f.key.SignText(f.text(f.header(nil)), strings.Replace(f.text(f.claims(nil)), "{", `{"iss":"x",`, 1)),
		"aud twice":         f.key.SignText(f.text(f.header(nil)), strings.Replace(f.text(f.claims(nil)), "{", `{"aud":"x",`, 1)),
		"alg twice":         f.key.SignText(strings.Replace(f.text(f.header(nil)), "{", `{"alg":"none",`, 1), f.text(f.claims(nil))),
		"kid twice":         f.key.SignText(strings.Replace(f.text(f.header(nil)), "{", `{"kid":"x",`, 1), f.text(f.claims(nil))),
		"an escaped alg":    f.key.SignText(strings.Replace(f.text(f.header(nil)), "{", `{"\u0061lg":"none",`, 1), f.text(f.claims(nil))),
		"header a list":     f.key.SignText("["+f.text(f.header(nil))+"]", f.text(f.claims(nil))),
		"huge":              f.key.Token(f.claims(map[string]any{"x": strings.Repeat("x", 8<<10)})),
		"enormous":          f.key.Token(f.claims(map[string]any{"x": strings.Repeat("x", 1<<20)})),
	} {
		f.add(name, token)
	}
	for i, at := range []int{0, 5, len(parts[0]) + 3, len(parts[0]) + len(parts[1])/2, len(good) - 40, len(good) - 1} {
		flipped := []byte(good)
		flipped[at] = 'A' + (flipped[at]+1)%26
		f.add(fmt.Sprintf("a letter changed, %d", i), string(flipped))
		f.add(fmt.Sprintf("cut off, %d", i), good[:at])
	}
}

// TestForgedTokens shows each forgery to the authenticator, in a request.
func TestForgedTokens(t *testing.T) {
	issuer := authtest.Start(t)
	a := authenticators(t, jwtConfig(issuer))
	stranger := authtest.Start(t).Current()
	f := &forger{issuer: issuer, key: issuer.Current()}
	f.algorithms()
	f.symmetric()
	f.keys(stranger)
	f.badClaims()
	f.texts()
	if len(f.all) < 150 {
		t.Fatalf("only %d forgeries", len(f.all))
	}
	if p, err := a.FromRequest(bearer(t, issuer.Token("alice", nil))); err != nil || p.Subject != "alice" {
		t.Fatalf("a good token: %v, %v", p, err)
	}
	accepted := 0
	for _, forged := range f.all {
		p, err := a.FromRequest(bearer(t, forged.token))
		if p != nil || status.Code(err) != codes.Unauthenticated {
			accepted++
			t.Errorf("%s: %v, %v", forged.name, p, err)
		}
	}
	t.Logf("%d forged tokens, %d accepted", len(f.all), accepted)
}

// TestKeysThatMustNotCount publishes keys that no token may be checked with.
func TestKeysThatMustNotCount(t *testing.T) {
	issuer := authtest.Start(t)
	key := issuer.Current()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, jwk := range map[string]map[string]any{
		"for encryption":        changed(key.JWK(), map[string]any{"use": "enc"}),
		"for signing alone":     changed(key.JWK(), map[string]any{"use": nil, "key_ops": []string{"sign"}}),
		"of another algorithm":  changed(key.JWK(), map[string]any{"alg": "ES384"}),
		"for no known use":      changed(key.JWK(), map[string]any{"alg": "HS256"}),
		"symmetric":             {"kty": "oct", "kid": key.ID, "k": authtest.Base64("secret"), "alg": "HS256"},
		"symmetric without alg": {"kty": "oct", "kid": key.ID, "k": authtest.Base64("secret")},
		"short": {
			"kty": "RSA", "kid": key.ID, "e": "AQAB", "n": authtest.Base64(string(weak.N.Bytes())),
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := authenticators(t, keyFile(t, issuer, jwk))
			p, err := a.FromRequest(bearer(t, key.Token(issuer.Claims("mallory", nil))))
			if p != nil || err == nil {
				t.Errorf("%v, %v", p, err)
			}
		})
	}
}

func bearer(t testing.TB, token string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gateway/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{"Bearer " + token}
	return r
}

func authenticators(t testing.TB, list ...*configv1.Authenticator) *auth.Authenticators {
	t.Helper()
	a, err := auth.NewAuthenticators(list, auth.Options{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return a
}
