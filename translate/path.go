package translate

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// path is a request's path, split on the slashes that the client wrote and
// decoded once per part. There is no cleaning, no case folding and no second decoding: what
// would need them is refused, so that a path has one meaning for everyone who reads it.
type path struct {
	escaped string
	parts   []part
	// trailing: the path ends with a slash, which no template does.
	trailing bool
}

// part is what stands between two slashes.
type part struct {
	raw        string // as the client wrote it
	text       string // decoded
	start, end int    // raw in path.escaped
}

// requestPath returns the path as the client sent it. [url.URL.EscapedPath] does not if one of its bytes should have been
// escaped, such as a quote or the bytes of é: it then encodes the decoded path again, in which %2F has become a slash and %3A a
// colon.
func requestPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// split fills p. Errors are refusals with 400.
func (p *path) split(escaped string) error {
	p.escaped, p.parts, p.trailing = escaped, p.parts[:0], false
	if !strings.HasPrefix(escaped, "/") {
		return badPath("it does not start with /")
	}
	for start := 1; start < len(escaped); {
		end := strings.IndexByte(escaped[start:], '/')
		if end < 0 {
			end = len(escaped)
		} else {
			end += start
			p.trailing = end == len(escaped)-1
		}
		if err := p.add(start, end); err != nil {
			return err
		}
		start = end + 1
	}
	return nil
}

func (p *path) add(start, end int) error {
	raw := p.escaped[start:end]
	if raw == "" {
		return badPath("it has an empty segment")
	}
	text := raw
	if !isLiteral(raw) {
		var err error
		if text, err = url.PathUnescape(raw); err != nil {
			return badPath("it is not percent-encoded well")
		}
		if reason := badSegment(text); reason != "" {
			return badPath(reason)
		}
	}
	p.parts = append(p.parts, part{raw: raw, text: text, start: start, end: end})
	return nil
}

// isLiteral reports whether a segment means what it says, as most do: it is ASCII, and neither is there anything in it to be
// decoded nor would it be refused.
func isLiteral(raw string) bool {
	for i := range len(raw) {
		if c := raw[i]; c == '%' || c == '\\' || c == 0 || c >= utf8.RuneSelf {
			return false
		}
	}
	return raw[0] != '.'
}

func badPath(reason string) error {
	return refuse(http.StatusBadRequest, "bad path: "+reason)
}

// badSegment says why a decoded segment is refused, or nothing.
func badSegment(text string) string {
	switch {
	case text == "." || text == "..":
		return "it has a . or .. segment"
	case strings.IndexByte(text, '\\') >= 0:
		return `it has a \`
	case strings.IndexByte(text, 0) >= 0:
		return "it has a NUL"
	case !utf8.ValidString(text):
		return "it is not UTF-8"
	default:
		return ""
	}
}

// cut returns the part without the verb that starts with the colon at raw[i].
func (p part) cut(i int) part {
	p.raw = p.raw[:i]
	p.text = decodeSegment(p.raw)
	p.end = p.start + i
	return p
}

// decodeSegment decodes a piece of a part that is known to be well encoded.
func decodeSegment(raw string) string {
	text, err := url.PathUnescape(raw)
	if err != nil {
		return raw
	}
	return text
}

// value returns the value of a variable that covers the parts [from, to). One
// part is decoded whole. In several, a %2F or %2f stays as the client wrote it, so
// that it differs from a slash (google/api/http.proto, "Path template syntax").
func (p *path) value(from, to int, multi bool) string {
	if !multi {
		return p.parts[from].text
	}
	if from == to {
		return ""
	}
	raw := p.escaped[p.parts[from].start:p.parts[to-1].end]
	if strings.IndexByte(raw, '%') < 0 {
		return raw
	}
	return decodeKeepingSlashes(raw)
}

func decodeKeepingSlashes(raw string) string {
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' || strings.EqualFold(raw[i:i+3], "%2F") {
			b = append(b, raw[i])
			continue
		}
		b = append(b, unhex(raw[i+1])<<4|unhex(raw[i+2]))
		i += 2
	}
	return string(b)
}

// unhex returns the value of a hexadecimal digit.
func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// noRoute is the answer for a path that nothing was bound to.
func (t *REST) noRoute(method string, p *path) error {
	shown := p.escaped
	if len(shown) > 200 {
		shown = shown[:200] + "…"
	}
	hint := ""
	switch {
	case p.trailing:
		hint = "; paths have no trailing slash"
	case t.listed != "":
		hint = "; " + t.listed + " lists those that there are"
	}
	return refuse(http.StatusNotFound, fmt.Sprintf("no route for %s %s%s", method, shown, hint))
}
