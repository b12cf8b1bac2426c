package translate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// yamlWriter writes a JSON document as YAML 1.2 in block style. Strings that are
// no plain words are quoted as in JSON, which is YAML too.
type yamlWriter struct {
	in  *json.Decoder
	out []byte
}

// toYAML turns a JSON document that we wrote into YAML.
func toYAML(document []byte) ([]byte, error) {
	w := &yamlWriter{in: json.NewDecoder(bytes.NewReader(document)), out: make([]byte, 0, len(document)*2)}
	w.in.UseNumber()
	if err := w.value(0); err != nil {
		return nil, err
	}
	return append(w.out, '\n'), nil
}

// value writes the next value. What comes before it, such as a key and its colon,
// stands on the line already; depth is how far the lines of the value are indented.
func (w *yamlWriter) value(depth int) error {
	token, err := w.in.Token()
	if err != nil {
		return err
	}
	delim, nested := token.(json.Delim)
	switch {
	case !nested:
		w.scalar(token, depth)
		return nil
	case delim == '{':
		return w.mapping(depth)
	default:
		return w.sequence(depth)
	}
}

// mapping writes the members of an object. In a sequence the first stands behind the dash.
func (w *yamlWriter) mapping(depth int) error {
	if !w.in.More() {
		return w.empty("{}")
	}
	for first := true; w.in.More(); first = false {
		token, err := w.in.Token()
		if err != nil {
			return err
		}
		if !first || !w.afterDash() {
			w.line(depth)
		}
		name, _ := token.(string)
		w.key(name, depth)
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	_, err := w.in.Token()
	return err
}

// maxImplicitKey is less than the 1024 characters that a key may have on the line of
// its value (YAML 1.2, section 7.4.2).
const maxImplicitKey = 1000

func (w *yamlWriter) key(name string, depth int) {
	start := len(w.out)
	w.word(name)
	if len(w.out)-start > maxImplicitKey {
		w.out = slices.Insert(w.out, start, '?', ' ')
		w.line(depth)
	}
	w.out = append(w.out, ':')
}

func (w *yamlWriter) sequence(depth int) error {
	if !w.in.More() {
		return w.empty("[]")
	}
	for w.in.More() {
		w.line(depth)
		w.out = append(w.out, '-')
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	_, err := w.in.Token()
	return err
}

// empty writes an empty list or object and takes its end from the input.
func (w *yamlWriter) empty(text string) error {
	w.space()
	w.out = append(w.out, text...)
	_, err := w.in.Token()
	return err
}

// line begins a new line.
func (w *yamlWriter) line(depth int) {
	if len(w.out) > 0 {
		w.out = append(w.out, '\n')
	}
	for range depth {
		w.out = append(w.out, "  "...)
	}
}

// afterDash reports whether only a dash stands on the line, and puts a space behind it.
func (w *yamlWriter) afterDash() bool {
	if !bytes.HasSuffix(w.out, []byte("-")) || len(w.out) == 0 {
		return false
	}
	w.out = append(w.out, ' ')
	return true
}

func (w *yamlWriter) space() {
	if len(w.out) > 0 {
		w.out = append(w.out, ' ')
	}
}

func (w *yamlWriter) scalar(token json.Token, depth int) {
	w.space()
	switch v := token.(type) {
	case string:
		w.text(v, depth)
	case json.Number:
		w.out = append(w.out, v...)
	case bool:
		w.out = appendValue(w.out, v)
	default:
		w.out = append(w.out, "null"...)
	}
}

// text writes a string: several lines as a literal block, a plain word as it is.
func (w *yamlWriter) text(s string, depth int) {
	if !fitsBlock(s) {
		w.word(s)
		return
	}
	w.out = append(w.out, "|-"...)
	for text := range strings.SplitSeq(s, "\n") {
		if text == "" {
			w.out = append(w.out, '\n')
			continue
		}
		w.line(depth)
		w.out = append(w.out, text...)
	}
}

// fitsBlock reports whether a text can be a literal block and come back the same:
// it has lines, begins with text, ends without a line's end, and has nothing that needs escapes.
func fitsBlock(s string) bool {
	if !strings.Contains(s, "\n") || strings.HasSuffix(s, "\n") || s[0] == ' ' || s[0] == '\n' {
		return false
	}
	for _, r := range s {
		if r != '\n' && r < ' ' || breaksYAML(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return false
		}
	}
	return true
}

func (w *yamlWriter) word(s string) {
	if isPlainWord(s) {
		w.out = append(w.out, s...)
		return
	}
	start := len(w.out)
	w.out = appendText(w.out, s)
	if strings.ContainsFunc(s, breaksYAML) {
		w.out = append(w.out[:start], escapeForYAML(string(w.out[start:]))...)
	}
}

// breaksYAML reports whether a character may stand in a JSON string and not in one of YAML.
func breaksYAML(r rune) bool {
	return r >= 0x7f && r < 0xa0 || r == '\ufeff' || r == '\ufffe' || r == '\uffff'
}

func escapeForYAML(quoted string) string {
	var b strings.Builder
	for _, r := range quoted {
		if breaksYAML(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isPlainWord reports whether a string needs no quotes. It is stricter than YAML: what
// any reader could take for a number, a boolean, a date or null is quoted.
func isPlainWord(s string) bool {
	if s == "" || !isIdent(s[0], false) && s[0] != '/' || strings.HasSuffix(s, ":") || strings.HasSuffix(s, " ") {
		return false
	}
	for i := range len(s) {
		if !isIdent(s[i], true) && !strings.ContainsRune("/.-:, ()`'", rune(s[i])) {
			return false
		}
	}
	return !strings.Contains(s, ": ") && !yamlWords[strings.ToLower(s)]
}

// yamlWords mean something else than themselves, in YAML 1.1 or 1.2.
var yamlWords = map[string]bool{
	"true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true, "null": true,
}
