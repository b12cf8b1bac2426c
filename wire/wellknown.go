package wire

import "google.golang.org/protobuf/reflect/protoreflect"

// wellKnown says which special JSON form a message has.
type wellKnown uint8

const (
	ordinary wellKnown = iota
	wellKnownAny
	wellKnownTimestamp
	wellKnownDuration
	wellKnownFieldMask
	wellKnownStruct
	wellKnownValue
	wellKnownListValue
	wellKnownWrapper // BoolValue, StringValue and their kin
	wellKnownEmpty
)

var wellKnownNames = map[protoreflect.FullName]wellKnown{
	"google.protobuf.Any":         wellKnownAny,
	"google.protobuf.Timestamp":   wellKnownTimestamp,
	"google.protobuf.Duration":    wellKnownDuration,
	"google.protobuf.FieldMask":   wellKnownFieldMask,
	"google.protobuf.Struct":      wellKnownStruct,
	"google.protobuf.Value":       wellKnownValue,
	"google.protobuf.ListValue":   wellKnownListValue,
	"google.protobuf.Empty":       wellKnownEmpty,
	"google.protobuf.DoubleValue": wellKnownWrapper,
	"google.protobuf.FloatValue":  wellKnownWrapper,
	"google.protobuf.Int64Value":  wellKnownWrapper,
	"google.protobuf.UInt64Value": wellKnownWrapper,
	"google.protobuf.Int32Value":  wellKnownWrapper,
	"google.protobuf.UInt32Value": wellKnownWrapper,
	"google.protobuf.BoolValue":   wellKnownWrapper,
	"google.protobuf.StringValue": wellKnownWrapper,
	"google.protobuf.BytesValue":  wellKnownWrapper,
}

// wellKnownOf returns the special form of a message. Descriptors come from
// backends: one that has a well-known name and other fields is an ordinary message.
func wellKnownOf(md protoreflect.MessageDescriptor) wellKnown {
	known := wellKnownNames[md.FullName()]
	if known == ordinary || !known.fits(md) {
		return ordinary
	}
	return known
}

// wellKnownKinds are the kinds of the fields numbered from 1.
var wellKnownKinds = map[wellKnown][]protoreflect.Kind{
	wellKnownAny:       {protoreflect.StringKind, protoreflect.BytesKind},
	wellKnownTimestamp: {protoreflect.Int64Kind, protoreflect.Int32Kind},
	wellKnownDuration:  {protoreflect.Int64Kind, protoreflect.Int32Kind},
	wellKnownFieldMask: {protoreflect.StringKind},
	wellKnownStruct:    {protoreflect.MessageKind},
	wellKnownListValue: {protoreflect.MessageKind},
	wellKnownValue: {
		protoreflect.EnumKind, protoreflect.DoubleKind, protoreflect.StringKind,
		protoreflect.BoolKind, protoreflect.MessageKind, protoreflect.MessageKind,
	},
	wellKnownEmpty: {},
}

func (k wellKnown) fits(md protoreflect.MessageDescriptor) bool {
	if k == wellKnownWrapper {
		value := md.Fields().ByNumber(1)
		return md.Fields().Len() == 1 && value != nil && value.Message() == nil && !value.IsList()
	}
	kinds := wellKnownKinds[k]
	if md.Fields().Len() != len(kinds) {
		return false
	}
	for i, kind := range kinds {
		fd := md.Fields().ByNumber(protoreflect.FieldNumber(i + 1))
		if fd == nil || fd.Kind() != kind || !k.fitsShape(fd) {
			return false
		}
	}
	return true
}

func (k wellKnown) fitsShape(fd protoreflect.FieldDescriptor) bool {
	switch k {
	case wellKnownStruct:
		return fd.IsMap() && fd.MapKey().Kind() == protoreflect.StringKind
	case wellKnownFieldMask, wellKnownListValue:
		return fd.IsList()
	case wellKnownValue:
		return fd.ContainingOneof() != nil
	default:
		return !fd.IsList() && !fd.IsMap()
	}
}
