package auth

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jws"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
)

// skew is how far the clocks of issuers may be from ours.
const skew = 30 * time.Second

const defaultTokenBytes = 8 << 10

// jwtAuthenticator checks the tokens of one issuer.
type jwtAuthenticator struct {
	config    *configv1.JWT // what it was made of
	name      string
	issuer    string
	audiences []string
	scopes    []string // claims to look for them in, in this order
	roles     []string // the path of the claim
	maxBytes  int
	keys      *keySource
}

func newJWT(name string, c *configv1.JWT, client *http.Client) (*jwtAuthenticator, error) {
	j := &jwtAuthenticator{
		config:    c,
		name:      name,
		issuer:    c.GetIssuer(),
		audiences: c.GetAudiences(),
		scopes:    []string{"scope", "scp"},
		roles:     rolesPath(c.GetRolesClaim()),
		maxBytes:  defaultTokenBytes,
	}
	if c.GetScopesClaim() != "" {
		j.scopes = []string{c.GetScopesClaim()}
	}
	if n := c.GetMaxTokenBytes(); n > 0 {
		j.maxBytes = min(int(n), maxToken)
	}
	if len(j.audiences) == 0 || slices.Contains(j.audiences, "") {
		return nil, configv1.Faultf(c, "audiences", "name who the tokens are for")
	}
	load, err := keyLoader(c, client)
	if err != nil {
		return nil, err
	}
	j.keys = newKeySource(load, c)
	return j, nil
}

func rolesPath(said string) []string {
	if said == "" {
		said = "roles"
	}
	return strings.Split(said, ".")
}

// cached returns the principal of a token that was checked with the current keys.
func (j *jwtAuthenticator) cached(d digest, now time.Time) *rpc.Principal {
	keys := j.keys.current.Load()
	if keys == nil {
		return nil
	}
	return keys.verified.get(d, now)
}

// authenticate checks a token of the issuer (RFC 7519, section 7.2; RFC 8725).
func (j *jwtAuthenticator) authenticate(ctx context.Context, t *token, d digest, now time.Time) (*rpc.Principal, error) {
	if len(t.text) > j.maxBytes {
		return nil, invalid("the token is too long")
	}
	keys, k, err := j.keys.find(ctx, t.alg, t.kid)
	if err != nil {
		return nil, err
	}
	if _, err := jws.VerifyCompactFast(k.public, []byte(t.text), algorithm(t.alg)); err != nil {
		return nil, invalid("the token's signature does not fit")
	}
	p, err := j.principal(t.claims, now)
	if err != nil {
		return nil, err
	}
	keys.verified.put(d, checked{p, p.Expires}, len(t.text))
	return p, nil
}

// principal checks the claims of a token whose signature fits.
func (j *jwtAuthenticator) principal(claims map[string]any, now time.Time) (*rpc.Principal, error) {
	if !hasAudience(claims["aud"], j.audiences) {
		return nil, invalid("the token is for another audience")
	}
	expires, err := checkTimes(claims, now)
	if err != nil {
		return nil, err
	}
	subject, _ := claims["sub"].(string)
	if subject == "" {
		return nil, invalid("the token has no subject")
	}
	return &rpc.Principal{
		Authenticator: j.name,
		Issuer:        j.issuer,
		Subject:       subject,
		Scopes:        j.scopesOf(claims),
		Roles:         texts(at(claims, j.roles)),
		Claims:        claims,
		Expires:       expires,
	}, nil
}

// checkTimes returns when a token ends, with the skew added.
func checkTimes(claims map[string]any, now time.Time) (time.Time, error) {
	expires, ok := timeClaim(claims, "exp")
	if !ok {
		return time.Time{}, invalid("the token has no exp")
	}
	expires = expires.Add(skew)
	if !now.Before(expires) {
		return time.Time{}, expired("the token has expired")
	}
	for _, name := range [...]string{"nbf", "iat"} {
		if _, there := claims[name]; !there {
			continue
		}
		if since, ok := timeClaim(claims, name); !ok || since.After(now.Add(skew)) {
			return time.Time{}, invalid("the token is not valid yet")
		}
	}
	return expires, nil
}

// hasAudience reports whether a claim, one text or a list of them, has one of the
// audiences wanted.
func hasAudience(claim any, wanted []string) bool {
	switch claim := claim.(type) {
	case string:
		return slices.Contains(wanted, claim)
	case []any:
		return slices.ContainsFunc(claim, func(one any) bool {
			text, ok := one.(string)
			return ok && slices.Contains(wanted, text)
		})
	}
	return false
}

func (j *jwtAuthenticator) scopesOf(claims map[string]any) []string {
	for _, name := range j.scopes {
		switch claim := claims[name].(type) {
		case string:
			return strings.Fields(claim)
		case []any:
			return texts(claim)
		}
	}
	return nil
}

// at follows a path through objects.
func at(claims map[string]any, path []string) any {
	var value any = claims
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// texts returns a text, or the texts of a list.
func texts(claim any) []string {
	switch claim := claim.(type) {
	case string:
		return []string{claim}
	case []any:
		var list []string
		for _, one := range claim {
			if text, ok := one.(string); ok {
				list = append(list, text)
			}
		}
		return list
	}
	return nil
}
