package test

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// Each method of the vault has two twins with its policy: one that streams, and one whose
// answer is an entity of the graph.
const (
	streamTwin = "W"
	entityTwin = "E"
)

// vaultTwins is a service with the twins.
func vaultTwins() string {
	var methods, messages strings.Builder
	for _, method := range matrixMethods {
		option := ""
		switch method { // what the .proto file says of the method itself
		case "Kept":
			option = `option (protean.options.v1.method) = {policy: {authorize: {roles: "keeper"}}};`
		case "Closed":
			option = `option (protean.options.v1.method) = {policy: {authorize: {public: true}}};`
		}
		fmt.Fprintf(&methods, "rpc E%s(OpenRequest) returns (%sBox) { option idempotency_level = NO_SIDE_EFFECTS; %s }\n", method, method, option)
		fmt.Fprintf(&methods, "rpc W%s(OpenRequest) returns (stream Box) { %s }\n", method, option)
		fmt.Fprintf(&messages, `message %sBox {
  option (protean.options.v1.message) = {entities: {key: "owner", method: "vault.v1.Twins.E%s", argument: "owner"}};
  string owner = 1;
  string pin = 2 [features.field_presence = IMPLICIT, (protean.options.v1.field) = {deniable: true, policy: {action: ACTION_DENY, unless: "'keeper' in principal.roles"}}];
  string phone = 3 [(protean.options.v1.field) = {policy: {action: ACTION_MASK, unless: "!principal.anonymous"}}];
}
`, method, method)
	}
	return "service Twins {\n  option (protean.options.v1.service) = {rest: {json: {emit_defaults: true}}};\n" +
		methods.String() + "}\n" + messages.String()
}

// twinRules say of the twins what is said of the methods.
func twinRules(rules []*configv1.PolicyRule) []*configv1.PolicyRule {
	var twins []*configv1.PolicyRule
	for _, rule := range rules {
		service, method, _ := strings.Cut(rule.GetSelector(), "Vault.")
		if method == "Watch" || method == "Hold" {
			continue
		}
		for _, twin := range []string{streamTwin, entityTwin} {
			twins = append(twins, &configv1.PolicyRule{
				Selector: proto.String(service + "Twins." + twin + method),
				Policy:   proto.Clone(rule.GetPolicy()).(*policyv1.Policy),
			})
		}
	}
	return twins
}
