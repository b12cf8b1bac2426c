package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretsConfig has a place for every secret. The key is one that fits no certificate, so that TLS is refused.
const secretsConfig = `
backends:
  - name: shelf
    address: 127.0.0.1:1
    proto: PROTO
    reflectionDoesNotCount: MISTAKE
  - name: locked
    address: grpcs://127.0.0.1:1
    proto: PROTO
    tls: {certFile: CERT, keyFile: KEY}
redis: {address: 127.0.0.1:1, username: gateway, password: REDIS}
registry:
  owners: [{name: team, tokens: [OWNER]}]
authenticators:
  - name: opaque
    introspection: {url: 'https://issuer.example/introspect', clientId: gateway, clientSecret: CLIENT}
  - name: keys
    apiKeys: {keys: [{sha256: APIKEY, subject: robot}]}
policies:
  - selector: "*"
    policy: {authorize: {}, timeout: {call: 3s}}
`

// TestCommandsTellNoSecret runs the commands that read a configuration, with secrets in the environment, in files
// and, as nobody should, in the configuration itself, also where they are why it is refused.
func TestCommandsTellNoSecret(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	secrets := map[string]string{}
	canary := func(slot string) string {
		secrets[slot] = "canary-" + slot + "-7d31"
		return secrets[slot]
	}
	t.Setenv("CANARY_REDIS", canary("redis"))
	t.Setenv("CANARY_OWNER", canary("owner")) // no digest, so it is refused
	key := privateKey(t)
	secrets["key"] = strings.Split(key, "\n")[1]
	proto := t.TempDir()
	if err := os.WriteFile(filepath.Join(proto, "shelf.proto"), []byte(secretsProto), 0o600); err != nil {
		t.Fatal(err)
	}
	good := strings.NewReplacer(
		"    reflectionDoesNotCount: MISTAKE\n", "", "    tls: {certFile: CERT, keyFile: KEY}\n", "",
		"PROTO", proto, "REDIS", "env:CANARY_REDIS", "OWNER", strings.Repeat("0", 64),
		"CLIENT", "file:"+write("client", canary("client")), "APIKEY", "env:CANARY_KEY_DIGEST",
	).Replace(secretsConfig)
	t.Setenv("CANARY_KEY_DIGEST", strings.Repeat("ab", 32))
	broken := func(from, to string) string {
		text := strings.Replace(good, from, to, 1)
		if text == good {
			t.Fatalf("there is no %s", from)
		}
		return text
	}
	configs := map[string]string{
		"good":                 good,
		"a password in it":     broken("env:CANARY_REDIS", canary("plain-password")),
		"a client secret":      broken("file:"+filepath.Join(dir, "client"), canary("plain-client")),
		"an owner's token":     broken(strings.Repeat("0", 64), "env:CANARY_OWNER"),
		"a key in it":          broken("env:CANARY_KEY_DIGEST", canary("plain-key")),
		"a TLS key":            broken("address: grpcs://127.0.0.1:1", fmt.Sprintf("address: grpcs://127.0.0.1:1\n    tls: {certFile: %q, keyFile: %q}", write("cert", key), write("key", key))),
		"a misspelled key":     broken("password:", "pasword:"),
		"a secret as a number": broken("password: env:CANARY_REDIS", "password: {"+canary("in-a-map")+": 1}"),
		"a broken line":        broken("username: gateway", "username: ["+canary("in-a-list")),
	}
	told := 0
	for name, text := range configs {
		file := write("c.yaml", text)
		for _, args := range [][]string{
			{"check", "--config", file}, {"routes", "--config", file}, {"sdl", "--config", file}, {"openapi", "--config", file},
			{"explain", "--config", file, "GET /v1/books/x"}, {"explain", "--config", file, "shelf.v1.Shelves/Get"},
			{"explain", "--config", file, "{ get(name: \"x\") { name } }"},
		} {
			var out bytes.Buffer
			code := run(t.Context(), args, os.Getenv, &out, &out)
			if (code == exitFine) != (name == "good") || out.Len() == 0 && args[0] != "check" {
				t.Errorf("%s: %v: exit %d: %s", name, args, code, out.String())
			}
			told += out.Len()
			for slot, secret := range secrets {
				if strings.Contains(out.String(), secret) {
					t.Errorf("%s: %v tells %s: %s", name, args, slot, out.String())
				}
			}
		}
	}
	t.Logf("none of %d secrets in %d bytes", len(secrets), told)
}

const secretsProto = `
edition = "2023";
package shelf.v1;
import "google/api/annotations.proto";
service Shelves { rpc Get(Book) returns (Book) {
  option idempotency_level = NO_SIDE_EFFECTS;
  option (google.api.http) = {get: "/v1/books/{name}"};
} }
message Book { string name = 1; }
`

func privateKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
