package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
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
	// Of subscribe. The params are in the scratch, which is the operation's.
	params  params
	scratch *scratch
}

// decodeMessage reads a client's message, which nobody else may write to. An error says what is wrong with it, in
// words for the client. Members that the protocol does not have are ignored.
func decodeMessage(data []byte) (m clientMessage, err error) {
	if !utf8.Valid(data) {
		return m, errors.New("the message is not UTF-8")
	}
	s := newScratch()
	defer func() {
		if m.scratch == nil {
			s.release()
		}
	}()
	err = s.json.read(data)
	message := s.json.root()
	switch {
	case err != nil && !errors.Is(err, errNotJSON):
		return m, err
	case err != nil || !message.isObject():
		return m, errors.New("the message is not a JSON object")
	}
	if m.Type = textOf(message, "type"); m.Type == "" {
		return m, errors.New("the message has no type")
	}
	payload, _ := message.field("payload")
	if !payload.isNull() {
		m.Payload = json.RawMessage(payload.written())
	}
	switch m.Type {
	case messageInit, messagePing, messagePong:
		return m, m.checkPayload()
	case messageSubscribe, messageComplete:
		if m.ID = textOf(message, "id"); m.ID == "" {
			return m, fmt.Errorf("%s needs an id", m.Type)
		}
	default:
		return m, fmt.Errorf("a client does not send messages of type %q", m.Type)
	}
	if m.Type == messageSubscribe {
		if m.params, err = paramsOf(payload); err == nil {
			m.scratch = s
		}
	}
	return m, err
}

func (m *clientMessage) checkPayload() error {
	if m.Payload != nil && m.Payload[0] != '{' {
		return fmt.Errorf("the payload of %s must be an object", m.Type)
	}
	return nil
}

// textOf returns a member that is a string, and nothing where there is none. It is a copy, for those who keep it longer
// than the message.
func textOf(object value, name string) string {
	member, _ := object.field(name)
	text, _ := member.text()
	return strings.Clone(text)
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
