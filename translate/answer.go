package translate

import (
	"bytes"
	"fmt"
	"mime"
	"strings"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// maxMaskMemo bounds the field masks that an answer remembers, and maxMaskText
// the bytes of one.
const (
	maxMaskMemo = 64
	maxMaskText = 512
)

// answer knows how the messages of a method are written. It is immutable but for
// its memo, which is safe for concurrent use.
type answer struct {
	method  *schema.Method
	options wire.Options
	all     *wire.Projection
	masks   memo[*wire.Projection]

	// A response_body is written as a message with nothing but that field, and
	// then taken out of what stands around it.
	body         string // the field path, or empty
	before       []byte // such as `{"book":`
	after        int    // closing braces
	absent       string // JSON for a field that is not there
	contentType  *wire.Path
	data         *wire.Path
	messageField bool // the response_body has fields that a mask can name
}

// newAnswer compiles how a method answers. The error says what is wrong with the response_body.
func newAnswer(m *schema.Method, responseBody string, o wire.Options) (*answer, error) {
	a := &answer{
		method:       m,
		options:      o,
		masks:        memo[*wire.Projection]{limit: maxMaskMemo},
		messageField: true,
	}
	if responseBody != "" {
		return a, a.bindBody(responseBody)
	}
	if isHTTPBody(m.Output) {
		return a, a.bindRaw("")
	}
	a.all = m.Output.Project(a.options)
	return a, nil
}

func jsonOptions(o *optionsv1.JSON) wire.Options {
	return wire.Options{
		EmitDefaults: o.GetEmitDefaults(),
		ProtoNames:   o.GetProtoNames(),
		EnumNumbers:  o.GetEnumNumbers(),
		HTMLSafe:     o.GetHtmlSafe(),
	}
}

func (a *answer) bindBody(responseBody string) error {
	p, err := a.method.Output.Path(responseBody)
	if err != nil {
		return fmt.Errorf("response_body %q: %w", responseBody, err)
	}
	f := p.Field()
	if f.Message() != nil && !f.IsList() && !f.IsMap() && isHTTPBody(f.Message()) {
		return a.bindRaw(responseBody + ".")
	}
	a.body = responseBody
	a.messageField = f.Message() != nil && !f.IsMap()
	for _, f := range p.Fields() {
		name := f.JSONName()
		if a.options.ProtoNames {
			name = string(f.Descriptor().Name())
		}
		a.before = append(append(append(a.before, `{"`...), name...), `":`...)
		a.after++
	}
	if a.absent, err = a.absentJSON(); err != nil {
		return err
	}
	a.all, err = a.method.Output.ProjectMask(a.options, []string{responseBody})
	return err
}

// absentJSON is what stands for a response_body that the message does not have:
// the default of a field without presence, and else null.
func (a *answer) absentJSON() (string, error) {
	o := a.options
	o.EmitDefaults = true
	p, err := a.method.Output.ProjectMask(o, []string{a.body})
	if err != nil {
		return "", err
	}
	text, err := p.AppendJSON(nil, nil, nil)
	if inner, ok := bytes.CutPrefix(text, a.before); ok && err == nil {
		return string(inner[:len(inner)-a.after]), nil
	}
	return "null", nil
}

// bindRaw finds the parts of a google.api.HttpBody at a prefix.
func (a *answer) bindRaw(prefix string) (err error) {
	if a.contentType, err = a.method.Output.Path(prefix + "content_type"); err != nil {
		return err
	}
	a.data, err = a.method.Output.Path(prefix + "data")
	return err
}

// raw reports whether answers are bytes with a content type of their own, not JSON.
func (a *answer) raw() bool { return a.data != nil }

// rawBody returns the content type and the content of a google.api.HttpBody. The
// content aliases msg.
func (a *answer) rawBody(msg []byte) (contentType, data string, err error) {
	if contentType, err = lastText(a.contentType, msg); err != nil {
		return "", "", err
	}
	if data, err = lastText(a.data, msg); err != nil {
		return "", "", err
	}
	if _, _, err := mime.ParseMediaType(contentType); err != nil {
		contentType = typeOctets
	}
	return contentType, data, nil
}

func lastText(p *wire.Path, msg []byte) (text string, err error) {
	err = p.Values(msg, func(v wire.Value) bool {
		text = v.Text
		return true
	})
	return text, err
}

// projection returns what is written under a client's field mask; an empty one and `*` mean all.
func (a *answer) projection(mask string) (*wire.Projection, error) {
	if mask == "" || mask == "*" {
		return a.all, nil
	}
	if a.raw() || !a.messageField {
		return nil, invalid("the answer has no fields to choose from", "fields", "not a message")
	}
	if len(mask) > maxMaskText {
		return a.compileMask(mask)
	}
	return a.masks.get(mask, a.compileMask)
}

func (a *answer) compileMask(mask string) (*wire.Projection, error) {
	paths := strings.Split(mask, ",")
	if a.body != "" {
		for i, p := range paths {
			paths[i] = a.body + "." + p
		}
	}
	p, err := a.method.Output.ProjectMask(a.options, paths)
	if err != nil {
		return nil, invalid("fields: "+err.Error(), "fields", err.Error())
	}
	return p, nil
}

// appendJSON appends the JSON of one message, or of its response_body. An error
// is a status fit for the client, and dst is then as it was.
func (a *answer) appendJSON(dst, msg []byte, p *wire.Projection, sink *wire.Sink) ([]byte, error) {
	start := len(dst)
	dst, err := p.AppendJSON(dst, msg, sink)
	if err != nil {
		return dst[:start], answerFault(a.method, err)
	}
	if a.body == "" {
		return dst, nil
	}
	inner, ok := bytes.CutPrefix(dst[start:], a.before)
	if !ok {
		return append(dst[:start], a.absent...), nil
	}
	return append(dst[:start], inner[:len(inner)-a.after]...), nil
}
