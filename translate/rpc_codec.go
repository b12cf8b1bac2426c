package translate

import (
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// codec is how messages are written on an RPC door.
type codec uint8

const (
	protoCodec codec = iota
	jsonCodec        // ProtoJSON; translated to wire bytes and back
)

// decode returns a client's message in wire form. Unknown fields of JSON are
// skipped, as they would be in wire form: a client may know a newer schema.
func (c codec) decode(m *schema.Method, message []byte) ([]byte, error) {
	if c == protoCodec {
		return message, nil
	}
	decoded, err := m.Input.AppendWire(nil, message, wire.DecodeOptions{IgnoreUnknown: true})
	if err != nil {
		return nil, invalidInput("message", "", err)
	}
	return decoded, nil
}

// encoder writes answers in a codec. It belongs to one call.
type encoder struct {
	codec codec
	json  []byte // scratch
	sink  wire.Sink
}

// encode returns an answer as the client reads it, valid until the next call.
func (e *encoder) encode(m *schema.Method, message []byte) (_ []byte, err error) {
	if e.codec == protoCodec {
		return message, nil
	}
	e.sink.MaxBytes = m.Limits.JSONBytes
	e.json, err = m.Output.Project(wire.Options{}).AppendJSON(e.json[:0], message, &e.sink)
	if err != nil {
		return nil, answerFault(m, err)
	}
	return e.json, nil
}
