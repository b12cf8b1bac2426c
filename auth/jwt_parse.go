package auth

import (
	"encoding/base64"
	"math"
	"strings"
	"time"
)

// token is a token in JWS compact serialization (RFC 7515, section 7.1) that was
// taken apart and not checked.
type token struct {
	text   string
	alg    string
	kid    string
	claims map[string]any
}

// maxToken bounds tokens that no authenticator has claimed yet, in bytes.
const maxToken = 64 << 10

// forbidden are header parameters that change what is verified or with what. None
// of them is obeyed, so a token that has one was made to trick somebody.
var forbidden = []string{"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc", "cty"}

// parseToken takes a token apart. Each part has one spelling: base64url without
// padding, and JSON without duplicate members.
func parseToken(text string) (*token, error) {
	if len(text) > maxToken {
		return nil, invalid("the token is too long")
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 || parts[2] == "" || strings.ContainsAny(text, "\r\n") { // base64 skips line ends
		return nil, invalid("not a signed token in three parts")
	}
	header, err := decodePart(parts[0])
	if err != nil {
		return nil, invalid("the token's header is " + err.Error())
	}
	claims, err := decodePart(parts[1])
	if err != nil {
		return nil, invalid("the token's claims are " + err.Error())
	}
	if _, err := base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil {
		return nil, invalid("the token's signature is not base64url")
	}
	return newToken(text, header, claims)
}

func newToken(text string, header, claims map[string]any) (*token, error) {
	for _, name := range forbidden {
		if _, there := header[name]; there {
			return nil, invalid("the token's header has " + name)
		}
	}
	if !isAccessToken(header) {
		return nil, invalid("the token is of a type that is not for access")
	}
	t := &token{text: text, claims: claims}
	t.alg, _ = header["alg"].(string)
	kid, there := header["kid"]
	var ok bool
	if t.kid, ok = kid.(string); there && (!ok || t.kid == "") {
		return nil, invalid("the token's kid is no text")
	}
	return t, nil
}

// isAccessToken reports whether a token's type is one of those that access is given
// for (RFC 9068), or not said. Others, such as logout tokens, are signed with the same keys.
func isAccessToken(header map[string]any) bool {
	typ, there := header["typ"]
	if !there {
		return true
	}
	name, _ := typ.(string)
	switch strings.TrimPrefix(strings.ToLower(name), "application/") {
	case "jwt", "at+jwt":
		return true
	}
	return false
}

type partError string

func (e partError) Error() string { return string(e) }

func decodePart(part string) (map[string]any, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, partError("not base64url")
	}
	return decodeObject(text)
}

func (t *token) issuer() string {
	issuer, _ := t.claims["iss"].(string)
	return issuer
}

// maxTime is the last second of the year 9999.
const maxTime = 253402300799

// timeClaim returns a NumericDate. It reports false for anything else.
func timeClaim(claims map[string]any, name string) (time.Time, bool) {
	var seconds float64
	switch v := claims[name].(type) {
	case int64:
		seconds = float64(v)
	case float64:
		seconds = v
	default:
		return time.Time{}, false
	}
	if seconds < 0 || seconds > maxTime {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), true
}
