package wire

import (
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// ErrNull says that a fault reached the root of a projection and null was written.
var ErrNull = errors.New("null")

// ErrTooLarge says that the JSON grew over its bound.
var ErrTooLarge = errors.New("the JSON is larger than the limit")

// ErrTooManyFaults says that more fields failed than a [Sink] records.
var ErrTooManyFaults = errors.New("too many fields failed")

// ErrAbandoned says that [Sink.Done] was closed before all was written.
var ErrAbandoned = errors.New("nobody waits for the JSON any more")

// ErrMalformed says that bytes are no valid message of their type. Errors that
// wrap it say which field; the text never shows the bytes.
var ErrMalformed = errors.New("malformed message")

// ErrAbsent is the cause of a fault where a field that cannot be null has no value.
var ErrAbsent = errors.New("no value for a field that cannot be null")

// ErrNotFinite is the cause of a fault where a number is NaN or infinite, which
// GraphQL cannot write.
var ErrNotFinite = errors.New("the number is not finite")

// ErrDenied is the cause of a fault where the caller may not see a field.
var ErrDenied = errors.New("the field is denied")

// malformed is an error that wraps ErrMalformed and says where and why.
type malformed struct {
	name   protoreflect.FullName // of the field or message
	reason error
}

func (e *malformed) Error() string {
	return ErrMalformed.Error() + ": " + string(e.name) + ": " + e.reason.Error()
}

func (e *malformed) Unwrap() error { return ErrMalformed }

// badValue is a value that is well-formed on the wire and has no JSON form, such
// as a timestamp in the year 12000. In a GraphQL selection it is a fault of its field alone.
type badValue struct{ malformed }

// The reasons of malformed.
var (
	errTruncated   = errors.New("truncated")
	errVarint      = errors.New("varint cut off or longer than 64 bits")
	errFieldNumber = errors.New("field number out of range")
	errWireType    = errors.New("unknown wire type")
	errEndGroup    = errors.New("end of a group that was not begun")
	errUTF8        = errors.New("invalid UTF-8")
	errRequired    = errors.New("required and absent")
	errTooDeep     = errors.New("nested too deep")
	errTooLong     = errors.New("2 GiB or more")
	errGrown       = errors.New("more than 16 MiB longer where texts are replaced")
	errNotMerged   = errors.New("split into parts that cannot be redacted one by one")
)

func (f *Field) malformed(reason error) error {
	return &malformed{f.desc.FullName(), reason}
}

func (m *Message) malformed(reason error) error {
	return &malformed{m.FullName(), reason}
}

// unfit returns the error for a value of the message that has no JSON form.
func (m *Message) unfit(reason string) error {
	return &badValue{malformed{m.FullName(), errors.New(reason)}}
}
