package translate

import (
	"fmt"
	"net/url"
	"strings"
)

// maxTemplate bounds a path template in bytes: descriptors are not trusted.
const maxTemplate = 4096

// template is a parsed path template of google.api.http (google/api/http.proto,
// "Path template syntax"). Beyond that grammar it takes literals after `**`, as
// grpc-gateway and Envoy do.
type template struct {
	segments  []segment
	verb      string // decoded, without its colon; may contain colons
	variables []variable
	deep      int // the index of `**` in segments, or -1
}

// segment is one part of a template between slashes.
type segment struct {
	kind segmentKind
	text string // of a literal, decoded
}

type segmentKind uint8

const (
	literal segmentKind = iota
	star                // `*`: one segment
	deep                // `**`: any number of segments
)

// variable covers the segments [from, to) of a template.
type variable struct {
	field    string // dotted, as written
	from, to int
	multi    bool // covers more than one segment, so that %2F stays as it is
	column   int
}

// templateError says where a template is wrong.
type templateError struct {
	column int // from 1
	reason string
}

func (e *templateError) Error() string { return fmt.Sprintf("column %d: %s", e.column, e.reason) }

// parseTemplate parses a path template. Errors are *templateError.
func parseTemplate(text string) (*template, error) {
	if len(text) > maxTemplate {
		return nil, &templateError{maxTemplate, fmt.Sprintf("longer than %d bytes", maxTemplate)}
	}
	p := &templateParser{text: text, out: &template{deep: -1}}
	if err := p.template(); err != nil {
		return nil, err
	}
	return p.out, nil
}

type templateParser struct {
	text string
	pos  int
	out  *template
}

func (p *templateParser) fail(pos int, format string, args ...any) error {
	return &templateError{pos + 1, fmt.Sprintf(format, args...)}
}

// peek returns the next byte, and 0 at the end.
func (p *templateParser) peek() byte {
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func (p *templateParser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func (p *templateParser) template() error {
	if !p.take('/') {
		return p.fail(0, "a path template starts with /")
	}
	if p.pos == len(p.text) {
		return nil
	}
	for {
		if err := p.topSegment(); err != nil {
			return err
		}
		if p.pos == len(p.text) {
			return nil
		}
		if p.peek() == ':' {
			return p.takeVerb(p.pos)
		}
		if !p.take('/') {
			return p.fail(p.pos, "/ or : expected, not %q", p.peek())
		}
	}
}

func (p *templateParser) topSegment() error {
	if p.peek() == '{' {
		return p.variable()
	}
	return p.segment(false)
}

// variable parses `{field.path}` or `{field.path=segments}`.
func (p *templateParser) variable() error {
	v := variable{from: len(p.out.segments), column: p.pos + 1}
	p.pos++
	start := p.pos
	if err := p.fieldPath(); err != nil {
		return err
	}
	v.field = p.text[start:p.pos]
	for _, other := range p.out.variables {
		if other.field == v.field {
			return p.fail(start, "field %s is bound twice", v.field)
		}
	}
	if err := p.variableSegments(); err != nil {
		return err
	}
	if !p.take('}') {
		return p.fail(p.pos, "} expected to end the variable %s", v.field)
	}
	v.to = len(p.out.segments)
	v.multi = v.to-v.from > 1 || p.out.segments[v.from].kind == deep
	p.out.variables = append(p.out.variables, v)
	return nil
}

// variableSegments parses `=a/*/**`; a variable without is one `*`.
func (p *templateParser) variableSegments() error {
	if !p.take('=') {
		p.out.segments = append(p.out.segments, segment{kind: star})
		return p.afterDeep(p.pos)
	}
	for {
		if p.peek() == '{' {
			return p.fail(p.pos, "a variable cannot contain another")
		}
		if err := p.segment(true); err != nil {
			return err
		}
		if !p.take('/') {
			return nil
		}
	}
}

func (p *templateParser) fieldPath() error {
	for {
		start := p.pos
		for p.pos < len(p.text) && isIdent(p.text[p.pos], p.pos > start) {
			p.pos++
		}
		if p.pos == start {
			return p.fail(p.pos, "a field name expected")
		}
		if !p.take('.') {
			return nil
		}
	}
}

func isIdent(c byte, digits bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || digits && '0' <= c && c <= '9'
}

// segment parses `*`, `**` or a literal.
func (p *templateParser) segment(inVariable bool) error {
	start := p.pos
	switch {
	case strings.HasPrefix(p.text[p.pos:], "**"):
		p.pos += 2
		if p.out.deep >= 0 {
			return p.fail(start, "a second **")
		}
		p.out.deep = len(p.out.segments)
		p.out.segments = append(p.out.segments, segment{kind: deep})
		return nil
	case p.take('*'):
		p.out.segments = append(p.out.segments, segment{kind: star})
		return p.afterDeep(start)
	default:
		return p.literal(inVariable)
	}
}

// afterDeep refuses a wildcard behind `**`.
func (p *templateParser) afterDeep(pos int) error {
	if p.out.deep >= 0 {
		return p.fail(pos, "only literals may follow **")
	}
	return nil
}

func (p *templateParser) literal(inVariable bool) error {
	start := p.pos
	stops := "/{}*"
	end := strings.IndexAny(p.text[start:], stops)
	if end < 0 {
		end = len(p.text) - start
	}
	end += start
	colon := -1
	if end == len(p.text) && !inVariable {
		colon = strings.LastIndexByte(p.text[start:], ':')
	}
	if colon >= 0 {
		end = start + colon // the last segment's last colon starts the verb
	}
	if end == start {
		return p.fail(start, "a path segment expected")
	}
	text, err := p.decode(start, end)
	if err != nil {
		return err
	}
	p.out.segments = append(p.out.segments, segment{text: text})
	p.pos = end
	return nil
}

// takeVerb takes the rest, from the colon at pos, as the verb.
func (p *templateParser) takeVerb(pos int) error {
	rest := p.text[pos+1:]
	if rest == "" {
		return p.fail(pos, "a verb expected after :")
	}
	if i := strings.IndexAny(rest, "/{}*"); i >= 0 {
		return p.fail(pos+1+i, "%q in a verb, which ends the template", rest[i])
	}
	verb, err := p.decode(pos+1, len(p.text))
	p.out.verb = verb
	p.pos = len(p.text)
	return err
}

// decode returns a literal without percent-encoding.
func (p *templateParser) decode(start, end int) (string, error) {
	text, err := url.PathUnescape(p.text[start:end])
	if err != nil {
		return "", p.fail(start, "%q is not percent-encoded well", p.text[start:end])
	}
	if reason := badSegment(text); reason != "" {
		return "", p.fail(start, "no request can match this segment: %s", reason)
	}
	return text, nil
}

// span returns the parts of a path of n parts that a variable covers.
func (t *template) span(v *variable, n int) (from, to int) {
	from, to = v.from, v.to
	if t.deep < 0 {
		return from, to
	}
	shift := n - len(t.segments)
	if from > t.deep {
		from += shift
	}
	if to > t.deep {
		to += shift
	}
	return from, to
}
