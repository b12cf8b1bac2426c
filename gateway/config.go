package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// maxConfigBytes bounds a configuration file.
const maxConfigBytes = 8 << 20

// Configuration is what a gateway is made of, and where the parts of it stand in a file.
type Configuration struct {
	*configv1.Config
	positions *positions // nil: nowhere
}

// locate puts the position before an error about a part of the configuration.
func (c *Configuration) locate(err error) error { return c.positions.locate(err) }

// ReadConfig reads a configuration file. Errors name the file, line and column.
func ReadConfig(path string) (*Configuration, error) {
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
func ParseConfig(name string, data []byte) (*Configuration, error) {
	document, err := strictYAML(name, data)
	if err != nil {
		return nil, err
	}
	config := &configv1.Config{}
	if document == nil {
		return &Configuration{Config: config}, nil
	}
	validator, err := configValidator()
	if err != nil {
		return nil, err
	}
	options := protoyaml.UnmarshalOptions{Path: name, Validator: configRules{validator}}
	if err := options.Unmarshal(data, config); err != nil {
		return nil, withoutSource(name, err)
	}
	c := &Configuration{config, newPositions(name, document, config)}
	if err := check(config); err != nil {
		return nil, c.locate(err)
	}
	return c, nil
}

// check finds what is wrong with a configuration by itself: what needs no file and no
// backend to be known. All of it is reported.
func check(config *configv1.Config) error {
	return errors.Join(
		checkLengthsOfTime(config.ProtoReflect()),
		checkSelectors(config),
		checkAccess(config),
	)
}

// methodSelector is `*`, `pkg.*`, `pkg.Service` or `pkg.Service.Method`.
var methodSelector = regexp.MustCompile(`^(\*|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\.\*)?)$`)

// checkSelectors refuses those that could never name a method, whatever there will be.
func checkSelectors(config *configv1.Config) error {
	var faults []error
	for _, r := range config.GetPolicies() {
		if !methodSelector.MatchString(r.GetSelector()) {
			faults = append(faults, configv1.Faultf(r, "selector", "%q is none; write *, pkg.*, pkg.Service or pkg.Service.Method", r.GetSelector()))
		}
	}
	return errors.Join(faults...)
}

// checkLengthsOfTime refuses negative ones: none of them means anything.
func checkLengthsOfTime(m protoreflect.Message) error {
	var faults []error
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil || fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				faults = append(faults, checkLengthsOfTime(v.List().Get(i).Message()))
			}
		default:
			faults = append(faults, checkLengthsOfTime(v.Message()))
			if d, ok := v.Message().Interface().(*durationpb.Duration); ok && (!d.IsValid() || d.AsDuration() < 0) {
				faults = append(faults, configv1.Faultf(m.Interface(), string(fd.Name()), "a length of time cannot be negative"))
			}
		}
		return true
	})
	return errors.Join(faults...)
}

// withoutSource takes the lines of the file out of an error, since there may be a secret in
// them, and gives it the form of all others. It may tell of several faults, each on a line.
func withoutSource(name string, err error) error {
	var faults []error
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimRight(line, "\n")
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		if at := faultAt.FindString(rest); at != "" {
			line = name + ":" + strings.TrimSuffix(at, " ") + ": " + rest[len(at):]
		}
		faults = append(faults, errors.New(line))
	}
	if len(faults) == 0 {
		return fmt.Errorf("%s:1:1: it is not valid", name)
	}
	return errors.Join(faults...)
}

var faultAt = regexp.MustCompile(`^\d+:\d+ `)

// configValidator is made once: its rules are those of our own .proto files.
var configValidator = sync.OnceValues(func() (protovalidate.Validator, error) { return protovalidate.New() })

// configRules checks a configuration against the rules in its .proto file.
type configRules struct{ validator protovalidate.Validator }

func (r configRules) Validate(m proto.Message) error { return r.validator.Validate(m) }

// strictYAML refuses what a YAML reader would silently accept and a reader of
// the file would misunderstand. It returns nil for a file with nothing in it.
func strictYAML(name string, data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	document := new(yaml.Node)
	if err := decoder.Decode(document); errors.Is(err, io.EOF) {
		return nil, nil //nolint:nilnil // nothing is there, and nothing is wrong with that
	} else if err != nil {
		return nil, syntaxError(name, data, err)
	}
	if err := strictNode(name, document); err != nil {
		return nil, err
	}
	var second yaml.Node
	if err := decoder.Decode(&second); errors.Is(err, io.EOF) {
		return document, nil
	} else if err != nil {
		return nil, syntaxError(name, data, err)
	}
	return nil, yamlError(name, &second, "a second document; the configuration is one")
}

var (
	syntaxLine    = regexp.MustCompile(`^yaml: line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced$`)
)

// syntaxError gives the errors of the YAML reader a place: it knows lines at the most.
func syntaxError(name string, data []byte, err error) error {
	text := err.Error()
	line, column := 1, 1
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		lines := bytes.Split(data, []byte("\n"))
		if line <= len(lines) {
			column += len(lines[line-1]) - len(bytes.TrimLeft(lines[line-1], " "))
		}
		text = text[len(m[0]):]
	} else if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		if before, _, found := bytes.Cut(data, []byte("*"+m[1])); found {
			line += bytes.Count(before, []byte("\n"))
			column += len(before) - 1 - bytes.LastIndexByte(before, '\n')
		}
		text = "anchors and aliases are not allowed; write the value out"
	}
	return fmt.Errorf("%s:%d:%d: %s", name, line, column, strings.TrimPrefix(text, "yaml: "))
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
