package translate

import (
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/schema"
)

// commentOf returns the documentation of a declaration for clients.
func commentOf(d protoreflect.Descriptor) string { return schema.Comment(d) }

// maxSummary is the longest text, in bytes, that is a summary.
const maxSummary = 120

// splitSummary takes the first paragraph of a comment as the summary, where it is
// one short line, and the rest as the description. A longer comment is all description.
func splitSummary(comment string) (summary, description string) {
	first, rest, _ := strings.Cut(comment, "\n\n")
	if strings.Contains(first, "\n") || len(first) > maxSummary {
		return "", comment
	}
	return strings.TrimSuffix(first, "."), strings.TrimSpace(rest)
}

// inWords splits a name such as BatchGetBooks into "Batch get books".
func inWords(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		starts := i > 0 && unicode.IsUpper(r) &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if starts || r == '_' {
			b.WriteByte(' ')
		}
		switch acronym := i+1 < len(runes) && unicode.IsUpper(runes[i+1]) || i > 0 && i+1 == len(runes) && unicode.IsUpper(runes[i-1]); {
		case r == '_':
		case i > 0 && !acronym:
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// paragraphs joins texts that are not empty.
func paragraphs(texts ...string) string {
	var given []string
	for _, t := range texts {
		if t != "" {
			given = append(given, t)
		}
	}
	return strings.Join(given, "\n\n")
}

// isDeprecated reports whether a declaration is marked so in its file.
func isDeprecated(d protoreflect.Descriptor) bool {
	switch o := d.Options().(type) {
	case *descriptorpb.MethodOptions:
		return o.GetDeprecated() || isDeprecated(d.Parent())
	case *descriptorpb.ServiceOptions:
		return o.GetDeprecated()
	case *descriptorpb.MessageOptions:
		return o.GetDeprecated()
	case *descriptorpb.FieldOptions:
		return o.GetDeprecated()
	case *descriptorpb.EnumOptions:
		return o.GetDeprecated()
	}
	return false
}
