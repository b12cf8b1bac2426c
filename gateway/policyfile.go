package gateway

import (
	"errors"
	"fmt"

	"buf.build/go/protoyaml"
	"google.golang.org/protobuf/proto"
)

// maxPolicyBytes bounds a policy in a file of its own.
const maxPolicyBytes = 64 << 10

// ParsePolicy reads a policy, of methods or of a field, as it stands in a configuration below `policy:`. It is
// as strict as [ParseConfig], and its errors begin with name, line and column.
func ParsePolicy(name string, data []byte, into proto.Message) error {
	if len(data) > maxPolicyBytes {
		return fmt.Errorf("%s: larger than %d bytes", name, maxPolicyBytes)
	}
	document, err := strictYAML(name, data)
	if err != nil {
		return err
	}
	if document == nil {
		return fmt.Errorf("%s: %w", name, errors.New("nothing is said in it"))
	}
	validator, err := configValidator()
	if err != nil {
		return err
	}
	options := protoyaml.UnmarshalOptions{Path: name, Validator: configRules{validator}}
	if err := options.Unmarshal(data, into); err != nil {
		return withoutSource(name, err)
	}
	return newPositions(name, document, into).locate(checkLengthsOfTime(into.ProtoReflect()))
}
