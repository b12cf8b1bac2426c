package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// keySet is what an issuer's JSON Web Key Set (RFC 7517) has that can check
// signatures. It is immutable but for the cache of tokens that were checked with it,
// which ends with it.
type keySet struct {
	keys     []verificationKey
	source   digest // of the document
	verified tokenCache
}

// verificationKey is a public key with the algorithms that it may be used with: the
// token does not choose.
type verificationKey struct {
	id         string
	public     any
	algorithms []string
}

// maxKeys bounds the keys of one set.
const maxKeys = 256

// minRSABits is the smallest modulus that RFC 7518, section 3.3 allows.
const minRSABits = 2048

// parseKeys reads a key set. Keys that cannot check signatures with an allowed
// algorithm are left out: symmetric ones, those for encryption, short ones. No keys at
// all is an error.
func parseKeys(document []byte, allowed []string) (*keySet, error) {
	set, err := jwk.Parse(document)
	if err != nil {
		return nil, errors.New("the key set is not valid")
	}
	if set.Len() > maxKeys {
		return nil, errors.New("the key set has too many keys")
	}
	s := &keySet{source: digestOf(string(document))}
	for i := range set.Len() {
		key, _ := set.Key(i)
		if k, ok := newKey(key, allowed); ok {
			s.keys = append(s.keys, k)
		}
	}
	if len(s.keys) == 0 {
		return nil, errors.New("the key set has no key that can check a signature")
	}
	return s, nil
}

func newKey(key jwk.Key, allowed []string) (k verificationKey, ok bool) {
	if usage, said := key.KeyUsage(); said && usage != "sig" {
		return k, false
	}
	if ops, said := key.KeyOps(); said && !slices.Contains(ops, jwk.KeyOpVerify) {
		return k, false
	}
	public, err := key.PublicKey()
	if err != nil || jwk.Export(public, &k.public) != nil {
		return k, false
	}
	k.id, _ = key.KeyID()
	k.algorithms = fitting(k.public)
	if alg, said := key.Algorithm(); said {
		k.algorithms = intersection(k.algorithms, []string{alg.String()})
	}
	k.algorithms = intersection(k.algorithms, allowed)
	return k, len(k.algorithms) > 0
}

// fitting returns the algorithms that a kind of key is for: none for symmetric keys.
func fitting(public any) []string {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() >= minRSABits {
			return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		}
	case *ecdsa.PublicKey:
		switch public.Curve.Params().Name {
		case "P-256":
			return []string{"ES256"}
		case "P-384":
			return []string{"ES384"}
		case "P-521":
			return []string{"ES512"}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

func intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// find returns the key that a token names, if it may be used with the token's
// algorithm. A token without kid is checked only where one key alone can be meant.
func (s *keySet) find(alg, kid string) (found *verificationKey, known bool) {
	for i := range s.keys {
		k := &s.keys[i]
		if kid != "" && k.id != kid {
			continue
		}
		known = known || kid != ""
		if !slices.Contains(k.algorithms, alg) {
			continue
		}
		if found != nil {
			return nil, true // two keys of one name
		}
		found = k
	}
	return found, known || kid == ""
}

// algorithm returns an algorithm in jwx's form.
func algorithm(name string) jwa.SignatureAlgorithm {
	alg, _ := jwa.LookupSignatureAlgorithm(name)
	return alg
}

// asymmetric are the algorithms that are accepted where nothing else is said.
var asymmetric = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}
