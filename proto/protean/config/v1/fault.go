// Package configv1 is the configuration of a gateway.
package configv1

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// FaultError is an error about one part of a configuration. Who checks a part says which
// one it is; who has read the file knows where that stands.
type FaultError struct {
	// In is the message that the part belongs to, as it was read: the pointer counts.
	In proto.Message
	// Path leads from In to the part, in names of fields with elements of lists and keys of
	// maps in brackets: `api_keys.keys[2].sha256`. Empty: In itself.
	Path string
	Err  error
}

// Fault says that a part of a configuration is wrong. A fault that err already has is
// the more exact one and stays.
func Fault(in proto.Message, path string, err error) error {
	if inner, ok := errors.AsType[*FaultError](err); ok && inner != nil {
		return err
	}
	return &FaultError{In: in, Path: path, Err: err}
}

// Faultf is [Fault] with an error made of a format.
func Faultf(in proto.Message, path, format string, arguments ...any) error {
	return Fault(in, path, fmt.Errorf(format, arguments...))
}

// Error begins with the path.
func (f *FaultError) Error() string {
	if f.Path == "" {
		return f.Err.Error()
	}
	return f.Path + ": " + f.Err.Error()
}

// Unwrap returns what is wrong.
func (f *FaultError) Unwrap() error { return f.Err }
