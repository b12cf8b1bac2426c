package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
)

// The messages of graphql-transport-ws.
const (
	messageInit      = "connection_init"
	messageAck       = "connection_ack"
	messagePing      = "ping"
	messagePong      = "pong"
	messageSubscribe = "subscribe"
	messageNext      = "next"
	messageError     = "error"
	messageComplete  = "complete"
)

// clientMessage is a message that a client may send.
type clientMessage struct {
	Type    string
	ID      string          // of subscribe and complete
	Payload json.RawMessage // an object, or nil
	Params  *graphql.RawParams
}

// decodeMessage reads a client's message. An error says what is wrong with it, in
// words for the client. Members that the protocol does not have are ignored.
func decodeMessage(data []byte) (clientMessage, error) {
	var m clientMessage
	if !utf8.Valid(data) {
		return m, errors.New("the message is not UTF-8")
	}
	if err := checkValues(data); err != nil {
		return m, err
	}
	var members map[string]json.RawMessage
	if err := decodeJSON(data, &members); err != nil || members == nil {
		return m, errors.New("the message is not a JSON object")
	}
	var ok bool
	if m.Type, ok = stringMember(members, "type"); !ok {
		return m, errors.New("the message has no type")
	}
	if payload := members["payload"]; len(payload) > 0 && string(payload) != "null" {
		m.Payload = payload
	}
	switch m.Type {
	case messageInit, messagePing, messagePong:
		return m, m.checkPayload()
	case messageSubscribe, messageComplete:
		return m, m.readOperation(members)
	default:
		return m, fmt.Errorf("a client does not send messages of type %q", m.Type)
	}
}

func (m *clientMessage) checkPayload() error {
	if m.Payload != nil && m.Payload[0] != '{' {
		return fmt.Errorf("the payload of %s must be an object", m.Type)
	}
	return nil
}

func (m *clientMessage) readOperation(members map[string]json.RawMessage) (err error) {
	var ok bool
	if m.ID, ok = stringMember(members, "id"); !ok || m.ID == "" {
		return fmt.Errorf("%s needs an id", m.Type)
	}
	if m.Type == messageSubscribe {
		m.Params, err = decodeParams(m.Payload)
	}
	return err
}

func stringMember(members map[string]json.RawMessage, name string) (s string, ok bool) {
	value := members[name]
	return s, len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &s) == nil
}

// appendMessage appends a server's message. The payload is JSON; an id or a
// payload that is empty is left out.
func appendMessage(dst []byte, kind, id string, payload []byte) []byte {
	dst = appendHead(dst, kind, id)
	if len(payload) > 0 {
		dst = append(appendName(dst, "payload"), payload...)
	}
	return append(dst, '}')
}

// appendHead begins a message.
func appendHead(dst []byte, kind, id string) []byte {
	dst = append(dst, '{')
	if id != "" {
		dst = appendMember(dst, "id", id)
	}
	return appendMember(dst, "type", kind)
}
