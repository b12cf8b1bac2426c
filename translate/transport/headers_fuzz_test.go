package transport

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
)

// What the model knows of names, folded.
var (
	modelTracing  = regexp.MustCompile(`^(traceparent|tracestate|baggage|accept-language|x-request-id)$`)
	modelReserved = regexp.MustCompile(`^(grpc-|connect-|x-protean-|:)|^(connection|keep-alive|proxy-connection|transfer-encoding|` +
		`upgrade|te|trailer|proxy-authenticate|proxy-authorization|http2-settings|host|date|expect|user-agent|accept-encoding|` +
		`content-type|content-length|content-encoding|x-request-timeout)$`)
	modelPersonal = regexp.MustCompile(`^(authorization|cookie|forwarded|x-real-ip|x-forwarded-.*|grpcgateway-.*)$`)
	modelKey      = regexp.MustCompile(`^[a-z0-9_.-]+$`)
	modelValue    = regexp.MustCompile(`^[ -~]*$`)
)

// modelFold gives all spellings of a name one form.
func modelFold(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '_' || c == '.':
			return '-'
		case 'A' <= c && c <= 'Z':
			return c - 'A' + 'a'
		default:
			return c
		}
	}, name)
}

// modelCollect is what reaches a backend, header by header, in any order of values; bad says that
// one of them is no base64.
func modelCollect(from http.Header, forward map[string]string, credentials []string, all bool) (md metadata.MD, bad bool) {
	hop := map[string]bool{}
	for _, line := range from["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			hop[modelFold(strings.TrimSpace(name))] = true
		}
	}
	md = metadata.MD{}
	for name, values := range from {
		folded := modelFold(name)
		key := strings.ToLower(name)
		switch {
		case hop[folded]:
			continue
		case modelTracing.MatchString(folded):
			key = folded
		case forward[folded] != "":
			key = forward[folded]
		case !all, modelReserved.MatchString(folded), modelPersonal.MatchString(folded),
			slices.Contains(credentials, folded), !modelKey.MatchString(key):
			continue
		}
		for _, v := range values {
			if !strings.HasSuffix(key, "-bin") {
				if modelValue.MatchString(v) {
					md[key] = append(md[key], v)
				}
				continue
			}
			for part := range strings.SplitSeq(v, ",") {
				text := strings.TrimRight(strings.TrimSpace(part), "=")
				decoded, err := base64.StdEncoding.DecodeString(text + strings.Repeat("=", (4-len(text)%4)%4))
				bad = bad || err != nil
				md[key] = append(md[key], string(decoded))
			}
		}
	}
	return md, bad
}

// sorted brings values into an order, since headers of several spellings have none.
func sorted(md map[string][]string) map[string][]string {
	for key, values := range md {
		md[key] = slices.Sorted(slices.Values(values))
	}
	return md
}

// fuzzHeaders reads `name: value` lines. Net/http hands over names in their canonical form.
func fuzzHeaders(text string) (http.Header, bool) {
	h := http.Header{}
	for line := range strings.SplitSeq(text, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, false // which net/http refuses
		}
		h.Add(name, value)
	}
	return h, true
}

// FuzzHeaders compares what of a client's headers reaches a backend, and what of a backend's metadata a
// client, with a model of the policy. In either direction nothing may pass that is reserved.
func FuzzHeaders(f *testing.F) {
	for _, name := range never {
		f.Add(name + ": 1")
	}
	f.Add("X-Tenant: a\nx_tenant: b\nX.Tenant: c\nAuthorization: Bearer t\ncookie: a=b")
	f.Add("Grpc-Metadata-Shop: 1\ngrpc_metadata.shop: 2\nGrpc-Metadata-Grpc-Timeout: 1S\nGrpc-Metadata-X-Protean-Subject: x")
	f.Add("User-Agent: a\nuser_agent: b\nGrpcgateway-User-Agent: c\ngrpcgateway.authorization: d")
	f.Add("Connection: close, X_Tenant , traceparent\nX-Tenant: 1\nTraceparent: 00-1\nX-Api.Key: k")
	f.Add("Trace-Bin: AQI=, AwQ\ntrace-bin: !\nX-Bin: \nx-other-bin: AQ==")
	f.Add("X-Forwarded-For: 1\nx_forwarded.proto: 1\nX-Real-IP: 1\nForwarded: for=1\nX-Latin: caf\xe9\nodd name: 1\n: 1")
	named, err := NewHeaders([]string{"X-Tenant", "Grpc-Metadata-Shop", "X-Forwarded-For", "Trace-Bin", "Grpcgateway-User-Agent"}, "X-API-Key")
	if err != nil {
		f.Fatal(err)
	}
	forward := map[string]string{"x-tenant": "x-tenant", "grpc-metadata-shop": "shop", "x-forwarded-for": "x-forwarded-for", "trace-bin": "trace-bin", "user-agent": "grpcgateway-user-agent"}
	f.Fuzz(func(t *testing.T, text string) {
		from, ok := fuzzHeaders(text)
		if !ok {
			return
		}
		for _, policy := range []struct {
			*Headers
			forward     map[string]string
			credentials []string
		}{{new(Headers), nil, nil}, {named, forward, []string{"x-api-key"}}} {
			for _, all := range []bool{false, true} {
				collect := policy.Chosen
				if all {
					collect = policy.All
				}
				got, err := collect(from.Clone())
				want, bad := modelCollect(from, policy.forward, policy.credentials, all)
				if (err != nil) != bad {
					t.Fatalf("%v: error %v, want one: %v", from, err, bad)
				}
				if err == nil && !equalHeaders(got, want) {
					t.Errorf("%v, all %v:\ngot  %v\nwant %v", from, all, got, want)
				}
			}
		}
		checkCopied(t, from)
	})
}

func equalHeaders(a, b map[string][]string) bool {
	return maps.EqualFunc(sorted(a), sorted(b), slices.Equal[[]string])
}

// checkCopied sends headers back as metadata, and compares with the model of that.
func checkCopied(t *testing.T, from http.Header) {
	md := metadata.MD{}
	want := http.Header{}
	for name, values := range from {
		key := strings.ToLower(name)
		md[key] = values
		if modelReserved.MatchString(modelFold(key)) || !modelKey.MatchString(key) {
			continue
		}
		for _, v := range values {
			if strings.HasSuffix(key, "-bin") {
				v = strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(v)), "=")
			}
			if modelValue.MatchString(v) {
				want.Add("Grpc-Metadata-"+key, v)
			}
		}
	}
	got := http.Header{}
	new(Headers).CopyResponse(got, "Grpc-Metadata-", md)
	if fmt.Sprint(sorted(got)) != fmt.Sprint(sorted(want)) {
		t.Errorf("of %v: got %v, want %v", md, got, want)
	}
}
