package wire

// anyMessage writes a google.protobuf.Any: the message inside with its type URL
// as first member. A type that the resolver does not know is never a failure; its
// bytes are then written in base64.
func (w *writer) anyMessage(dst []byte, p *Projection, slots []slot) ([]byte, error) {
	url, body := slots[0], slots[1]
	if url.first == url.last {
		if body.first == body.last {
			return append(dst, '{', '}'), nil
		}
		return dst, p.message.unfit("a value without a type")
	}
	dst = append(dst, `{"@type":`...)
	dst, err := w.scalar(dst, &p.steps[0].value, int(url.first), int(url.last))
	if err != nil {
		return dst, err
	}
	dst = append(dst, ',')
	m := p.message.types.messageByURL(w.bytes(url))
	if m == nil {
		dst = appendBase64(append(dst, `"value":`...), w.bytes(body))
		return append(dst, '}'), nil
	}
	partial := w.partial
	w.partial = true
	dst, err = w.inAny(dst, m.Project(p.options), span{body.first, body.last, 0})
	w.partial = partial
	return dst, err
}

// inAny writes what is behind the type URL: the members of the message, or its
// special form as the member value.
func (w *writer) inAny(dst []byte, p *Projection, body span) ([]byte, error) {
	if p.message.HasOwnForm() {
		dst, err := w.message(append(dst, `"value":`...), p, body)
		return append(dst, '}'), err
	}
	return w.enter(dst, p, body, (*writer).members)
}
