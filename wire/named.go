package wire

import (
	"bytes"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// messageByURL returns the message that a type URL of an Any names, or nil where the
// resolver knows none. Only what is after the last slash counts.
func (t *Types) messageByURL(url []byte) *Message {
	name := url[bytes.LastIndexByte(url, '/')+1:]
	t.mu.RLock()
	m := t.named[string(name)]
	t.mu.RUnlock()
	if m != nil || t.resolver == nil {
		return m
	}
	md := t.resolver.FindMessageByName(protoreflect.FullName(name))
	if md == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	m = t.message(md)
	t.named[string(name)] = m
	return m
}
