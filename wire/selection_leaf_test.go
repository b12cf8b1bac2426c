package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// scalar writes a scalar in its GraphQL form.
func (w *selectionWalk) scalar(fd protoreflect.FieldDescriptor, v protoreflect.Value, at string) (string, bool) {
	if f, isFloat := v.Interface().(float64); isFloat && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return "", w.fault(at)
	}
	if f, isFloat := v.Interface().(float32); isFloat && (math.IsNaN(float64(f)) || math.IsInf(float64(f), 0)) {
		return "", w.fault(at)
	}
	if fd.Enum() != nil {
		if isNullValue(fd) {
			return "null", true
		}
		if value := fd.Enum().Values().ByNumber(v.Enum()); value != nil {
			return quoteJSON(string(value.Name())), true
		}
		return `"UNRECOGNIZED"`, true
	}
	text, err := w.schema.protojsonText(wrapped(fd, v))
	if err != nil {
		w.unfit = err
	}
	return text, true
}

// isFinite reports whether a value is not a number that JSON lacks.
func isFinite(v protoreflect.Value) bool {
	switch f := v.Interface().(type) {
	case float32:
		return !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0)
	case float64:
		return !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return true
}

func isNullValue(fd protoreflect.FieldDescriptor) bool {
	return fd.Enum() != nil && fd.Enum().FullName() == "google.protobuf.NullValue"
}

// wrapped returns the well-known message that is written as the scalar is.
func wrapped(fd protoreflect.FieldDescriptor, v protoreflect.Value) proto.Message {
	switch x := v.Interface().(type) {
	case bool:
		return wrapperspb.Bool(x)
	case int32:
		return wrapperspb.Int32(x)
	case int64:
		return wrapperspb.Int64(x)
	case uint32:
		return wrapperspb.UInt32(x)
	case uint64:
		return wrapperspb.UInt64(x)
	case float32:
		return wrapperspb.Float(x)
	case float64:
		return wrapperspb.Double(x)
	case string:
		return wrapperspb.String(x)
	case []byte:
		return wrapperspb.Bytes(x)
	default:
		panic(fd.FullName())
	}
}

// whole writes a message as one value: in ProtoJSON, save that numbers in wrappers are finite.
func (w *selectionWalk) whole(msg protoreflect.Message, at string) (string, bool) {
	switch name := msg.Descriptor().FullName(); name {
	case "google.protobuf.DoubleValue", "google.protobuf.FloatValue":
		fd := msg.Descriptor().Fields().ByNumber(1)
		return w.scalar(fd, msg.Get(fd), at)
	}
	text, err := w.schema.protojsonText(msg.Interface())
	if err == nil {
		return text, true
	}
	return w.refused(err, at)
}

// refused is called where protojson refuses a value: it has no JSON form, or the two of us differ.
func (w *selectionWalk) refused(err error, at string) (string, bool) {
	for _, differs := range []string{"UTF-8", "unable to resolve", "unable to unmarshal", errOraclePanicked.Error()} {
		if strings.Contains(err.Error(), differs) {
			w.unfit = err
		}
	}
	return "", w.fault(at)
}

// wholeMap writes a map as an object, by way of a Struct with nothing in it but the keys.
func (w *selectionWalk) wholeMap(fd protoreflect.FieldDescriptor, entries protoreflect.Map, at string) (string, bool) {
	holder := w.holder(fd, entries)
	text, err := w.schema.protojsonText(holder)
	if err == nil {
		_, text, _ = strings.Cut(text, ":")
		return strings.TrimSuffix(text, "}"), true
	}
	return w.refused(err, at)
}

// holder returns a message of the map's type with nothing in it but the map.
func (w *selectionWalk) holder(fd protoreflect.FieldDescriptor, entries protoreflect.Map) proto.Message {
	md := fd.ContainingMessage()
	if md.FullName() == "google.protobuf.Struct" {
		w.unfit = errors.New("its JSON is not an object with the member fields")
		return &structpb.Struct{}
	}
	holder := w.schema.new(w.schema.types.Message(md))
	holder.Set(fd, protoreflect.ValueOfMap(entries))
	return holder
}

// protojsonText writes a message as compact JSON.
func (s *decodeSchema) protojsonText(msg proto.Message) (_ string, err error) {
	defer func() {
		if recover() != nil { // dynamicpb, inside an Any
			err = errOraclePanicked
		}
	}()
	out, err := protojson.MarshalOptions{Resolver: s.protobuf, AllowPartial: true}.Marshal(msg)
	if err != nil {
		return "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, out); err != nil {
		return "", errors.New("protojson writes no JSON")
	}
	return compact.String(), nil
}
