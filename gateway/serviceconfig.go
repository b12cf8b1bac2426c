package gateway

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/genproto/googleapis/api/serviceconfig"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// serviceType is what a service configuration may say that it is.
const serviceType = "google.api.Service"

// serviceOverlays reads the service configurations of all backends: each of their http rules
// becomes an overlay, and positions says where it stands.
func serviceOverlays(backends []*configv1.Backend) (overlays []*configv1.Overlay, positions map[proto.Message]string, err error) {
	positions = make(map[proto.Message]string)
	for _, b := range backends {
		path := b.GetServiceConfig()
		if path == "" {
			continue
		}
		data, err := readConfigFile(path)
		if err != nil {
			return nil, nil, configv1.Faultf(b, "service_config", "backend %q: %w", BackendName(b), err)
		}
		rules, err := parseServiceConfig(path, data)
		if err != nil {
			return nil, nil, configv1.Faultf(b, "service_config", "backend %q: %w", BackendName(b), err)
		}
		for _, r := range rules {
			overlays = append(overlays, r.overlay)
			positions[r.overlay] = r.position
		}
	}
	return overlays, positions, nil
}

// serviceRule is one http rule with the place where it stands.
type serviceRule struct {
	overlay  *configv1.Overlay
	position string // file:line:column
}

// parseServiceConfig returns the http rules of a google.api.Service in YAML. It is as strict
// as [ParseConfig]; parts that are not about HTTP may be there and mean nothing here.
func parseServiceConfig(name string, data []byte) ([]serviceRule, error) {
	document, err := strictYAML(name, data)
	if err != nil {
		return nil, err
	}
	if document == nil || len(document.Content) == 0 {
		return nil, fmt.Errorf("%s:1:1: it is empty", name)
	}
	root := document.Content[0]
	data, err = withoutType(name, data, root)
	if err != nil {
		return nil, err
	}
	service := &serviceconfig.Service{}
	if err := (protoyaml.UnmarshalOptions{Path: name}).Unmarshal(data, service); err != nil {
		return nil, err
	}
	if service.GetHttp().GetFullyDecodeReservedExpansion() {
		return nil, yamlError(name, member(root, "http"), "fully_decode_reserved_expansion is not supported: %2F in ** stays as it is")
	}
	nodes := member(member(root, "http"), "rules")
	var rules []serviceRule
	seen := make(map[string]bool)
	for i, rule := range service.GetHttp().GetRules() {
		at := nodes.Content[i]
		selectors, fault := splitSelector(rule.GetSelector())
		if fault != "" {
			return nil, yamlError(name, at, fault)
		}
		for _, selector := range selectors {
			if seen[selector] {
				return nil, yamlError(name, at, fmt.Sprintf("%s has a rule already; add the other as additional_bindings", selector))
			}
			seen[selector] = true
			rules = append(rules, serviceRule{
				overlay:  &configv1.Overlay{Selector: proto.String(selector), Http: rule},
				position: fmt.Sprintf("%s:%d:%d", name, at.Line, at.Column),
			})
		}
	}
	return rules, nil
}

// validSelector matches one pattern of a selector (google/api/documentation.proto, DocumentationRule.selector).
var validSelector = regexp.MustCompile(`^(\*|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\.\*)?)$`)

// splitSelector returns the patterns of a selector, which is a list of them separated by commas, or what is wrong with it.
func splitSelector(selector string) (patterns []string, fault string) {
	if selector == "" {
		return nil, "the rule has no selector; it names a method, as pkg.Service.Method"
	}
	for pattern := range strings.SplitSeq(selector, ",") {
		pattern = strings.TrimSpace(pattern)
		if !validSelector.MatchString(pattern) {
			return nil, fmt.Sprintf("%q is not a valid selector; use pkg.Service.Method, or pkg.* and * for all methods", pattern)
		}
		patterns = append(patterns, pattern)
	}
	return patterns, ""
}

// withoutType blanks out the key `type`, which says what the file is and is no field of
// it. All positions stay as they are.
func withoutType(name string, data []byte, root *yaml.Node) ([]byte, error) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if key.Value != "type" {
			continue
		}
		if value.Value != serviceType {
			return nil, yamlError(name, value, "a service configuration is of type "+serviceType)
		}
		if root.Style&yaml.FlowStyle != 0 || value.Line != key.Line {
			return nil, yamlError(name, key, "write `type: "+serviceType+"` on a line of its own")
		}
		lines := bytes.Split(bytes.Clone(data), []byte("\n"))
		lines[key.Line-1] = nil
		return bytes.Join(lines, []byte("\n")), nil
	}
	return data, nil
}

// member returns the value of a key in a mapping, in either spelling, or the mapping itself.
func member(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return mapping
}
