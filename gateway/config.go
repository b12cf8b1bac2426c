package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// maxConfigBytes bounds a configuration file.
const maxConfigBytes = 8 << 20

// ReadConfig reads a configuration file. Errors name the file, line and column.
func ReadConfig(path string) (*configv1.Config, error) {
	data, err := readConfigFile(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	return ParseConfig(path, data)
}

func readConfigFile(path string) ([]byte, error) {
	return readBounded(path, maxConfigBytes, fmt.Errorf("%s: larger than %d bytes", path, maxConfigBytes))
}

// readBounded reads a file of so many bytes at the most, and none of a larger one.
func readBounded(path string, limit int, tooLarge error) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		return nil, tooLarge
	}
	return data, nil
}

// ParseConfig reads a configuration in YAML. It is strict: unknown and duplicate
// keys, anchors, aliases, a second document and values that the configuration's
// own rules exclude are refused. Errors begin with name, line and column.
func ParseConfig(name string, data []byte) (*configv1.Config, error) {
	if err := strictYAML(name, data); err != nil {
		return nil, err
	}
	config := &configv1.Config{}
	if len(bytes.TrimSpace(data)) == 0 {
		return config, nil
	}
	validator, err := protovalidate.New()
	if err != nil {
		return nil, err
	}
	options := protoyaml.UnmarshalOptions{Path: name, Validator: configRules{validator}}
	if err := options.Unmarshal(data, config); err != nil {
		return nil, err
	}
	if err := checkAccess(name, config); err != nil {
		return nil, err
	}
	return config, nil
}

// configRules checks a configuration against the rules in its .proto file.
type configRules struct{ validator protovalidate.Validator }

func (r configRules) Validate(m proto.Message) error { return r.validator.Validate(m) }

// strictYAML refuses what a YAML reader would silently accept and a reader of
// the file would misunderstand.
func strictYAML(name string, data []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := strictNode(name, &document); err != nil {
		return err
	}
	var second yaml.Node
	if err := decoder.Decode(&second); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return yamlError(name, &second, "a second document; the configuration is one")
}

func strictNode(name string, n *yaml.Node) error {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return yamlError(name, n, "anchors and aliases are not allowed; write the value out")
	}
	if n.Kind == yaml.MappingNode {
		if err := strictKeys(name, n); err != nil {
			return err
		}
	}
	for _, child := range n.Content {
		if err := strictNode(name, child); err != nil {
			return err
		}
	}
	return nil
}

func strictKeys(name string, mapping *yaml.Node) error {
	lines := make(map[string]int, len(mapping.Content)/2)
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if key.Tag == "!!merge" {
			return yamlError(name, key, "merge keys are not allowed; write the values out")
		}
		spelling := camelCase(key.Value)
		if line, again := lines[spelling]; again {
			return yamlError(name, key, fmt.Sprintf("duplicate key %q, first on line %d", key.Value, line))
		}
		lines[spelling] = key.Line
	}
	return nil
}

// camelCase makes both spellings of a field's name one: poll_interval is pollInterval.
func camelCase(key string) string {
	words := strings.Split(key, "_")
	for i := 1; i < len(words); i++ {
		if w := words[i]; w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

func yamlError(name string, n *yaml.Node, reason string) error {
	return fmt.Errorf("%s:%d:%d: %s", name, n.Line, n.Column, reason)
}
