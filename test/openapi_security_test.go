package test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// TestOpenAPISecurity compares what the description says of credentials with who is let in.
func TestOpenAPISecurity(t *testing.T) {
	h := startVault(t, func(c *configv1.Config) {
		c.Openapi = &configv1.OpenAPI{Public: proto.Bool(true)}
		c.Policies = append(c.Policies, &configv1.PolicyRule{
			Selector: proto.String("vault.v1.Vault.Known"),
			Policy:   &policyv1.Policy{Authenticate: &policyv1.Authenticate{AnyOf: []string{"keys"}}},
		})
	})
	_, text := fetch(t, "http://"+h.address+"/openapi.json")
	var document struct {
		Paths map[string]struct {
			Get struct{ Security []map[string][]string }
		}
		Components struct{ SecuritySchemes map[string]map[string]string }
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	if got, want := document.Components.SecuritySchemes, map[string]map[string]string{
		"login": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of " + h.issuer.URL + "."},
		"keys":  {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "A key."},
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("schemes: got %v, want %v", got, want)
	}
	none := []string{}
	known := []map[string][]string{{"login": none}, {"keys": none}}
	for path, want := range map[string]struct {
		security  []map[string][]string
		anonymous int // the status for a caller without credentials
	}{
		"/v1/known/{owner}":  {[]map[string][]string{{"keys": none}}, http.StatusUnauthorized},
		"/v1/kept/{owner}":   {known, http.StatusUnauthorized},
		"/v1/closed/{owner}": {known, http.StatusUnauthorized},
		"/v1/public/{owner}": {append(known, map[string][]string{}), http.StatusOK},
		"/v1/scoped/{owner}": {[]map[string][]string{{"login": {"open", "read"}}, {"keys": {"open", "read"}}}, http.StatusUnauthorized},
	} {
		if got := document.Paths[path].Get.Security; !reflect.DeepEqual(got, want.security) {
			t.Errorf("%s: got %v, want %v", path, got, want.security)
		}
		if status, _ := fetch(t, "http://"+h.address+path[:len(path)-len("{owner}")]+"alice"); status != want.anonymous {
			t.Errorf("%s: anonymous callers get %d", path, status)
		}
	}
}
