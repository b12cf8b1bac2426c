package schema

import (
	"regexp"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Comment returns the documentation of a declaration for clients: the comment before it or, if there is none for clients,
// the comment behind it on its line. Internal comments, directives for linters and control characters are removed,
// and cross references are replaced by their texts (AIP-192).
func Comment(d protoreflect.Descriptor) string {
	file := d.ParentFile()
	if file == nil {
		return ""
	}
	at := file.SourceLocations().ByDescriptor(d)
	if text := CleanComment(at.LeadingComments); text != "" {
		return text
	}
	return CleanComment(at.TrailingComments)
}

// CleanComment returns the text of a comment as people are shown it: without internal comments (AIP-192), and with cross references
// as their text.
func CleanComment(comment string) string {
	if comment == "" {
		return ""
	}
	var lines []string
	for line := range strings.Lines(WithoutInternal(comment)) {
		line = strings.TrimRightFunc(strings.TrimPrefix(line, " "), unicode.IsSpace)
		if !strings.HasPrefix(line, "buf:lint:") {
			lines = append(lines, strings.Map(withoutControl, line))
		}
	}
	text := crossReference.ReplaceAllString(strings.Join(lines, "\n"), "$before$text")
	return strings.TrimSpace(strings.ToValidUTF8(text, "�"))
}

// withoutControl removes what neither SDL nor YAML can contain.
func withoutControl(r rune) rune {
	if r < ' ' && r != '\t' && r != '\n' || r == 0x7f {
		return -1
	}
	return r
}

// crossReference matches `[Book][acme.v1.Book]` and `[acme.v1.Book][]`, but not indexes such as `a[i][j]`.
var crossReference = regexp.MustCompile(
	"(?P<before>^|[^\\w\\])`])" +
		`\[(?:(?P<text>[^\[\]]+)\]\[\.?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|(?P<text>\.?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\]\[)\]`)

const (
	internalOpens  = "(--"
	internalCloses = "--)"
)

// WithoutInternal removes internal comments, `(-- … --)`, from a comment (AIP-192). They may nest. One that does not
// end lasts to the end of the comment, so that a typing error publishes nothing. A flag in parentheses, such as
// `(--verbose)`, is not an internal comment.
func WithoutInternal(comment string) string {
	if !strings.Contains(comment, internalOpens) {
		return comment
	}
	var public strings.Builder
	dropped, blank := false, true // the line before: dropped, and blank or absent
	for line := range strings.Lines(markInternal(comment)) {
		isBlank := strings.TrimSpace(line) == ""
		if strings.Contains(line, internalMark) {
			line = marked.ReplaceAllLiteralString(line, "")
			if strings.TrimSpace(line) == "" {
				dropped = true
				continue
			}
		}
		if dropped && blank && isBlank {
			continue
		}
		dropped, blank = false, isBlank
		public.WriteString(line)
	}
	return public.String()
}

// internalMark stands for an internal comment.
const internalMark = "\x00"

var marked = regexp.MustCompile(`[ \t]*` + internalMark)

// markInternal replaces each internal comment by the mark.
func markInternal(comment string) string {
	var text strings.Builder
	for {
		start := internalStart(comment)
		if start < 0 {
			return text.String() + comment
		}
		text.WriteString(comment[:start])
		text.WriteString(internalMark)
		comment = comment[internalEnd(comment, start):]
	}
}

// internalStart returns where the first internal comment starts, or -1.
func internalStart(text string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], internalOpens)
		if i < 0 {
			return -1
		}
		if i += from; !isFlag(text[i:]) {
			return i
		}
		from = i + len(internalOpens)
	}
}

// internalEnd returns where the internal comment that starts at a place ends.
func internalEnd(text string, start int) int {
	at, depth := start+len(internalOpens), 1
	for depth > 0 {
		closes := strings.Index(text[at:], internalCloses)
		if closes < 0 {
			return len(text)
		}
		opens := internalStart(text[at : at+closes])
		if opens >= 0 {
			depth, at = depth+1, at+opens+len(internalOpens)
			continue
		}
		depth, at = depth-1, at+closes+len(internalCloses)
	}
	return at
}

// isFlag reports whether a text starts with a command line flag in parentheses, such as `(--verbose)` or `(--)`.
func isFlag(text string) bool {
	end := strings.IndexAny(text, ") \t\r\n")
	return end > 0 && text[end] == ')' && (text[:end] == internalOpens || !strings.HasSuffix(text[:end], "--"))
}

// HideInternal removes internal comments from a file that is about to be published.
func HideInternal(file *descriptorpb.FileDescriptorProto) {
	for _, l := range file.GetSourceCodeInfo().GetLocation() {
		if l.LeadingComments != nil {
			*l.LeadingComments = WithoutInternal(*l.LeadingComments)
		}
		if l.TrailingComments != nil {
			*l.TrailingComments = WithoutInternal(*l.TrailingComments)
		}
		for i, text := range l.LeadingDetachedComments {
			l.LeadingDetachedComments[i] = WithoutInternal(text)
		}
	}
}
