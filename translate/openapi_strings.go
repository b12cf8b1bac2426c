package translate

import (
	"strings"

	validatepb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
)

// constrainString adds what protovalidate has for strings: lengths in characters,
// which JSON Schema counts alike, patterns and formats.
func constrainString(schema *object, r *validatepb.StringRules) {
	if r == nil {
		return
	}
	constrainLength(schema, r)
	setPatterns(schema, r)
	if format := stringFormat(r); format != "" {
		schema.set("format", format)
	}
	if r.GetIp() {
		schema.set("anyOf", []any{newObject(member{"format", "ipv4"}), newObject(member{"format", "ipv6"})})
	}
}

// constrainLength adds bounds of the length. One in bytes bounds the characters too: a
// character has one byte at least and four at most.
func constrainLength(schema *object, r *validatepb.StringRules) {
	switch {
	case r.Len != nil:
		schema.set("minLength", count(r.GetLen()))
	case r.MinLen != nil:
		schema.set("minLength", count(r.GetMinLen()))
	case r.LenBytes != nil:
		schema.set("minLength", count(r.GetLenBytes()/4))
	case r.MinBytes != nil:
		schema.set("minLength", count(r.GetMinBytes()/4))
	}
	switch {
	case r.Len != nil:
		schema.set("maxLength", count(r.GetLen()))
	case r.MaxLen != nil:
		schema.set("maxLength", count(r.GetMaxLen()))
	case r.LenBytes != nil:
		schema.set("maxLength", count(r.GetLenBytes()))
	case r.MaxBytes != nil:
		schema.set("maxLength", count(r.GetMaxBytes()))
	}
}

// stringFormat returns the format of JSON Schema that a rule asks for.
func stringFormat(r *validatepb.StringRules) string {
	switch {
	case r.GetEmail():
		return "email"
	case r.GetHostname():
		return "hostname"
	case r.GetIpv4():
		return "ipv4"
	case r.GetIpv6():
		return "ipv6"
	case r.GetUri():
		return "uri"
	case r.GetUriRef():
		return "uri-reference"
	case r.GetUuid():
		return "uuid"
	default:
		return ""
	}
}

// setPatterns adds all patterns: the first as `pattern`, further ones under `allOf`.
func setPatterns(schema *object, r *validatepb.StringRules) {
	var patterns []string
	if p, ok := ecmaPattern(r.GetPattern()); ok && r.Pattern != nil {
		patterns = append(patterns, p)
	}
	if r.Prefix != nil {
		patterns = append(patterns, "^"+quotePattern(r.GetPrefix()))
	}
	if r.Suffix != nil {
		patterns = append(patterns, quotePattern(r.GetSuffix())+"$")
	}
	if r.Contains != nil {
		patterns = append(patterns, quotePattern(r.GetContains()))
	}
	if r.GetTuuid() {
		patterns = append(patterns, "^[0-9a-fA-F]{32}$")
	}
	if r.GetUlid() {
		patterns = append(patterns, "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$")
	}
	var further []any
	for i, p := range patterns {
		if i == 0 {
			schema.set("pattern", p)
		} else {
			further = append(further, newObject(member{"pattern", p}))
		}
	}
	schema.setList("allOf", further)
}

// patternSyntax are the characters that ECMA-262 takes a backslash before.
const patternSyntax = `^$\.*+?()[]{}|/`

func quotePattern(text string) string {
	var b strings.Builder
	for _, c := range text {
		if strings.ContainsRune(patternSyntax, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// ecmaPattern turns an expression of RE2 into one of ECMA-262 in Unicode mode, which
// JSON Schema has. Where they differ in more than spelling it reports false: a
// pattern that a validator cannot compile would spoil the whole document.
func ecmaPattern(re2 string) (string, bool) {
	t := &patternTranslator{rest: re2}
	for t.rest != "" {
		if !t.step() {
			return "", false
		}
	}
	return t.out.String(), true
}

type patternTranslator struct {
	rest    string
	out     strings.Builder
	inClass bool
}

func (t *patternTranslator) take(n int) {
	t.out.WriteString(t.rest[:n])
	t.rest = t.rest[n:]
}

func (t *patternTranslator) escape() {
	t.out.WriteByte('\\')
	t.take(1)
}

// step translates the next piece.
func (t *patternTranslator) step() bool {
	switch c := t.rest[0]; {
	case c == '\\':
		return t.escaped()
	case t.inClass:
		return t.classStep(c)
	case c == '(' && strings.HasPrefix(t.rest, "(?") && !strings.HasPrefix(t.rest, "(?:"):
		return false
	case c == '{' && !isRepetition(t.rest):
		t.escape()
	case c == '{':
		t.take(strings.IndexByte(t.rest, '}') + 1)
	case c == '}' || c == ']':
		t.escape()
	case c == '[':
		t.inClass = true
		t.take(1)
		t.classStart()
	default:
		t.take(1)
	}
	return true
}

// classStart takes what stands first in a class: a bracket there is a literal.
func (t *patternTranslator) classStart() {
	if strings.HasPrefix(t.rest, "^") {
		t.take(1)
	}
	if strings.HasPrefix(t.rest, "]") {
		t.escape()
	}
}

func (t *patternTranslator) classStep(c byte) bool {
	switch {
	case strings.HasPrefix(t.rest, "[:"):
		return false
	case c == '[':
		t.escape()
	case c == ']':
		t.inClass = false
		t.take(1)
	default:
		t.take(1)
	}
	return true
}

// escaped takes a backslash and what follows it.
func (t *patternTranslator) escaped() bool {
	if len(t.rest) < 2 {
		return false
	}
	c := t.rest[1]
	switch {
	case strings.IndexByte(patternSyntax, c) >= 0, strings.IndexByte("dDwWsStnrfv", c) >= 0,
		!t.inClass && (c == 'b' || c == 'B'), t.inClass && c == '-':
		t.take(2)
	case isIdent(c, true) && c != '_' || c >= 0x80:
		return false
	default: // a literal that needs no backslash
		t.rest = t.rest[1:]
		t.take(1)
	}
	return true
}

// isRepetition reports whether a text begins with {n}, {n,} or {n,m}.
func isRepetition(text string) bool {
	inner, _, closed := strings.Cut(text[1:], "}")
	from, to, _ := strings.Cut(inner, ",")
	return closed && from != "" && strings.Trim(from+to, "0123456789") == ""
}
